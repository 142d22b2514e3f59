"""Records whose ids have names of their own: Elasticsearch's hits, RankGPT's, DPR's and others."""

import json

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.registry import open_format

ELASTIC = ReadConfig(candidates_field="hits.hits", text_field="_source.text", candidate_id_field="_id")
RANK_GPT = ReadConfig(candidates_field="hits", text_field="content", id_field="hits.0.qid", candidate_id_field="docid")
OF_ELASTIC = {
    "id": "q1",
    "query": "tea",
    "hits": {
        "total": 2,
        "hits": [
            {"_index": "a", "_id": "e1", "_score": 3.5, "_source": {"text": "a board", "title": "Board"}},
            {"_index": "a", "_id": "e2", "_score": 2.5, "_source": {"text": "a drink"}},
        ],
    },
}
OF_RANK_GPT = {
    "query": "tea",
    "hits": [
        {"content": "a board", "qid": 7, "docid": "r1", "rank": 1, "score": 0.9},
        {"content": "a drink", "qid": 7, "docid": "r2", "rank": 2, "score": 0.8},
    ],
}


def opened(read, target="same", *records):
    format = open_format(read, WriteConfig(format=target, model="m"))
    entries = list(format.read(iter(lines_of(jsonl(*records)))))
    return format, entries


def converted(read, target, record):
    format, (entry,) = opened(read, target, record)
    assert isinstance(entry, Request), entry
    lines = format.lines_of(entry).decode().splitlines()
    return lines if target == "trec" else [json.loads(line) for line in lines], format.notes


def refused(read, target, record):
    _, (entry,) = opened(read, target, record)
    assert isinstance(entry, Failure), entry
    return entry


@pytest.mark.parametrize(
    ("read", "record", "run"),
    [
        (ELASTIC, OF_ELASTIC, ["q1 Q0 e1 1 0.0 rerank", "q1 Q0 e2 2 -1.0 rerank"]),
        (RANK_GPT, OF_RANK_GPT, ["7 Q0 r1 1 0.9 rerank", "7 Q0 r2 2 0.8 rerank"]),
    ],
)
def test_records_with_ids_of_other_names_become_a_run(read, record, run):
    assert converted(read, "trec", record)[0] == run


def test_ids_of_other_names_are_the_ids_in_every_other_format():
    (first, second), notes = converted(RANK_GPT, "tevatron", OF_RANK_GPT)
    assert (first["query_id"], first["docid"], first["text"]) == (7, "r1", "a board")
    assert (second["query_id"], second["docid"], second["text"]) == (7, "r2", "a drink")
    assert notes == ["dropped 2 fields that tevatron records cannot hold: candidates[].qid (2)"]
    (made,), _ = converted(ELASTIC, "rank-llm", OF_ELASTIC)
    assert [(each["docid"], each["doc"]["contents"]) for each in made["candidates"]] == [
        ("e1", "a board"),
        ("e2", "a drink"),
    ]
    (made,), _ = converted(ELASTIC, "native", OF_ELASTIC)
    assert made["candidates"][0] == {
        "id": "e1",
        "_index": "a",
        "_id": "e1",
        "_score": 3.5,
        "_source": {"title": "Board"},
        "text": "a board",
    }


@pytest.mark.parametrize("no_text", [False, True])
def test_records_come_back_with_their_own_names(no_text):
    format = open_format(ELASTIC, WriteConfig(no_text=no_text))
    (entry,) = format.read(iter(lines_of(jsonl(OF_ELASTIC))))
    written = json.loads(format.write(entry, rank([-1.0, 2.0])))
    best = written["hits"]["hits"][0]
    source = {} if no_text else {"text": "a drink"}
    assert {name: best[name] for name in ("_index", "_id", "_score", "_source")} == {
        "_index": "a",
        "_id": "e2",
        "_score": 2.5,
        "_source": source,
    }
    assert "id" not in best
    assert (written["id"], written["hits"]["total"]) == ("q1", 2)


def test_a_field_id_beside_the_named_one_is_dropped_and_counted_where_it_differs():
    read = ReadConfig(id_field="qid", candidate_id_field="docid")
    record = {"qid": "q", "query": "w", "id": "other", "candidates": [{"docid": "d1", "id": "row5", "text": "a"}]}
    (made,), notes = converted(read, "tevatron", record)
    assert (made["query_id"], made["docid"]) == ("q", "d1")
    assert len(notes) == 1
    assert "dropped 2 fields" in notes[0]
    assert "candidates[].id (1)" in notes[0]
    same = {**record, "id": "q", "candidates": [{"docid": "d1", "id": "d1", "text": "a"}]}
    assert converted(read, "tevatron", same)[1] == []


@pytest.mark.parametrize("other", [True, 1.0, "1"])
def test_what_only_looks_equal_does_not_take_the_place_of_the_id(other):
    read = ReadConfig(candidate_id_field="docid")
    record = {"query": "w", "candidates": [{"docid": 1, "id": other, "text": "a"}]}
    (made,), notes = converted(read, "native", record)
    assert made["candidates"] == [{"id": 1, "docid": 1, "text": "a"}]
    assert type(made["candidates"][0]["id"]) is int
    assert "candidates[].id (1)" in notes[0]


@pytest.mark.parametrize("absent", [{}, {"docid": None}])
def test_a_field_id_does_not_stand_in_for_a_named_one_that_is_missing(absent):
    read = ReadConfig(candidate_id_field="docid")
    record = {"id": "q", "query": "w", "candidates": [{**absent, "id": "row5", "text": "a"}]}
    assert refused(read, "trec", record).path == "$.candidates[0].id"
    assert refused(ReadConfig(id_field="qid"), "trec", {**record, "qid": None}).path == "$.id"


@pytest.mark.parametrize("wrong", [1.5, True, ["d1"], {"n": 1}])
def test_a_named_id_that_would_not_survive_is_refused_and_another_is_free(wrong):
    read = ReadConfig(candidate_id_field="meta.docid", id_field="meta.qid")
    good = {"meta": {"qid": 1}, "query": "w", "candidates": [{"id": wrong, "meta": {"docid": "d"}, "text": "a"}]}
    _, (entry,) = opened(read, "same", good)
    assert isinstance(entry, Request)
    bad = {**good, "candidates": [{"meta": {"docid": wrong}, "text": "a"}]}
    assert refused(read, "same", bad).path == "$.candidates[0].meta.docid"
    assert refused(read, "same", {**good, "meta": {"qid": wrong}}).path == "$.meta.qid"


def test_an_id_may_stand_in_a_list():
    read = ReadConfig(candidate_id_field="fields.doc_id.0")
    record = {"id": "q", "query": "w", "candidates": [{"fields": {"doc_id": ["d1", "d2"]}, "text": "a"}]}
    assert converted(read, "trec", record)[0] == ["q Q0 d1 1 0.0 rerank"]
    assert refused(read, "trec", {"id": "q", "query": "w", "candidates": [{"fields": {"doc_id": []}, "text": "a"}]})


@pytest.mark.parametrize("target", ["trec", "tevatron", "rank-llm"])
def test_a_record_that_lacks_an_id_is_told_the_option_for_the_one_it_has(target):
    record = {"qid": "q", "query": "w", "candidates": [{"docid": "d1", "text": "a"}]}
    failure = refused(ReadConfig(format="native"), target, record)
    option = {"$.id": "--id-field qid", "$.candidates[0].id": "--candidate-id-field docid"}[failure.path]
    assert option in failure.reason
    failure = refused(ReadConfig(format="native"), target, {"query": "w", "candidates": [{"text": "a"}]})
    assert "--" not in failure.reason


def test_an_id_that_only_the_candidates_hold_is_named_with_its_place():
    read = ReadConfig(candidates_field="hits", text_field="content", candidate_id_field="docid")
    assert "; --id-field hits.0.qid names it" in refused(read, "trec", OF_RANK_GPT).reason


def test_fields_that_are_ids_can_still_be_named_in_templates():
    read = ReadConfig(id_field="qid", candidate_id_field="docid", doc_template="{docid} {text}", query_template="{qid}")
    _, (entry,) = opened(read, "same", {"qid": "q", "query": "w", "candidates": [{"docid": "d1", "text": "a"}]})
    assert (entry.query, entry.texts) == ("q", ("d1 a",))


@pytest.mark.parametrize("name", ["index", "score", "logit", "chunk.id", "previous_score", "truncated"])
def test_an_id_with_a_name_that_we_write_is_refused(name):
    with pytest.raises(ConfigError, match="--candidate-id-field"):
        open_format(ReadConfig(candidate_id_field=name), WriteConfig())


def test_other_formats_have_their_own_ids():
    with pytest.raises(ConfigError, match=r"--candidate-id-field.* tevatron "):
        open_format(ReadConfig(format="tevatron", candidate_id_field="pid"), WriteConfig())
