"""Ids that a conversion misses: fields that no candidate has, other names, formats that keep them elsewhere."""

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.registry import open_format

LABELED = {"query": "w", "docs": ["a"], "labels": [1]}


def opened(read, target, *records):
    format = open_format(read, WriteConfig(format=target))
    return format, list(format.read(iter(lines_of(jsonl(*records)))))


@pytest.mark.parametrize("target", ["same", "native", "rerank-api", "csv", "flashrank"])
def test_a_field_of_ids_that_no_candidate_has_is_noted_once(target):
    read = ReadConfig(candidate_id_field="nope", id_field="qid")
    records = [{"qid": n, "query": "w", "candidates": [{"docid": "d", "text": "a"}, "b"]} for n in range(3)]
    format, entries = opened(read, target, *records)
    assert all(isinstance(entry, Request) for entry in entries)
    (note,) = [each for each in format.notes if "--candidate-id-field nope" in each]
    assert [each for each in format.notes if "--id-field" in each] == []
    assert note not in format.first_notes


def test_a_field_of_ids_that_no_record_has_is_noted_too():
    format, _ = opened(ReadConfig(id_field="nope"), "same", {"query": "w", "candidates": ["a"]})
    assert ["--id-field nope" in each for each in format.notes] == [True]


@pytest.mark.parametrize("records", [[], [{"id": "q", "query": "w", "candidates": []}]])
def test_where_there_is_no_candidate_none_lacks_the_field(records):
    assert opened(ReadConfig(candidate_id_field="nope"), "same", *records)[0].notes == []


def test_a_field_that_some_candidate_has_is_there():
    record = {"query": "w", "candidates": ["b", {"docid": "d", "text": "a"}]}
    format, _ = opened(ReadConfig(candidate_id_field="docid"), "same", {"query": "w", "candidates": ["x"]}, record)
    assert format.notes == []


@pytest.mark.parametrize(
    ("read", "record", "path", "name"),
    [
        (ReadConfig(format="pairs"), {"query": "w", "text": "a"}, "$[0].docid", "docid"),
        (ReadConfig(format="rerank-api"), {"query": "w", "documents": ["a"]}, "$.documents[0].id", "id"),
        (ReadConfig(format="flashrank"), {"query": "w", "passages": [{"text": "a"}]}, "$.passages[0].id", "id"),
        (ReadConfig(format="labeled-list"), LABELED, "$.ids[0]", "ids"),
        (ReadConfig(format="nvidia"), {"query": {"text": "w"}, "passages": [{"text": "a"}]}, "$.passages[0].id", "id"),
        (
            ReadConfig(format="flag-embedding"),
            {"query": "w", "pos": ["a"], "neg": ["b"]},
            "$.pos_ids and $.neg_ids",
            "pos_ids",
        ),
    ],
)
def test_a_format_that_lacks_ids_is_told_where_it_keeps_them(read, record, path, name):
    _, (entry,) = opened(read, "trec", record)
    assert isinstance(entry, Failure)
    assert (entry.path, entry.content) == (path, True)
    assert f'{read.format} records have it in "{name}"' in entry.reason


def test_texts_that_are_strings_have_no_ids():
    _, (entry,) = opened(ReadConfig(format="tei"), "trec", {"id": "q", "query": "w", "texts": ["a"]})
    assert isinstance(entry, Failure)
    assert (entry.path, "tei texts have none" in entry.reason) == ("$.texts[0]", True)


@pytest.mark.parametrize("target", ["csv", "tsv", "pairs"])
def test_ids_of_other_names_that_are_dropped_are_named_with_their_option(target):
    record = {"qid": "q", "query": "w", "candidates": [{"docid": "d", "text": "a"}]}
    (note,) = opened(ReadConfig(format="native"), target, record)[0].notes
    assert "candidates[].docid (1)" in note
    assert note.endswith("--id-field qid and --candidate-id-field docid keep the ids")


def test_ids_that_another_format_keeps_or_does_not_need_are_not_named():
    record = {"id": "q", "query": "w", "candidates": [{"id": "d", "docid": "x", "text": "a"}]}
    (note,) = opened(ReadConfig(format="native"), "csv", record)[0].notes
    assert "--" not in note
    assert (
        opened(ReadConfig(format="native"), "rerank-api", {**record, "candidates": [{"docid": "x", "text": "a"}]})[
            0
        ].notes
        == []
    )


def test_what_is_dropped_is_counted_at_the_end_and_not_before():
    format, _ = opened(ReadConfig(format="native"), "csv", {"query": "w", "lang": "en", "candidates": ["a"]})
    assert (len(format.notes), format.first_notes) == (1, [])
