"""Every system call on a run's files fails once, or for good, or is the run's last: resumed, the bytes are golden.

Runs are first ones and continued ones, plain and compressed, of at least three commits, with logits that depend on
which pairs share a batch. The calls are counted by strace in a run left alone, then each gets its turn.
"""

import json
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.points import Points
from support.running import files_of, forked, lines
from support.tracing import calls_in, needs_strace, traced

from rerank_cli.files.paths import Paths

pytestmark = needs_strace

FORMS = ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.parquet"]
OPTIONS = ("--model", "fake:composition=1", "--batch-tokens", "64", "--window-tokens", "256", "-q")
COUNTS = ("records", "scored", "failed", "blank", "pairs", "duplicate_pairs", "windows", "batches", "deterministic")
FAULTS = {
    "KILL": "signal=KILL:when={k}",
    "EINTR": "error=EINTR:when={k}",
    "ENOSPC": "error=ENOSPC:when={k}",
    "ENOSPC for good": "error=ENOSPC:when={k}+",
    "EIO": "error=EIO:when={k}",
    "EIO for good": "error=EIO:when={k}+",
}


@dataclass(frozen=True, slots=True)
class Job:
    """A folder to begin from, what the finished one must hold, and the calls on the way there."""

    source: Path
    begin: Path
    golden: Path
    form: str
    calls: list[tuple[str, int]] = field(default_factory=list)  # of a run left alone: name, and which of its kind

    def command(self, folder: Path) -> list[str | Path]:
        return ["score", self.source, "-o", folder / self.form, *OPTIONS, "--resume"]

    def traced(self, folder: Path, inject: str | None = None) -> tuple[int, Path]:
        """Run it under strace; the exit code and the log."""
        log = folder.with_suffix(".log")
        watched = [folder, *Paths.of(str(folder / self.form), None).all()]
        return traced(self.command(folder), watched, log, inject=inject), log

    def count_calls(self, folder: Path) -> None:
        """Run it once, left alone."""
        code, log = self.traced(shutil.copytree(self.begin, folder))
        assert code == 3
        names = calls_in(log)
        self.calls.extend((name, names[:place].count(name) + 1) for place, name in enumerate(names))

    def assert_golden_after_resume(self, folder: Path) -> None:
        done = forked(*self.command(folder), cwd=folder)
        assert done.code in (0, 3), done.said
        found, golden = files_of(folder), files_of(self.golden)
        assert found.keys() == golden.keys()
        meta = f"{self.form}.meta.json"
        assert counts(found.pop(meta)) == counts(golden.pop(meta))
        assert found == golden


def counts(meta: bytes) -> dict[str, Any]:
    found = json.loads(meta)
    return {name: found[name] for name in COUNTS}


@pytest.fixture(
    scope="module", params=[(form, phase) for form in FORMS for phase in ("first", "continued")], ids=" ".join
)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    form, phase = request.param
    base = tmp_path_factory.mktemp(phase)
    job = Job(base / "in.jsonl", base / "begin", base / "golden", form)
    job.source.write_bytes(b"".join([lines(3), b"bad\n", lines(3, 3), b"\n\xff\n", lines(3, 6), b"{}\n", lines(3, 9)]))
    for folder in (job.begin, job.golden):
        folder.mkdir()
    assert forked(*job.command(job.golden), cwd=base).code == 3
    assert counts((job.golden / f"{form}.meta.json").read_bytes())["windows"] >= 4
    if phase == "continued":
        code, _ = job.traced(job.begin, "fsync:signal=KILL:when=10")
        assert code == -signal.SIGKILL
        assert (job.begin / f"{form}.journal").read_bytes().count(b'"kind":"commit"') == 2
    job.count_calls(base / "alone")
    return job


def expected_code(fault: str, call: str, hit: str) -> int:
    """What a fault must end in; `hit` is the log's line of the call that failed."""
    if fault == "KILL":
        return -signal.SIGKILL
    assert hit, "nothing failed"
    if call == "unlink" and ".lock" in hit:
        return 3  # a lock's file that stays is no lock
    if fault == "EINTR" and call in ("openat", "write", "fsync", "ftruncate"):
        return 3  # Python calls again, for all but renames and removals
    return 5


@pytest.mark.sampled(8)
@pytest.mark.parametrize("fault", FAULTS)
def test_resumed_after_a_fault_at_any_call_the_bytes_are_golden(
    job: Job, points: Points, tmp_path: Path, fault: str
) -> None:
    for call, number in points.of(job.calls, sample=1):
        with points.trying(f"system calls: {fault}"):
            folder = shutil.copytree(job.begin, tmp_path / f"{call}-{number}")
            code, log = job.traced(folder, f"{call}:{FAULTS[fault].format(k=number)}")
            hit = next((line for line in log.read_text().splitlines() if "INJECTED" in line), "")
            assert code == expected_code(fault, call, hit)
            job.assert_golden_after_resume(folder)
            shutil.rmtree(folder)


@pytest.mark.sampled(2)
def test_beyond_the_last_call_nothing_fires(job: Job, points: Points, tmp_path: Path) -> None:
    last_of_each = dict(job.calls)
    for call, last in points.of(list(last_of_each.items()), sample=2):
        code, log = job.traced(shutil.copytree(job.begin, tmp_path / call), f"{call}:error=EIO:when={last + 1}")
        assert code == 3
        assert "INJECTED" not in log.read_text()
