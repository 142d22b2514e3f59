"""Requests of NVIDIA's rerankers, their answers, and what becomes of them in other formats."""

import json

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.known import format_of
from rerank_cli.formats.registry import open_format

TEXTS = ["two roads", "the other", "both that morning"]
REQUEST = {
    "model": "nvidia/nv-rerankqa-mistral-4b-v3",
    "query": {"text": "which way should i go?"},
    "passages": [{"text": text} for text in TEXTS],
    "truncate": "END",
}


def opened(body, source="nvidia", target="same", **options):
    format = open_format(ReadConfig(format=source), WriteConfig(format=target, model="m", **options))
    (entry,) = format.read(iter(lines_of(jsonl(body))))
    return format, entry


def converted(body, source, target):
    format, entry = opened(body, source, target)
    assert isinstance(entry, Request), entry
    return json.loads(format.lines_of(entry)), format.notes


@pytest.mark.parametrize("score", ["sigmoid", "logit"])
def test_an_answer_ranks_passages_by_logit_and_counts_tokens(score):
    format, entry = opened(REQUEST, score=score)
    assert (entry.query, list(entry.texts)) == ("which way should i go?", TEXTS)
    assert json.loads(format.write(entry, rank([-3.5, 1.25, 0.5], score=score, tokens=42))) == {
        "rankings": [{"index": 1, "logit": 1.25}, {"index": 2, "logit": 0.5}, {"index": 0, "logit": -3.5}],
        "usage": {"prompt_tokens": 42, "total_tokens": 42},
    }


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (REQUEST, "nvidia"),
        ({"query": {"text": "w"}, "passages": []}, "nvidia"),
        ({"query": "w", "passages": [{"text": "a"}]}, "flashrank"),
        ({"query": {"text": "w", "qid": 1}, "candidates": [], "passages": []}, "rank-llm"),
    ],
)
def test_it_is_known_by_the_text_of_its_query_and_its_passages(body, name):
    assert format_of(body) == name


@pytest.mark.parametrize(("truncate", "refuses"), [("NONE", True), ("END", False), (None, False)])
def test_truncate_none_makes_too_long_a_text_an_error(truncate, refuses):
    assert opened({**REQUEST, "truncate": truncate})[1].refuses_cut is refuses
    _, made = opened({"query": "w", "texts": ["a"], "truncate": not refuses}, "tei", "nvidia")
    assert made.body["truncate"] == ("NONE" if refuses else "END")
    assert made.refuses_cut is refuses


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"query": "w"}, "$.query"),
        ({"query": {"text": 1}}, "$.query.text"),
        ({"query": {}}, "$.query.text"),
        ({"query": {"text": "w", "image": "data:"}}, "$.query.image"),
        ({"passages": "a"}, "$.passages"),
        ({"passages": [7]}, "$.passages[0]"),
        ({"passages": ["a", {"body": "b"}]}, "$.passages[1].text"),
        ({"passages": [{"text": "a", "image": "data:image/png;base64,"}]}, "$.passages[0].image"),
        ({"passages": [{"text": "a", "id": 1.5}]}, "$.passages[0].id"),
        ({"id": []}, "$.id"),
        ({"truncate": "START"}, "$.truncate"),
        ({"top_n": 2}, "$.top_n"),
        ({"max_tokens_per_doc": 9}, "$.max_tokens_per_doc"),
    ],
)
def test_what_would_be_answered_otherwise_is_refused_with_its_path(change, path):
    _, failure = opened({**REQUEST, **change})
    assert isinstance(failure, Failure)
    assert failure.path == path


def test_a_request_that_is_made_has_only_fields_that_the_servers_take_and_the_rest_is_reported():
    candidates = [{"id": "d1", "text": "a", "title": "t"}, "b"]
    record = {"id": "q", "query": "w", "lang": "en", "candidates": candidates, "truncation": False}
    made, notes = converted(record, "native", "nvidia")
    assert made == {
        "model": "m",
        "query": {"text": "w"},
        "passages": [{"text": "a"}, {"text": "b"}],
        "truncate": "NONE",
    }
    (note,) = [note for note in notes if note.startswith("dropped")]
    assert "dropped 4 fields" in note
    for name in ("id (1)", "lang (1)", "candidates[].id (1)", "candidates[].title (1)"):
        assert name in note


def test_a_request_becomes_native_with_all_that_it_has():
    body = {**REQUEST, "id": "q", "query": {"text": "w", "lang": "en"}, "passages": ["a", {"text": "b", "id": 7}]}
    made, notes = converted(body, "nvidia", "native")
    assert made == {
        "model": REQUEST["model"],
        "query": "w",
        "truncate": "END",
        "id": "q",
        "candidates": ["a", {"text": "b", "id": 7}],
    }
    assert notes == ["dropped 1 field that native records cannot hold: query.lang (1)"]


def test_a_model_that_is_named_is_named_again():
    made, _ = converted(converted(REQUEST, "nvidia", "native")[0], "native", "nvidia")
    assert made == REQUEST
    assert converted({"query": "w", "candidates": [], "model": 3}, "native", "nvidia")[0]["model"] == "m"
