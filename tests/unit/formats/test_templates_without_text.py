"""Candidates without the text field, of which a template composes the document."""

import json
from typing import Any

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.records import Entry, Failure, Request
from rerank_cli.formats.registry import open_format

ABSTRACT = {"id": "q", "query": "tea", "candidates": [{"id": "a", "title": "T", "abstract": "A"}]}


def read_one(record: Any, target: str = "same", **options: Any) -> tuple[Any, Entry]:
    format = open_format(ReadConfig(**{"format": "native"} | options), WriteConfig(format=target))
    (entry,) = format.read(iter(lines_of(jsonl(record))))
    return format, entry


@pytest.mark.parametrize("target", ["same", "native", "trec"])
@pytest.mark.parametrize("template", ["{title} {abstract}", "{title} {abstract} {text?}"])
def test_no_text_is_needed_where_a_template_names_other_fields(target: str, template: str) -> None:
    _, entry = read_one(ABSTRACT, target, doc_template=template)
    assert isinstance(entry, Request)
    assert entry.texts == ("T A",)


def test_a_record_with_own_fields_is_written_without_an_invented_text() -> None:
    record = {"query": "tea", "docs": [{"title": "T"}, {"title": "U", "text": "x"}]}
    format, entry = read_one(record, "native", candidates_field="docs", doc_template="{title}")
    assert json.loads(format.lines_of(entry))["candidates"] == [{"title": "T"}, {"title": "U", "text": "x"}]


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("csv", {"doc_template": "{title}"}),  # whose rows hold the text
        ("same", {"doc_template": "{title}", "text_field": "body"}),  # which was typed
        ("same", {"doc_template": "{title} {text}"}),
        ("same", {}),
    ],
)
def test_the_text_is_needed_elsewhere(target: str, options: dict[str, Any]) -> None:
    _, entry = read_one(ABSTRACT, target, **options)
    assert isinstance(entry, Failure)
