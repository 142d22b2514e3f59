"""LangChain's documents, as its own libraries write them and read our output.

The goldens were made by tests/recipes/langchain/documents.py and documents.mjs, which say how to make them again.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.running import forked

GOLDENS = Path(__file__).with_name("langchain")
NAMES = {"dumps": ("page_content", "relevance_score"), "javascript": ("pageContent", "relevanceScore")}


def read_by_them(spelling: str) -> list[dict[str, Any]]:
    """The records of our output as the library read them."""
    records: list[dict[str, Any]] = json.loads((GOLDENS / f"{spelling}.read.json").read_text())["records"]
    return records


@pytest.mark.parametrize("spelling", NAMES)
def test_we_still_write_what_they_read(spelling: str, tmp_path: Path) -> None:
    done = forked("score", GOLDENS / f"{spelling}.jsonl", "-o", "out", "--engine", "fake", "-q", cwd=tmp_path)
    assert done.code == 0, done.said
    written, golden = (tmp_path / "out").read_bytes(), GOLDENS / f"{spelling}.scored.jsonl"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_bytes(written)
    assert written == golden.read_bytes()


@pytest.mark.parametrize("spelling", NAMES)
def test_they_read_each_document_best_first_with_its_score_and_all_that_it_had(spelling: str) -> None:
    text, score = NAMES[spelling]
    lines = (GOLDENS / f"{spelling}.jsonl").read_text().splitlines()
    for line, read in zip(lines, read_by_them(spelling), strict=True):
        given = json.loads(line)
        assert read["query"] == given["query"]
        scores = [each["metadata"][score] for each in read["documents"]]
        assert scores == sorted(scores, reverse=True)
        before = {each[text]: each for each in map(unwrapped, given["documents"])}
        assert {each[text] for each in read["documents"]} == before.keys()
        for each in read["documents"]:
            own = before[each[text]]
            assert each.get("id") == own.get("id")
            metadata = {name: value for name, value in each["metadata"].items() if name != score}
            assert metadata == {name: value for name, value in own["metadata"].items() if name != score}


def unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """A document of the input without what `dumps` put around it and around metadata that have a field `lc`."""
    inner = document.get("kwargs", document)
    metadata = inner.get("metadata", {})
    metadata = metadata.get("__lc_escaped__", metadata)
    return {**inner, "metadata": {name: without_escape(value) for name, value in metadata.items()}}


def without_escape(value: Any) -> Any:
    return value.get("__lc_escaped__", value) if isinstance(value, dict) else value
