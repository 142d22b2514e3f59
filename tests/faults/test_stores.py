"""A run with a store, stopped at any system call on its files or on the store's: resumed, the bytes are golden.

What fails of the store only costs time: the run ends well without it, or stops and is resumed. Where it then saw less
than it would have seen, its statistics say so. Logits depend on their batches here, so that a difference shows.
"""

import json
import shutil
import signal
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.points import Points
from support.running import files_of, forked, kill_after_commits, record, rerank
from support.stores import Kind
from support.tracing import CALLS, calls_in, needs_strace, traced

from rerank_cli.files.paths import Paths
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.files.vector_store import VectorStore
from rerank_cli.jobs.stores import OTHERWISE

SQLITE = (*CALLS, "pwrite64", "pread64", "fdatasync")
KINDS: dict[str, tuple[Kind, str, str]] = {  # the store, the fake engine, and the figure of what was found
    "--score-cache": (ScoreStore, "fake:composition=1", "cached"),
    "--vectors": (VectorStore, "fake:composition=1,vectors=1", "vectors_found"),
}
BUDGETS = ("--batch-tokens", "4096", "--window-tokens", "40000", "-q")
OF_STORE = {"ENOSPC for good": "error=ENOSPC:when={k}+", "EIO": "error=EIO:when={k}"}
WRITES = ("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "rename", "unlink")
EVERY = 3  # calls on the store, one of so many fails


@dataclass(frozen=True, slots=True)
class Job:
    """A folder to begin from, with half of all in a store; what the finished one holds, and the calls."""

    option: str
    source: Path
    begin: Path
    golden: Path
    calls: list[tuple[str, int]] = field(default_factory=list)  # of a run left alone: name, and which of its kind
    of_store: list[tuple[str, int]] = field(default_factory=list)  # those on the files of the store alone

    @property
    def options(self) -> tuple[str, ...]:
        return ("--model", KINDS[self.option][1], *BUDGETS)

    def command(self, folder: Path) -> list[str | Path]:
        return [
            "score",
            self.source,
            "-o",
            folder / "out.jsonl",
            self.option,
            folder / "store",
            *self.options,
            "--resume",
        ]

    def watched(self, folder: Path, *, store_alone: bool) -> list[Path]:
        index = KINDS[self.option][0].name
        names = {path.name for path in (self.begin / "store").iterdir()} | {f"{index}-wal", f"{index}-shm"}
        store = [folder / "store" / name for name in sorted(names)]
        return store if store_alone else [folder, *Paths.of(str(folder / "out.jsonl"), None).all(), *store]

    def traced(self, folder: Path, inject: str | None = None, *, store_alone: bool = False) -> tuple[int, Path]:
        """Run it under strace; the exit code and the log."""
        log = folder.with_suffix(".log")
        watched = self.watched(folder, store_alone=store_alone)
        return traced(self.command(folder), watched, log, inject=inject, calls=SQLITE), log

    def count_calls(self, folder: Path) -> None:
        """Run it twice, left alone."""
        for calls, alone in ((self.calls, False), (self.of_store, True)):
            code, log = self.traced(shutil.copytree(self.begin, folder / str(alone)), store_alone=alone)
            assert code == 0
            names = calls_in(log)
            calls.extend((name, names[:place].count(name) + 1) for place, name in enumerate(names))

    def resume(self, folder: Path) -> dict[str, Any]:
        """Resume a run to its end; its statistics."""
        done = forked(*self.command(folder), cwd=folder)
        assert done.code == 0, done.said
        found: dict[str, Any] = json.loads((folder / "out.jsonl.meta.json").read_bytes())
        return found

    def assert_golden_or_told(self, folder: Path) -> None:
        """The bytes are golden, or the statistics say that other entries were seen; and the store is whole."""
        meta = json.loads((folder / "out.jsonl.meta.json").read_bytes())
        if (folder / "out.jsonl").read_bytes() != (self.golden / "out.jsonl").read_bytes():
            assert OTHERWISE in meta["deterministic_why"]
        self.assert_whole(folder)

    def assert_whole(self, folder: Path) -> None:
        kind = KINDS[self.option][0]
        with sqlite3.connect(folder / "store" / kind.name) as direct:
            assert direct.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            keys = [key for (key,) in direct.execute(f"SELECT key FROM {kind.table}")]
            assert direct.execute("SELECT sum(entries) FROM writes").fetchone() == (len(keys),)
        direct.close()
        store = kind(folder / "store", "")
        assert [len(each) for each in store.find(keys, 2**62)] == [len(keys), 0]
        store.close()


@pytest.fixture(scope="module", params=KINDS, ids=lambda option: option[2:])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    base = tmp_path_factory.mktemp("stored")
    job = Job(request.param, base / "in.jsonl", base / "begin", base / "golden")
    records = [json.dumps(record(number, 500)).encode() + b"\n" for number in range(14)]
    job.source.write_bytes(b"".join(records))
    (base / "half.jsonl").write_bytes(b"".join(records[::2]))
    (base / "begin").mkdir()
    store = (job.option, base / "begin" / "store")
    assert rerank("score", base / "half.jsonl", "-o", base / "half.out", *store, *job.options).code == 0
    shutil.copytree(job.begin, job.golden)
    meta = job.resume(job.golden)
    assert meta["windows"] >= 3
    assert 0 < meta[KINDS[job.option][2]] < meta["pairs"]
    (base / "alone").mkdir()
    return job


@pytest.fixture(scope="module")
def counted(job: Job) -> Job:
    job.count_calls(job.source.parent / "alone")
    return job


@needs_strace
def test_killed_at_any_write_and_resumed_the_bytes_are_golden(counted: Job, points: Points, tmp_path: Path) -> None:
    for call, number in points.of([each for each in counted.calls if each[0] in WRITES], sample=3):
        with points.trying(f"{counted.option}: KILL at a write"):
            folder = shutil.copytree(counted.begin, tmp_path / f"{call}-{number}")
            code, log = counted.traced(folder, f"{call}:signal=KILL:when={number}")
            assert code == (-signal.SIGKILL if "INJECTED" in log.read_text() or "killed" in log.read_text() else 0)
            meta = counted.resume(folder)
            assert meta["cache_changes"] == 0
            assert (folder / "out.jsonl").read_bytes() == (counted.golden / "out.jsonl").read_bytes()
            assert files_of(folder).keys() == files_of(counted.golden).keys()
            counted.assert_whole(folder)
            shutil.rmtree(folder)


@needs_strace
def test_killed_again_and_again_the_bytes_are_golden(counted: Job, points: Points, tmp_path: Path) -> None:
    for stride in points.of([("pwrite64", 2), ("pwrite64", 5), ("write", 3), ("write", 7), ("fsync", 4)], sample=1):
        with points.trying(f"{counted.option}: KILL again and again"):
            folder = shutil.copytree(counted.begin, tmp_path / "-".join(map(str, stride)))
            for _ in range(8):
                code, _ = counted.traced(folder, "{}:signal=KILL:when={}".format(*stride))
                assert code in (0, -signal.SIGKILL)
            assert counted.resume(folder)["cache_changes"] == 0
            assert (folder / "out.jsonl").read_bytes() == (counted.golden / "out.jsonl").read_bytes()
            counted.assert_whole(folder)


@needs_strace
@pytest.mark.parametrize("fault", OF_STORE)
def test_what_fails_of_the_store_costs_no_result(counted: Job, points: Points, tmp_path: Path, fault: str) -> None:
    calls = [each for each in counted.of_store if each[0] in WRITES or fault == "EIO"]
    for call, number in points.of(calls[::EVERY], sample=2):
        with points.trying(f"{counted.option}: {fault} at a system call"):
            folder = shutil.copytree(counted.begin, tmp_path / f"{call}-{number}")
            inject = f"{call}:{OF_STORE[fault].format(k=number)}"
            code, log = counted.traced(folder, inject, store_alone=True)
            assert code in ((0, 2, 5) if "INJECTED" in log.read_text() else (0,))  # threads may need fewer calls
            if code:
                counted.resume(folder)
            counted.assert_golden_or_told(folder)
            shutil.rmtree(folder)


def test_killed_and_cleared_the_run_ends_and_says_so(job: Job, points: Points, tmp_path: Path) -> None:
    for commits in points.of([1, 2], sample=1):
        with points.trying(f"{job.option}: cleared between stop and resume"):
            folder = shutil.copytree(job.begin, tmp_path / str(commits))
            kill_after_commits(commits, folder / "out.jsonl", *job.command(folder))
            assert rerank("cache", folder / "store", "--clear").code == 0
            meta = job.resume(folder)
            assert OTHERWISE in meta["deterministic_why"]
            job.assert_whole(folder)
