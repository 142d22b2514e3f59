"""Killed any number of times and resumed, the output is byte for byte that of a run left alone.

Logits depend here on which pairs share a batch, so that identity fails as soon as a window or a batch shifts. Windows
are tiny: a commit comes every few records.
"""

import gzip
import json
import os
import random
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.points import Points
from support.running import (
    commits,
    files_of,
    kill_after_commits,
    kill_after_seconds,
    lines,
    rerank,
)

from rerank_cli.files.journal import read_journal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORDS = 48
OPTIONS = ("--model", "fake:composition=1,slow=0.005", "--batch-tokens", "64", "--window-tokens", "256", "-q")
FORMS = ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.parquet"]


def content() -> bytes:
    """Good records with bad and blank lines among them."""
    parts = []
    for number in range(0, RECORDS, 6):
        parts += [lines(6, start=number), b'{"query": 7, "candidates": ["%d"]}\n' % number, b"\n", b"\xff%d\n" % number]
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Job:
    """One run: its folder, its output and what both files must hold in the end."""

    folder: Path
    output: Path
    golden: bytes
    golden_errors: bytes
    golden_partial: bytes

    @property
    def command(self) -> tuple[str, ...]:
        return ("score", "in.jsonl", "-o", self.output.name, *OPTIONS)

    @property
    def commits(self) -> int:
        return commits(self.output)

    def resume(self) -> None:
        """Let it go on to its end, and see that it is whole."""
        done = rerank(*self.command, "--resume", cwd=self.folder)
        assert done.code == 3, done.said
        self.assert_golden()

    def assert_what_is_committed(self) -> None:
        """What the journal vouches for is the beginning of what it must become."""
        found = read_journal(Path(f"{self.output}.journal"))
        if found is not None and not found.finishing:
            for name, known, golden in (
                (f"{self.output}.partial", found.commit.output, self.golden_partial),
                (f"{self.output}.errors.jsonl.partial", found.commit.errors, self.golden_errors),
            ):
                assert Path(name).read_bytes()[: known.size] == golden[: known.size]

    def assert_golden(self) -> None:
        assert self.output.read_bytes() == self.golden
        assert Path(f"{self.output}.errors.jsonl").read_bytes() == self.golden_errors
        meta = json.loads(Path(f"{self.output}.meta.json").read_bytes())
        bad = RECORDS // 6 * 2
        assert (meta["records"], meta["scored"], meta["failed"]) == (RECORDS + bad, RECORDS, bad)
        assert (meta["blank"], meta["pairs"]) == (RECORDS // 6, RECORDS * 4)
        assert meta["deterministic"] is True
        names = {self.output.name + suffix for suffix in ("", ".errors.jsonl", ".meta.json")} | {"in.jsonl"}
        assert set(files_of(self.folder)) == names


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Uninterrupted runs, one for each form of output."""
    folder = tmp_path_factory.mktemp("golden")
    (folder / "in.jsonl").write_bytes(content())
    for form in FORMS:
        assert rerank("score", "in.jsonl", "-o", form, *OPTIONS, cwd=folder).code == 3
    return folder


def job(goldens: Path, tmp_path: Path, form: str = "out.jsonl") -> Job:
    (tmp_path / "in.jsonl").write_bytes(content())
    errors = (goldens / f"{form}.errors.jsonl").read_bytes()
    partial = "out.jsonl" if form == "out.parquet" else form  # a table is made of lines, at the end
    golden, golden_partial = ((goldens / name).read_bytes() for name in (form, partial))
    return Job(tmp_path, tmp_path / form, golden, errors, golden_partial)


def test_the_runs_are_long_enough_to_be_killed_in_and_depend_on_their_batches(goldens: Path) -> None:
    meta = json.loads((goldens / "out.jsonl.meta.json").read_bytes())
    assert meta["windows"] >= 15
    assert meta["batches"] >= 60
    plain = rerank("score", "in.jsonl", "-o", "-", "--engine", "fake", *OPTIONS[2:], cwd=goldens)
    assert plain.stdout != (goldens / "out.jsonl").read_bytes()
    assert gzip.decompress((goldens / "out.jsonl.gz").read_bytes()) == (goldens / "out.jsonl").read_bytes()
    assert zstd.decompress((goldens / "out.jsonl.zst").read_bytes()) == (goldens / "out.jsonl").read_bytes()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("form", FORMS)
def test_chains_of_kills_at_random_moments_give_the_golden_bytes(
    goldens: Path, tmp_path: Path, points: Points, form: str
) -> None:
    chance, folder = random.Random(form), tmp_path / "0"
    for kill in points.of(range(20), sample=2):
        with points.trying("kills: at random moments, chained"):
            if not folder.exists():
                folder.mkdir()
                run = job(goldens, folder, form)
            code = kill_after_seconds(chance.uniform(0.1, 0.5), *run.command, "--resume", cwd=folder)
            assert code in (-signal.SIGKILL, 3)
            if not run.output.exists():
                run.assert_what_is_committed()
                continue
            assert rerank(*run.command, "--resume", cwd=folder).code in (0, 3)  # killed in its very last step, perhaps
            run.assert_golden()
            folder = tmp_path / str(kill + 1)  # the next chain
    if folder.exists():
        run.resume()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("form", FORMS)
def test_a_chain_of_kills_right_after_a_commit_gives_the_golden_bytes(goldens: Path, tmp_path: Path, form: str) -> None:
    run = job(goldens, tmp_path, form)
    flags: list[str] = []
    for count in (0, 1, 4, 5, 9):
        assert kill_after_commits(count, run.output, *run.command, *flags, cwd=tmp_path) == -signal.SIGKILL
        assert run.commits >= count
        flags = ["--resume"]
    run.resume()
    assert json.loads(Path(f"{run.output}.meta.json").read_bytes())["resumed_records"] > 0


def test_only_the_work_since_the_last_commit_is_done_again(goldens: Path, tmp_path: Path) -> None:
    run = job(goldens, tmp_path)
    assert kill_after_commits(6, run.output, *run.command, cwd=tmp_path) == -signal.SIGKILL
    before, partial = run.commits, Path(f"{run.output}.partial").read_bytes()
    assert run.golden.startswith(partial[: partial.rfind(b"\n") + 1])
    assert kill_after_commits(before + 1, run.output, *run.command, "--resume", cwd=tmp_path) == -signal.SIGKILL
    assert run.commits > before
    run.resume()


@pytest.mark.slow
def test_a_run_over_several_inputs_is_resumed_across_their_edges(tmp_path: Path) -> None:
    for index in range(4):
        (tmp_path / f"in{index}.jsonl").write_bytes(lines(8, start=8 * index))
    (tmp_path / "in2.jsonl").write_bytes(gzip.compress(lines(8, start=16)))
    names = [f"in{index}.jsonl" for index in range(4)]
    assert rerank("score", *names, "-o", "golden.jsonl", *OPTIONS, cwd=tmp_path).code == 0
    command = ("score", *names, "-o", "out.jsonl", *OPTIONS)
    flags: list[str] = []
    for count in (2, 4, 6, 8):
        assert kill_after_commits(count, tmp_path / "out.jsonl", *command, *flags, cwd=tmp_path) == -signal.SIGKILL
        flags = ["--resume"]
    assert rerank(*command, "--resume", cwd=tmp_path).code == 0
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "golden.jsonl").read_bytes()


def test_permissions_of_a_replaced_file_are_kept_across_a_kill(goldens: Path, tmp_path: Path) -> None:
    run = job(goldens, tmp_path)
    run.output.write_bytes(b"old\n")
    os.chmod(run.output, 0o600)
    assert kill_after_commits(2, run.output, *run.command, "--overwrite", cwd=tmp_path) == -signal.SIGKILL
    assert run.output.read_bytes() == b"old\n"
    assert rerank(*run.command, "--overwrite", "--resume", cwd=tmp_path).code == 3
    run.assert_golden()
    assert run.output.stat().st_mode & 0o777 == 0o600
