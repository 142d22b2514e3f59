"""Killed any number of times and resumed, the output is byte for byte that of a run left alone.

Logits depend here on which pairs share a batch, so that identity fails as soon as a window or a batch shifts. Windows
are tiny: a commit comes every few records.
"""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import (
    COMMAND,
    commits,
    environment,
    files_of,
    kill_after_commits,
    kill_after_seconds,
    lines,
    rerank,
    started,
    wait_until,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORDS = 48
OPTIONS = ("--model", "fake:composition=1,slow=0.005", "--batch-tokens", "64", "--window-tokens", "256", "-q")
FORMS = ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst"]


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
    return Job(tmp_path, tmp_path / form, (goldens / form).read_bytes(), errors)


def test_the_runs_are_long_enough_to_be_killed_in_and_depend_on_their_batches(goldens: Path) -> None:
    meta = json.loads((goldens / "out.jsonl.meta.json").read_bytes())
    assert meta["windows"] >= 15
    assert meta["batches"] >= 60
    plain = rerank("score", "in.jsonl", "-o", "-", "--engine", "fake", *OPTIONS[2:], cwd=goldens)
    assert plain.stdout != (goldens / "out.jsonl").read_bytes()
    assert gzip.decompress((goldens / "out.jsonl.gz").read_bytes()) == (goldens / "out.jsonl").read_bytes()
    assert zstd.decompress((goldens / "out.jsonl.zst").read_bytes()) == (goldens / "out.jsonl").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_a_chain_of_kills_at_random_moments_gives_the_golden_bytes(goldens: Path, tmp_path: Path, form: str) -> None:
    run = job(goldens, tmp_path, form)
    chance = random.Random(form)
    codes = [kill_after_seconds(chance.uniform(0.1, 0.4), *run.command, cwd=tmp_path)]
    while not run.output.exists() and len(codes) < 8:
        codes.append(kill_after_seconds(chance.uniform(0.1, 0.4), *run.command, "--resume", cwd=tmp_path))
    assert codes[0] == -signal.SIGKILL
    assert set(codes) <= {-signal.SIGKILL, 3}
    if run.output.exists():  # one of them was over before its time, or killed in its very last step
        assert rerank(*run.command, "--resume", cwd=tmp_path).code in (0, 3)
        run.assert_golden()
    else:
        run.resume()


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_one_signal_stops_within_ten_seconds_and_the_run_resumes_to_the_golden_bytes(
    goldens: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = job(goldens, tmp_path)
    with started(*run.command, cwd=tmp_path) as process:
        assert wait_until(lambda: run.commits >= 3, process)
        process.send_signal(number)
        assert process.wait(10) == 128 + number
        assert process.stdout.read() == b""
        assert b"--resume" in process.stderr.read()
    assert not run.output.exists()
    assert not Path(f"{run.output}.lock").exists()
    run.resume()


def test_a_signal_does_not_wait_for_the_batch_in_hand(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(content())
    slow = ("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:slow=3600")
    with started(*slow, cwd=tmp_path) as process:
        assert wait_until((tmp_path / "out.jsonl.partial").exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_a_signal_does_not_wait_for_a_pipe_that_says_nothing(tmp_path: Path) -> None:
    with started("score", "-", "-o", "out.jsonl", "--engine", "fake", cwd=tmp_path, stdin=subprocess.PIPE) as process:
        assert wait_until((tmp_path / "out.jsonl.lock").exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


def test_two_signals_in_a_row_stop_it_too(goldens: Path, tmp_path: Path) -> None:
    run = job(goldens, tmp_path)
    with started(*run.command, cwd=tmp_path) as process:
        assert wait_until(lambda: run.commits >= 2, process)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) in (143, 130)
    run.resume()


def test_a_hangup_ignored_at_the_start_stays_ignored(goldens: Path, tmp_path: Path) -> None:
    run = job(goldens, tmp_path)

    def as_under_nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(*run.command, cwd=tmp_path, preexec_fn=as_under_nohup) as process:
        assert wait_until(lambda: run.commits >= 2, process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 3
    run.assert_golden()


def test_head_gets_its_line_and_the_run_ends_quietly_with_141(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(content())
    command = [*COMMAND, "score", "in.jsonl", "-o", "-", *OPTIONS]
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" 2> said | head -1', "bash", *command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 141
    assert json.loads(done.stdout)["id"] == "q0"
    errors = (tmp_path / "said").read_bytes().splitlines()
    assert all(line.startswith(b'{"source"') for line in errors)


def test_what_went_into_a_pipe_is_a_prefix_of_the_result(goldens: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(content())
    with started("score", "in.jsonl", "-o", "-", *OPTIONS, cwd=tmp_path) as process:
        first = process.stdout.read(3000)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(10) == 143
    written = first + rest
    golden = (goldens / "out.jsonl").read_bytes()
    assert golden.startswith(written)
    assert len(written) < len(golden)
    assert written.endswith(b"\n")


def test_permissions_of_a_replaced_file_are_kept_across_a_kill(goldens: Path, tmp_path: Path) -> None:
    run = job(goldens, tmp_path)
    run.output.write_bytes(b"old\n")
    os.chmod(run.output, 0o600)
    assert kill_after_commits(2, run.output, *run.command, "--overwrite", cwd=tmp_path) == -signal.SIGKILL
    assert run.output.read_bytes() == b"old\n"
    assert rerank(*run.command, "--overwrite", "--resume", cwd=tmp_path).code == 3
    run.assert_golden()
    assert run.output.stat().st_mode & 0o777 == 0o600
