"""`--sample N --seed S`: which records are scored, in which order, and how such a run continues."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.running import forked, lines

FAKE = ("--engine", "fake", "-q")
COUNT = 300


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.jsonl"
    path.write_bytes(lines(COUNT))
    return path


def sampled(path: Path, *options: str) -> list[Any]:
    done = forked("score", path, "-o", "-", *FAKE, *options)
    assert done.code == 0, done.said
    return done.records


def test_a_sample_is_some_of_the_results_in_their_order(many: Path) -> None:
    whole = sampled(many)
    some = sampled(many, "--sample", "20")
    assert len(some) == 20
    places = [whole.index(each) for each in some]
    assert places == sorted(places)
    assert places[-1] > COUNT / 2  # not the head
    assert some == sampled(many, "--sample", "20", "--seed", "0")


def test_another_seed_draws_others_and_a_larger_sample_than_the_input_is_all_of_it(many: Path) -> None:
    assert sampled(many, "--sample", "20", "--seed", "1") != sampled(many, "--sample", "20", "--seed", "2")
    assert sampled(many, "--sample", str(COUNT + 1)) == sampled(many)


def test_standard_input_is_sampled_alike(many: Path) -> None:
    piped = forked("score", "-", "-o", "-", *FAKE, "--sample", "20", stdin=many.read_bytes())
    assert piped.records == sampled(many, "--sample", "20")


def test_bad_records_are_drawn_like_others_and_counted(many: Path, tmp_path: Path) -> None:
    content = many.read_bytes().splitlines(keepends=True)
    many.write_bytes(b"".join(line + b"bad\n\n" for line in content))
    done = forked("score", many, "-o", tmp_path / "out", *FAKE, "--sample", "60")
    assert done.code == 3
    meta = json.loads((tmp_path / "out.meta.json").read_text())
    assert meta["records"] == meta["scored"] + meta["failed"] == 60
    assert 10 < meta["failed"] < 50
    assert meta["input_bytes"] == many.stat().st_size


def test_a_finished_sample_is_not_drawn_again_unless_the_input_changed(many: Path, tmp_path: Path) -> None:
    run = (
        "score",
        many,
        "-o",
        tmp_path / "out",
        "--engine",
        "fake",
        "--progress",
        "none",
        "--sample",
        "20",
        "--resume",
    )
    assert forked(*run).code == 0
    written = (tmp_path / "out").read_bytes()
    again = forked(*run)
    assert (again.code, "nothing to do" in again.said) == (0, True)
    assert (tmp_path / "out").read_bytes() == written
    with many.open("ab") as file:
        file.write(lines(1))
    grown = forked(*run)
    assert (grown.code, "sampled_input_sha256" in grown.said) == (8, False)
    assert forked(*run, "--seed", "5").code == 8


def test_an_interrupted_sample_continues_exactly_and_not_on_another_input(many: Path, tmp_path: Path) -> None:
    sample = ("--sample", "100", "--window-tokens", "50", "--progress", "none")
    whole = forked("score", many, "-o", tmp_path / "whole", "--model", "fake:", *sample)
    assert whole.code == 0
    stopped = forked("score", many, "-o", tmp_path / "out", "--model", "fake:lose_at=40", *sample)
    assert stopped.code == 75
    partial = (tmp_path / "out.partial").stat().st_size
    assert 0 < partial < (tmp_path / "whole").stat().st_size
    with many.open("ab") as file:
        file.write(lines(1))
    assert forked("score", many, "-o", tmp_path / "out", "--model", "fake:", *sample, "--resume").code == 8
    many.write_bytes(lines(COUNT))
    same = ("score", many, "-o", tmp_path / "out", "--model", "fake:lose_at=40", *sample, "--resume")
    for _ in range(9):
        if (done := forked(*same)).code == 0:
            break
        assert done.code == 75
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_size_of_a_sample_is_reported_and_a_dry_run_plans_it(many: Path) -> None:
    said = forked("score", many, "-o", "-", "--engine", "fake", "--progress", "none", "--sample", "20").said
    assert f"rerank: a sample of 20 of {COUNT} records" in said.splitlines()
    dry = forked("score", many, "--dry-run", "--engine", "fake", "--sample", "20")
    assert dry.code == 0
    assert f"a sample of 20 of {COUNT} records" in dry.said


@pytest.mark.parametrize("options", [("--seed", "1"), ("--sample", "0"), ("--sample", "-1"), ("--sample", "x")])
def test_what_is_no_sample_is_refused(many: Path, options: tuple[str, ...]) -> None:
    assert forked("score", many, "-o", "-", *FAKE, *options).code == 2


def test_a_limit_is_of_what_is_sampled(many: Path) -> None:
    first = {each["id"] for each in sampled(many, "--limit", "30")}
    assert {each["id"] for each in sampled(many, "--limit", "30", "--sample", "10")} < first


def test_each_record_is_as_likely_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "ten.jsonl"
    path.write_bytes(lines(10))
    drawn = [each["id"] for seed in range(60) for each in sampled(path, "--sample", "3", "--seed", str(seed))]
    counts = [drawn.count(each["id"]) for each in sampled(path)]
    assert sum(counts) == 180
    assert min(counts) >= 8  # 18 are expected
    assert max(counts) <= 30
