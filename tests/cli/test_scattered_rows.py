"""Rows of a query that are not adjacent are ranked apart: a warning that --quiet does not hide."""

import json
from pathlib import Path

import pytest
from support.running import forked

ROWS = "qid,query,text\n1,w,a\n2,v,b\n1,w,c\n"
WARNING = "rerank: warning: the lines of a query are not adjacent: '1' (rows.csv:2 and rows.csv:4). 1 later part"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def test_a_run_warns_although_it_is_quiet(folder: Path) -> None:
    done = forked("score", "rows.csv", "-o", "out.csv", "--engine", "fake", "-q", cwd=folder)
    assert done.code == 0
    assert done.said.startswith(WARNING)
    assert len(done.said.splitlines()) == 1
    [warning] = json.loads((folder / "out.csv.meta.json").read_bytes())["warnings"]
    assert f"rerank: warning: {warning}" in done.said
    again = forked("score", "rows.csv", "-o", "out.csv", "--engine", "fake", "--resume", cwd=folder)
    assert (again.code, again.said.splitlines()[-1]) == (0, done.said.splitlines()[0])


@pytest.mark.parametrize("command", ["convert rows.csv -o out.jsonl -q", "score rows.csv --dry-run --engine fake -q"])
def test_other_commands_warn_too(folder: Path, command: str) -> None:
    assert forked(*command.split(), cwd=folder).said.startswith(WARNING)


def test_check_counts_and_names_them(folder: Path) -> None:
    done = forked("check", "rows.csv", cwd=folder)
    shown = done.stdout.decode()
    assert done.code == 0
    assert "later parts of a query      1\n" in shown
    assert shown.splitlines()[-1].startswith(WARNING.removeprefix("rerank: "))
    assert "`rerank help formats`" in shown
    found = json.loads(forked("check", "rows.csv", "--json", cwd=folder).stdout)
    assert (found["parts"], len(found["warnings"]), found["status"]) == (1, 1, 0)


def test_rows_in_order_are_no_reason_to_warn(folder: Path) -> None:
    (folder / "rows.csv").write_text("qid,query,text\n1,w,a\n1,w,c\n2,v,b\n")
    assert forked("score", "rows.csv", "-o", "out.csv", "--engine", "fake", "-q", cwd=folder).stderr == b""
    assert json.loads((folder / "out.csv.meta.json").read_bytes())["warnings"] == []
    assert b"later parts" not in forked("check", "rows.csv", cwd=folder).stdout


def test_records_that_become_one_query_are_a_warning_too(tmp_path: Path) -> None:
    records = [{"id": name, "query": "w", "candidates": [{"id": "d", "text": "x"}]} for name in "aba"]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    done = forked("score", "in.jsonl", "-o", "out.run", "--engine", "fake", "-q", cwd=tmp_path)
    assert done.said.startswith("rerank: warning: 1 record repeats an id: in trec they become one query")
