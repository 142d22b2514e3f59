"""What an engine can do to a run: out of memory, logits that are not finite, a device that goes away; at any batch.

The records of every run are accounted for: each in the output or in the errors file, and those in the output as a run
without faults would have written them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from support.points import Points
from support.running import Finished, commits, files_of, forked, kill_after_commits, lines, record

RECORDS = 16
SMALL = ("--batch-tokens", "64", "--window-tokens", "256")  # some pairs a batch, some batches a window
LARGE = ("--batch-tokens", "64", "--window-tokens", "100000")  # a single window, of more than a hundred pairs
RUN = ("score", "in.jsonl", "-o", "out.jsonl")


def run(folder: Path, model: str, *options: str, code: int | None = 0) -> Finished:
    """Run over in.jsonl; None takes any code."""
    done = forked(*RUN, "--model", model, *options, cwd=folder)
    assert code is None or done.code == code, done.said
    assert "Traceback" not in done.said
    return done


def meta_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out.jsonl.meta.json").read_bytes())


def errors_of(folder: Path, suffix: str = "") -> list[Any]:
    path = folder / f"out.jsonl.errors.jsonl{suffix}"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def last_commit(folder: Path) -> Any:
    return json.loads((folder / "out.jsonl.journal").read_bytes().splitlines()[-1])


def costs(fields: dict[str, Any]) -> list[int]:
    """Tokens of a record's pairs, as the fake engine counts them."""
    return [3 + fields["query"].count(" ") + pair["text"].count(" ") for pair in fields["candidates"]]


def is_nan(fields: dict[str, Any], share: float) -> bool:
    """Whether the fake engine gives one of a record's pairs NaN when it does so to this share of all pairs."""
    digests = (crc32((fields["query"] + pair["text"]).encode()) for pair in fields["candidates"])
    return any(digest % 10000 < share * 10000 for digest in digests)


@dataclass(frozen=True, slots=True)
class Job:
    """A folder with its input, and what a run without faults writes."""

    folder: Path
    golden: bytes

    def assert_finished(self, done: Finished, failed: int = 0) -> None:
        """All records are in the output, as they should be there, or in the errors file; `failed` of them in that."""
        assert done.code == (3 if failed else 0), done.said
        errors = [error["line"] for error in errors_of(self.folder)]
        assert len(errors) == failed
        whole = self.golden.splitlines(keepends=True)
        good = b"".join(line for number, line in enumerate(whole, 1) if number not in errors)
        assert (self.folder / "out.jsonl").read_bytes() == good
        meta = meta_of(self.folder)
        assert (meta["records"], meta["scored"], meta["failed"]) == (len(whole), len(whole) - failed, failed)
        self.assert_flag()

    def assert_flag(self) -> bool:
        """Statistics say that the result is deterministic unless a batch was split, and then why; returns the flag."""
        meta = meta_of(self.folder)
        assert meta["deterministic"] is (meta["oom_splits"] == 0)
        assert (meta["deterministic_why"] is None) is meta["deterministic"]
        if not meta["deterministic"]:
            assert "memory" in meta["deterministic_why"]
        return meta["deterministic"]

    def assert_committed(self) -> None:
        """The run ended early: no final file, and what is committed is the beginning of the golden bytes."""
        assert not (self.folder / "out.jsonl").exists()
        partial = (self.folder / "out.jsonl.partial").read_bytes()
        assert self.golden.startswith(partial)
        assert partial.endswith(b"\n") or not partial
        assert errors_of(self.folder, ".partial") == []
        if commits(self.folder / "out.jsonl") > 0:
            counted = last_commit(self.folder)["counters"]
            assert counted["records"] == counted["scored"] == partial.count(b"\n")

    def resume(self, model: str, *options: str, until: int) -> Finished:
        """Resume as long as that ends with `until` and commits more each time."""
        while True:
            reached = commits(self.folder / "out.jsonl")
            done = run(self.folder, model, *options, "--resume", "-q", code=None)
            if done.code != until or commits(self.folder / "out.jsonl") == reached:
                return done

    def anew(self) -> None:
        """Remove all but the input."""
        for name in files_of(self.folder):
            if name != "in.jsonl":
                (self.folder / name).unlink()


def job_of(folder: Path, content: bytes, model: str = "fake", options: tuple[str, ...] = SMALL) -> Job:
    (folder / "in.jsonl").write_bytes(content)
    run(folder, model, *options, "-q", code=None)
    job = Job(folder, (folder / "out.jsonl").read_bytes())
    job.anew()
    return job


@pytest.fixture
def job(quick_folder: Path) -> Job:
    return job_of(quick_folder, lines(RECORDS))


@pytest.fixture
def composed(quick_folder: Path) -> Job:
    """Its logits depend on which pairs share a batch."""
    return job_of(quick_folder, lines(RECORDS), "fake:composition=1")


@pytest.fixture
def hundreds(quick_folder: Path) -> Job:
    """One window of 480 pairs."""
    content = b"".join(json.dumps(record(number, candidates=20)).encode() + b"\n" for number in range(24))
    return job_of(quick_folder, content, options=LARGE)


def batches(job: Job, model: str = "fake", options: tuple[str, ...] = SMALL, code: int = 0) -> int:
    """Batches of a run without faults."""
    run(job.folder, model, *options, "-q", code=code)
    count = meta_of(job.folder)["batches"]
    job.anew()
    return count


def test_out_of_memory_once_at_any_batch_loses_no_record(job: Job, points: Points) -> None:
    count = batches(job)
    assert count >= 20
    for at in points.of(range(1, count + 2), sample=3):
        with points.trying("device: out of memory once, at every batch"):
            done = run(job.folder, f"fake:oom_at={at}", *SMALL, code=None)
            job.assert_finished(done, failed=done.said.count("out of memory with one pair"))
            assert meta_of(job.folder)["oom_splits"] == (at <= count)
            assert done.said.count("out of memory") == (at <= count)
            job.anew()


def test_out_of_memory_once_with_a_single_pair_fails_its_record_and_no_other(job: Job, points: Points) -> None:
    options = ("--batch-tokens", "1", "--window-tokens", "256")
    count = batches(job, options=options)
    for at in points.of(range(1, count + 2), sample=3):
        with points.trying("device: out of memory once, at every pair"):
            done = run(job.folder, f"fake:oom_at={at}", *options, code=None)
            job.assert_finished(done, failed=int(at <= count))
            for error in errors_of(job.folder):
                assert error["path"].startswith("$.candidates[")
                assert "--max-length" in error["reason"]
            job.anew()


def test_out_of_memory_for_good_fails_only_the_records_with_a_pair_too_large_by_itself(
    job: Job, points: Points
) -> None:
    worst = [max(costs(record(number))) for number in range(RECORDS)]
    for most in points.of(range(1, 66), sample=3):
        with points.trying("device: out of memory for good, above every size"):
            done = run(job.folder, f"fake:oom_above={most}", *SMALL, code=None)
            job.assert_finished(done, failed=sum(tokens > most for tokens in worst))
            assert [error["line"] for error in errors_of(job.folder)] == [
                number for number, tokens in enumerate(worst, 1) if tokens > most
            ]
            job.anew()


def test_a_stop_anywhere_after_out_of_memory_continues_with_the_learned_budget(
    quick_folder: Path, points: Points
) -> None:
    """The learned budget and the flag are journalled, so even splits come out as in a run that was not stopped."""
    model = "fake:composition=1,oom_above=40"
    for at in points.of(range(RECORDS + 1), sample=2):
        with points.trying("device: out of memory for good, stopped at every record and resumed"):
            content = lines(at) + b"bad\n" + lines(RECORDS - at, start=at)
            whole = job_of(quick_folder, content, model)
            run(quick_folder, model, *SMALL, "--strict", code=4)
            learned = (
                commits(quick_folder / "out.jsonl") > 0 and last_commit(quick_folder)["budgets"][0]["tokens"] <= 40
            )
            done = run(quick_folder, model, *SMALL, "--resume", code=3)
            assert not (learned and "out of memory" in done.said)
            assert (quick_folder / "out.jsonl").read_bytes() == whole.golden
            assert [error["line"] for error in errors_of(quick_folder)] == [at + 1]
            assert whole.assert_flag() is False
            whole.anew()


def test_a_stop_after_out_of_memory_once_is_golden_wherever_the_flag_says_so(
    quick_folder: Path, points: Points
) -> None:
    content = lines(RECORDS - 4) + b"bad\n" + lines(4, start=RECORDS - 4)
    golden = job_of(quick_folder, content, "fake:composition=1")
    flags = set()
    for at in points.of(range(1, batches(golden, "fake:composition=1", code=3) + 2), sample=3):
        with points.trying("device: out of memory once, at every batch, then stopped and resumed"):
            model = f"fake:composition=1,oom_at={at}"
            run(quick_folder, model, *SMALL, "--strict", code=4)
            run(quick_folder, model, *SMALL, "--resume", code=3)
            flag = golden.assert_flag()
            flags.add(flag)
            output = (quick_folder / "out.jsonl").read_bytes()
            numbers = [int(json.loads(line)["id"][1:]) for line in output.splitlines()]
            errors = [error["line"] for error in errors_of(quick_folder)]
            assert numbers == sorted(numbers)
            assert sorted([*(n + 1 + (n >= RECORDS - 4) for n in numbers), *errors]) == list(range(1, RECORDS + 2))
            assert not flag or (output, errors) == (golden.golden, [RECORDS - 3])
            golden.anew()
    assert flags == {True, False}


def test_a_kill_after_out_of_memory_resumes_to_the_bytes_of_a_run_left_alone(
    quick_folder: Path, points: Points
) -> None:
    model = "fake:composition=1,oom_above=40,slow=0.005"
    whole = job_of(quick_folder, lines(RECORDS), model)
    for count in points.of(range(6), sample=2):
        with points.trying("device: out of memory for good, killed after every commit and resumed"):
            output = quick_folder / "out.jsonl"
            assert kill_after_commits(count, output, *RUN, "--model", model, *SMALL, cwd=quick_folder) == -9
            run(quick_folder, model, *SMALL, "--resume", code=0)
            assert output.read_bytes() == whole.golden
            assert whole.assert_flag() is False
            whole.anew()


def test_the_learned_budget_is_journalled(quick_folder: Path) -> None:
    (quick_folder / "in.jsonl").write_bytes(lines(30) + b"bad\n" + lines(10, start=30))
    model, options = "fake:oom_above=100", ("--window-tokens", "600")
    run(quick_folder, model, *options, "--strict", code=4)
    assert commits(quick_folder / "out.jsonl") >= 1
    assert last_commit(quick_folder)["budgets"][0]["tokens"] <= 100


def test_out_of_memory_is_told_once_a_halving_and_not_once_a_batch(quick_folder: Path) -> None:
    (quick_folder / "in.jsonl").write_bytes(lines(40))
    done = forked("score", "in.jsonl", "-o", "-", "--model", "fake:oom_above=100", cwd=quick_folder)
    told = [line for line in done.said.splitlines() if "out of memory" in line]
    assert 1 <= len(told) <= 8  # from 8192 tokens down by halves


def test_one_logit_not_finite_in_a_small_window_is_7_and_the_window_is_not_written(
    composed: Job, points: Points
) -> None:
    model = "fake:composition=1"
    count = batches(composed, model)
    for at in points.of(range(1, count + 2), sample=3):
        with points.trying("device: NaN once, at every batch of small windows"):
            done = run(composed.folder, f"{model},nan_at={at}", *SMALL, code=7 if at <= count else 0)
            if at <= count:
                assert "not finite" in done.said
                assert "--dtype" in done.said
                composed.assert_committed()
                done = composed.resume(f"{model},nan_at={at}", *SMALL, until=7)
            if done.code == 0:
                composed.assert_finished(done)
                assert composed.assert_flag() is True
            composed.anew()


def test_one_logit_not_finite_in_a_large_window_fails_its_record_and_no_other(hundreds: Job, points: Points) -> None:
    count = batches(hundreds, options=LARGE)
    for at in points.of(range(1, count + 2), sample=3):
        with points.trying("device: NaN once, at every batch of a large window"):
            done = run(hundreds.folder, f"fake:nan_at={at}", *LARGE, code=None)
            hundreds.assert_finished(done, failed=int(at <= count))
            for error in errors_of(hundreds.folder):
                assert "--dtype" in error["reason"]
                assert error["path"].startswith("$.candidates[")
            hundreds.anew()


@pytest.mark.parametrize("options", [SMALL, LARGE], ids=["small windows", "a large window"])
def test_logits_not_finite_for_good_are_7_or_fail_just_their_records(
    hundreds: Job, points: Points, options: tuple[str, ...]
) -> None:
    bad = {}
    for share in points.of([0.0001, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.2, 0.5, 0.9, 1.0], sample=3):
        bad[share] = [n for n in range(1, 25) if is_nan(record(n - 1, candidates=20), share)]
        with points.trying("device: NaN for good, in a share of the pairs"):
            done = run(hundreds.folder, f"fake:nan={share}", *options, code=None)
            if done.code == 7:
                assert bad[share]
                assert not (hundreds.folder / "out.jsonl").exists()
                assert b"NaN" not in (hundreds.folder / "out.jsonl.partial").read_bytes()
            else:
                hundreds.assert_finished(done, failed=len(bad[share]))
                assert [error["line"] for error in errors_of(hundreds.folder)] == bad[share]
            assert done.code == 7 or share < 0.02
            hundreds.anew()


def test_nothing_committed_before_two_percent_are_not_finite_is_lost(quick_folder: Path) -> None:
    clean = [record(n, candidates=20) for n in range(60) if not is_nan(record(n, candidates=20), 0.02)]
    dirty = [record(n, candidates=20) for n in range(60) if is_nan(record(n, candidates=20), 0.02)]
    content = "".join(json.dumps(fields) + "\n" for fields in [*clean, *dirty]).encode()
    job = job_of(quick_folder, content)
    run(quick_folder, "fake:nan=0.02", *SMALL, code=7)
    job.assert_committed()
    assert (quick_folder / "out.jsonl.partial").read_bytes().count(b"\n") >= len(clean) // 2
    before = files_of(quick_folder)
    run(quick_folder, "fake:nan=0.02", *SMALL, "--resume", code=7)
    assert files_of(quick_folder)["out.jsonl.partial"] == before["out.jsonl.partial"]


def test_a_device_lost_at_any_batch_is_75_and_resumes_to_the_golden_bytes(composed: Job, points: Points) -> None:
    """A device lost before the first window of a process is done makes no progress, and loses nothing either."""
    model = "fake:composition=1"
    count, finished = batches(composed, model), 0
    for at in points.of(range(1, count + 2), sample=4):
        with points.trying("device: lost at every batch"):
            done = run(composed.folder, f"{model},lose_at={at}", *SMALL, code=75 if at <= count else 0)
            if at <= count:
                assert "--resume" in done.said
                composed.assert_committed()
                done = composed.resume(f"{model},lose_at={at}", *SMALL, until=75)
            if done.code == 0:
                composed.assert_finished(done)
                assert composed.assert_flag() is True
                finished += 1
            else:
                composed.assert_committed()
            composed.anew()
    assert finished >= 3


def test_a_device_lost_at_any_batch_of_a_stream_is_75_and_what_came_out_is_a_prefix(
    composed: Job, points: Points
) -> None:
    model = "fake:composition=1"
    count = batches(composed, model)
    stream = ("score", "in.jsonl", "-o", "-", *SMALL, "-q")
    for at in points.of(range(1, count + 2), sample=3):
        with points.trying("device: lost at every batch of a stream"):
            done = forked(*stream, "--model", f"{model},lose_at={at}", cwd=composed.folder)
            assert done.code == (75 if at <= count else 0), done.said
            assert composed.golden.startswith(done.stdout)
            assert done.stdout.endswith(b"\n") or not done.stdout
            assert (len(done.stdout) < len(composed.golden)) is (at <= count)


def test_after_a_lost_device_another_model_is_refused(job: Job) -> None:
    run(job.folder, "fake:lose_at=20", *SMALL, code=75)
    before = files_of(job.folder)
    run(job.folder, "fake", *SMALL, "--resume", code=8)
    assert files_of(job.folder) == before


def test_several_faults_of_one_run_add_up(hundreds: Job, points: Points) -> None:
    """Out of memory at one batch, NaN at another, and the device lost at a third: all the same, no record is lost."""
    options = ("--batch-tokens", "64", "--window-tokens", "5000")
    combinations = [(oom, nan, lose) for oom in (1, 7, 23) for nan in (2, 11, 40) for lose in (60, 90, 130, 10_000)]
    for oom, nan, lose in points.of(combinations, sample=3):
        with points.trying("device: out of memory, NaN and lost in one run"):
            model = f"fake:oom_at={oom},nan_at={nan},lose_at={lose}"
            done = run(hundreds.folder, model, *options, code=None)
            assert done.code in (3, 75), done.said
            if done.code == 75:
                done = hundreds.resume(model, *options, until=75)
            if done.code != 75:
                hundreds.assert_finished(done, failed=len(errors_of(hundreds.folder)))
                assert meta_of(hundreds.folder)["oom_splits"] >= 1
            hundreds.anew()
