"""What an engine can do to a run: out of memory, logits that are not finite, a device that goes away."""

import json
from pathlib import Path
from typing import Any

import pytest
from running import commits, files_of, lines, record, rerank

SMALL = ("--batch-tokens", "64", "--window-tokens", "256")


def run(folder: Path, model: str, *options: str, code: int = 0) -> dict[str, Any]:
    """Run over in.jsonl and return the meta data, if the run came to an end."""
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", "--model", model, *options, cwd=folder)
    assert done.code == code, done.said
    meta = folder / "out.jsonl.meta.json"
    return json.loads(meta.read_bytes()) if meta.exists() else {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(lines(40))
    return tmp_path


def test_out_of_memory_halves_the_batch_and_every_pair_is_still_scored(folder: Path) -> None:
    usual = rerank("score", "in.jsonl", "-o", "-", "--engine", "fake", "-q", cwd=folder)
    meta = run(folder, "fake:oom_above=100")
    assert (folder / "out.jsonl").read_bytes() == usual.stdout
    assert meta["oom_splits"] >= 1
    assert meta["deterministic"] is False
    assert "memory" in meta["deterministic_why"]
    assert (meta["scored"], meta["failed"]) == (40, 0)


def test_out_of_memory_is_told_and_the_smaller_budget_is_kept(folder: Path) -> None:
    done = rerank("score", "in.jsonl", "-o", "-", "--model", "fake:oom_above=100", cwd=folder)
    told = [line for line in done.said.splitlines() if "out of memory" in line]
    assert 1 <= len(told) <= 8  # from 8192 tokens down by halves, not once a batch


def test_a_pair_too_large_by_itself_fails_its_record_and_no_other(tmp_path: Path) -> None:
    records = [record(number) for number in range(10)]
    records[4]["candidates"][2]["text"] = "long " * 60
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(fields) + "\n" for fields in records))
    meta = run(tmp_path, "fake:oom_above=50", *SMALL, code=3)
    assert (meta["scored"], meta["failed"]) == (9, 1)
    [error] = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_bytes().splitlines()]
    assert error["line"] == 5
    assert error["path"] == "$.candidates[2]"
    assert "--max-length" in error["reason"]
    assert json.loads(error["raw"]) == records[4]


def test_the_learned_budget_and_the_flag_survive_a_stop(folder: Path) -> None:
    model = "fake:oom_above=100"
    (folder / "in.jsonl").write_bytes(lines(30) + b"bad\n" + lines(10, start=30))
    options = ("--window-tokens", "600")
    assert run(folder, model, *options, "--strict", code=4) == {}
    assert commits(folder / "out.jsonl") >= 1
    last = json.loads((folder / "out.jsonl.journal").read_bytes().splitlines()[-1])
    assert last["budget"]["tokens"] <= 100
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", "--model", model, *options, "--resume", cwd=folder)
    assert done.code == 3
    assert "out of memory" not in done.said
    meta = json.loads((folder / "out.jsonl.meta.json").read_bytes())
    assert meta["deterministic"] is False


def test_one_logit_that_is_not_finite_fails_its_record_and_names_the_dtype(tmp_path: Path) -> None:
    text = "".join(json.dumps(record(number, candidates=20)) + "\n" for number in range(40))
    (tmp_path / "in.jsonl").write_text(text)
    meta = run(tmp_path, "fake:nan=0.004", code=3)
    errors = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_bytes().splitlines()]
    assert 1 <= len(errors) == meta["failed"] < 10
    for error in errors:
        assert "--dtype" in error["reason"]
        assert error["path"].startswith("$.candidates[")
    written = (tmp_path / "out.jsonl").read_bytes()
    assert b"NaN" not in written
    assert b"null" not in written
    assert len(written.splitlines()) == meta["scored"] == 40 - len(errors)


def test_more_than_one_percent_of_a_window_not_finite_is_7_and_nothing_of_it_is_written(folder: Path) -> None:
    run(folder, "fake:nan=0.2", code=7)
    assert (folder / "out.jsonl.partial").read_bytes() == b""
    assert not (folder / "out.jsonl").exists()


def test_a_lost_device_is_75_and_leaves_what_was_committed(folder: Path) -> None:
    golden = rerank("score", "in.jsonl", "-o", "-", "--engine", "fake", *SMALL, "-q", cwd=folder).stdout
    run(folder, "fake:lose_at=30", *SMALL, code=75)
    partial = (folder / "out.jsonl.partial").read_bytes()
    assert partial
    assert golden.startswith(partial)
    assert not (folder / "out.jsonl").exists()


def test_after_a_lost_device_another_model_is_refused_and_the_same_goes_on(folder: Path) -> None:
    run(folder, "fake:lose_at=30", *SMALL, code=75)
    before = files_of(folder)
    run(folder, "fake", *SMALL, "--resume", code=8)
    assert files_of(folder) == before
    done, turns = 75, 0
    while done == 75:  # each process loses its device at its own 30th batch
        reached = commits(folder / "out.jsonl")
        done = rerank(
            "score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:lose_at=30", *SMALL, "--resume", "-q", cwd=folder
        ).code
        turns += 1
        assert done == 0 or commits(folder / "out.jsonl") > reached
    assert done == 0
    assert turns >= 2
    golden = rerank("score", "in.jsonl", "-o", "-", "--engine", "fake", *SMALL, "-q", cwd=folder).stdout
    assert (folder / "out.jsonl").read_bytes() == golden


def test_a_lost_device_in_a_stream_is_75_and_what_came_out_is_a_prefix(folder: Path) -> None:
    golden = rerank("score", "in.jsonl", "-o", "-", "--engine", "fake", *SMALL, "-q", cwd=folder).stdout
    done = rerank("score", "in.jsonl", "-o", "-", "--model", "fake:lose_at=30", *SMALL, "-q", cwd=folder)
    assert done.code == 75
    assert done.stdout
    assert golden.startswith(done.stdout)
    assert len(done.stdout) < len(golden)
