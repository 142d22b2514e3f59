"""What `score --no-text` wrote is what `eval` reads: of formats with a line for each candidate, where it is named."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from support.running import forked

TEXTS = {"d1": "Herons fish in shallow water.", "d2": "A kettle is for boiling water.", "d3": "A kite."}
OWN = ("--query-field", "question", "--text-field", "answer", "--id-field", "number", "--candidate-id-field", "key")


def rows(**names: str) -> list[dict[str, Any]]:
    """A row for each text, with these names for the query, its id, the text and its id."""
    row = {names["qid"]: "q1", names["query"]: "what boils water"}
    return [{**row, names["docid"]: name, names["text"]: text} for name, text in TEXTS.items()]


def lines(path: Path, found: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))


def table(path: Path, found: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


USUAL = {"qid": "query_id", "query": "query", "docid": "docid", "text": "text"}
OTHER = {"qid": "Number", "query": "Question", "docid": "Key", "text": "Answer"}
WAYS = {
    "tevatron": (lines, USUAL, ()),
    "pairs": (lines, USUAL | {"qid": "qid", "text": "passage"}, ()),
    "csv": (table, USUAL, ()),
    "csv with other names": (table, OTHER, OWN),
}


@pytest.mark.parametrize("way", WAYS)
def test_results_without_texts_are_measured_as_those_with_texts(way: str, tmp_path: Path) -> None:
    write, names, own = WAYS[way]
    name = way.partition(" ")[0]
    write(tmp_path / "in", rows(**names))
    (tmp_path / "qrels").write_text("q1 0 d1 1\n")
    measured = []
    for output, option in (("whole", ()), ("bare", ("--no-text",))):
        arguments = ("score", "in", "-o", output, "--format", name, *own, *option, "--engine", "fake", "-q")
        assert forked(*arguments, cwd=tmp_path).code == 0
        for named in ((), ("--format", name)) if output == "whole" else (("--format", name),):
            done = forked("eval", output, "--qrels", "qrels", "--json", *named, *own, cwd=tmp_path)
            assert done.code == 0, done.said
            measured.append(done.records[0][0]["measures"])
    assert "boiling" not in (tmp_path / "bare").read_text()
    assert measured[0]["RR@10"] < 1
    assert measured[1:] == measured[:1] * 2
