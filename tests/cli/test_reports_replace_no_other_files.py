"""A page or a table of eval and compare replaces one of ours, and nobody else's file."""

import json
from pathlib import Path

import pytest
from support.running import forked

RECORD = {"id": "q", "query": "w", "candidates": [{"id": "a", "text": "t", "grade": 1}, {"id": "b", "text": "u"}]}


@pytest.fixture
def ranked(tmp_path: Path) -> Path:
    path = tmp_path / "ranked.jsonl"
    path.write_text(json.dumps(RECORD))
    return path


COMMANDS = [
    ("eval", "--relevance-field", "grade", "--per-query"),
    ("eval", "--relevance-field", "grade", "--html"),
    ("compare", "ranked.jsonl", "--html"),
]


@pytest.mark.parametrize(("command", "options"), [(each[0], each[1:]) for each in COMMANDS])
def test_a_report_replaces_one_of_ours_and_no_other_file(ranked: Path, command: str, options: tuple[str, ...]) -> None:
    report = ranked.parent / "report"
    run = (command, ranked.name, *options, report.name)
    for _ in range(2):
        done = forked(*run, cwd=ranked.parent)
        assert done.code == 0, done.said
    assert report.stat().st_size > 0
    report.write_text("my notes, of which I have no copy\n")
    done = forked(*run, cwd=ranked.parent)
    assert (done.code, "report: exists, and rerank did not write it" in done.said) == (8, True)
    assert report.read_text() == "my notes, of which I have no copy\n"
    report.write_bytes(b"")
    assert forked(*run, cwd=ranked.parent).code == 0


def test_queries_that_did_not_move_are_not_shown_as_moved(ranked: Path) -> None:
    same = forked("compare", ranked, ranked)
    assert same.stdout.decode().splitlines()[-1] == "no query moved"
    [[document]] = forked("compare", ranked, ranked, "--json").records
    assert document["moved_most"] == []
    other = ranked.with_name("other.jsonl")
    other.write_text(json.dumps({**RECORD, "candidates": RECORD["candidates"][::-1]}))
    lines = forked("compare", ranked, other).stdout.decode()
    assert "no query moved" not in lines
    assert "q: overlap@10 1.00" in lines


def test_a_query_that_moved_further_down_only_says_so(tmp_path: Path) -> None:
    candidates = [{"id": str(number), "text": "t"} for number in range(12)]
    for name, order in (("a", candidates), ("b", [*candidates[:10], candidates[11], candidates[10]])):
        (tmp_path / name).write_text(json.dumps({"id": "q", "query": "w", "candidates": order}))
    assert "the first 10 are the same" in forked("compare", tmp_path / "a", tmp_path / "b").stdout.decode()
