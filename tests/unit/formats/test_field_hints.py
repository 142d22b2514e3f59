"""Which field options are proposed for records with fields of other names."""

import shlex
from typing import Any

import pytest
from support.making import entries_of

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.field_hints import FieldHint, field_hint

OPTIONS = {"--query-field": "query_field", "--candidates-field": "candidates_field", "--text-field": "text_field"}


def hint_of(record: Any, **options: str) -> FieldHint | None:
    read = ReadConfig(format="native", **options)
    (failure,) = entries_of(record, read=read)
    assert isinstance(failure, Failure)
    return field_hint([failure], read)


def proposed(record: Any, **options: str) -> dict[str, str]:
    """The field options of the command that the hint shows."""
    hint = hint_of(record, **options)
    assert hint is not None
    _, _, command = hint.advice.partition("for example: ")
    words = shlex.split(command)
    assert words[:3] == ["rerank", "check", "in.jsonl"]
    return dict(zip(words[3::2], words[4::2], strict=True))


RECORDS: list[tuple[Any, str]] = [
    (
        {"question": "q", "passages": [{"body": "x"}]},
        "--query-field question --candidates-field passages --text-field body",
    ),
    ({"q": "x", "docs": ["a", "b"]}, "--query-field q --candidates-field docs"),
    (
        {"query": "q", "hits": {"total": 1, "hits": [{"_id": "1", "_source": {"text": "x", "lang": "en"}}]}},
        "--candidates-field hits.hits --text-field _source.text",
    ),
    (
        {"q_id": "1", "question": "q", "answers": ["kettle"], "ctxs": [{"passage_id": "1", "title": "", "text": "x"}]},
        "--query-field question --candidates-field ctxs",
    ),
    (
        {"id": "1", "Frage": "q", "Treffer": [{"id": "d1", "Inhalt": "x"}]},
        "--query-field Frage --candidates-field Treffer --text-field Inhalt",
    ),
    ({"query": {"text": "q", "qid": "1"}, "candidates": ["a"]}, "--query-field query.text"),
    ({"query": "q", "candidates": [{"score": 1.0, "content": "x"}]}, "--text-field content"),
]


@pytest.mark.parametrize(("record", "options"), RECORDS, ids=[each[1] for each in RECORDS])
def test_the_proposed_options_read_the_record(record: Any, options: str) -> None:
    found = proposed(record)
    words = options.split()
    assert found == dict(zip(words[::2], words[1::2], strict=True))
    read = ReadConfig(format="native", **{OPTIONS[name]: value for name, value in found.items()})
    assert isinstance(entries_of(record, read=read)[0], Request)


RETRIEVED = {"question": "q", "docs": [{"page_content": "x", "metadata": {"source": "a.md"}}]}


@pytest.mark.parametrize(
    ("record", "options", "way"),
    [
        (RETRIEVED, {"query_field": "question", "candidates_field": "docs"}, "Name their fields"),
        ({"query": "q", "documents": [{"page_content": "x"}]}, {"candidates_field": "documents"}, "Name their fields"),
        ({"query": "q", "passages": ["x"]}, {"candidates_field": "pasages"}, "These look like flashrank records"),
    ],
)
def test_one_way_out_is_given(record: Any, options: dict[str, str], way: str) -> None:
    hint = hint_of(record, **options)
    assert hint is not None
    assert hint.advice.startswith(way)
    assert ("leave the field options out" in hint.advice) != ("--candidates-field" in hint.advice)


def test_an_option_with_an_absent_field_is_named_and_the_close_field_proposed() -> None:
    record = {"question": "q", "passages": [{"id": "1", "body": "x", "title": "t"}]}
    hint = hint_of(record, query_field="question", candidates_field="passages", text_field="bodi", id_field="qid")
    assert hint is not None
    assert hint.option == "--text-field bodi"
    assert hint.advice.endswith(
        "--query-field question --candidates-field passages --text-field body --id-field qid"
    ), hint.advice


def test_records_of_a_known_format_need_no_field_options() -> None:
    record = {"query": "q", "documents": [{"page_content": "x"}]}
    for options, named in (({"text_field": "body"}, "--text-field body"), ({"id_field": "qid"}, "")):
        hint = hint_of(record, **options)
        assert hint is not None
        assert hint.option == named
        assert hint.advice.startswith("These look like langchain records: leave the field options out.")


@pytest.mark.parametrize(
    "record",
    [
        {"query": 5, "title": "x", "candidates": ["a"]},
        {"query": "q", "candidates": "a"},
        {"query": "q", "candidates": [{"text": 5, "title": "x"}]},
        {"id": "1"},
        b'{"question": "q", "passages": [',
        b"[]",
        b"x",
    ],
)
def test_nothing_is_proposed_for_wrong_values_and_broken_lines(record: Any) -> None:
    assert hint_of(record) is None


def test_nothing_is_proposed_among_several_unknown_names() -> None:
    assert "--query-field" not in proposed({"a": "x", "b": "y", "passages": ["x"]})


def test_a_record_longer_than_what_is_kept_of_it_has_a_hint() -> None:
    record = {"question": "q, with \"'\\", "passages": [{"body": "long, longer \\ " * 9}] * 2000}
    assert proposed(record) == {
        "--query-field": "question",
        "--candidates-field": "passages",
        "--text-field": "body",
    }


def test_a_misspelled_option_that_is_not_needed_is_to_be_left_out() -> None:
    hint = hint_of({"query": "q", "candidates": ["a"]}, query_field="qurey")
    assert hint is not None
    assert (hint.option, hint.advice) == ("--query-field qurey", "Leave --query-field out: the records have query.")
