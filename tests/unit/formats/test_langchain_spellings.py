"""LangChain's documents as its libraries write them: recognised, scored, and written back in their spelling."""

import json

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.known import format_of
from rerank_cli.formats.registry import open_format

CLASS = ["langchain", "schema", "document", "Document"]


def dumped(**kwargs):
    """A document as `langchain_core.load.dumps` writes it."""
    return {"lc": 1, "type": "constructor", "id": CLASS, "kwargs": {"type": "Document", **kwargs}}


PLAIN = {"id": "d1", "page_content": "a pond", "metadata": {"page": 1}, "type": "Document"}
DUMPED = dumped(id="d1", page_content="a pond", metadata={"page": 1})
SCRIPT = {"pageContent": "a pond", "metadata": {"page": 1}, "id": "d1"}


def opened(*documents, target="same"):
    format = open_format(ReadConfig(format="langchain"), WriteConfig(format=target, model="m"))
    (entry,) = format.read(iter(lines_of(jsonl({"id": "q", "query": "w", "documents": documents}))))
    return format, entry


def scored(*documents, target="same"):
    """The documents as they are written, the last one first, with a score of one half."""
    format, entry = opened(*documents, target=target)
    assert isinstance(entry, Request), entry
    ranking = rank([float(place - len(documents) + 1) for place in range(len(documents))])
    return json.loads(format.write(entry, ranking))["documents"]


@pytest.mark.parametrize("document", [PLAIN, DUMPED, SCRIPT])
def test_every_spelling_is_recognised_and_says_the_same(document):
    assert format_of({"query": "w", "documents": [document]}) == "langchain"
    format, entry = opened(document)
    assert (entry.query, entry.texts) == ("w", ("a pond",))
    assert format.to_native(entry)["candidates"] == [{"id": "d1", "page": 1, "text": "a pond"}]


def test_a_score_is_put_where_the_rerankers_of_the_library_put_it():
    assert scored(PLAIN) == [{**PLAIN, "metadata": {"page": 1, "relevance_score": 0.5}}]
    inner = {**DUMPED["kwargs"], "metadata": {"page": 1, "relevance_score": 0.5}}
    assert scored(DUMPED) == [{**DUMPED, "kwargs": inner}]
    assert scored(SCRIPT) == [{**SCRIPT, "metadata": {"page": 1, "relevanceScore": 0.5}}]


def test_a_document_without_metadata_gets_some():
    (document,) = scored(dumped(page_content="a"))
    assert document["kwargs"]["metadata"] == {"relevance_score": 0.5}
    (document,) = scored({"pageContent": "a"})
    assert document["metadata"] == {"relevanceScore": 0.5}


def test_a_list_may_mix_spellings_and_each_document_keeps_its_own():
    names = [sorted(document) for document in scored(PLAIN, DUMPED, SCRIPT)]
    assert names == [sorted(SCRIPT), sorted(DUMPED), sorted(PLAIN)]


@pytest.mark.parametrize("document", [PLAIN, DUMPED, SCRIPT])
def test_langchain_as_the_format_to_write_means_the_plain_spelling(document):
    (made,) = scored(document, target="langchain")
    assert {name: made[name] for name in ("id", "page_content", "metadata")} == {
        "id": "d1",
        "page_content": "a pond",
        "metadata": {"page": 1, "relevance_score": 0.5},
    }
    assert {"lc", "kwargs", "pageContent"}.isdisjoint(made)
    format, entry = opened(document, target="langchain")
    (converted,) = json.loads(format.lines_of(entry))["documents"]
    assert converted["metadata"] == {"page": 1}
    assert format.notes == []


@pytest.mark.parametrize(("spell", "name"), [(dumped, "relevance_score"), (dict, "relevanceScore")])
def test_the_score_of_a_former_reranking_is_the_score_and_is_replaced(spell, name):
    text = "page_content" if spell is dumped else "pageContent"
    document = spell(**{text: "a", "metadata": {name: 0.25, "score": 9.0, "logit": 3.0}})
    format, entry = opened(document)
    assert format.to_native(entry)["candidates"] == [{"logit": 3.0, "score": 0.25, "text": "a"}]
    (made,) = scored(document)
    metadata = made.get("kwargs", made)["metadata"]
    assert metadata == {name: 0.5, "score": 9.0}
    (plain,) = scored(document, target="langchain")
    assert plain["metadata"] == {"relevance_score": 0.5, "score": 9.0}


def test_metadata_that_dumps_has_wrapped_are_read_as_they_were_and_stay_wrapped():
    metadata = {"lc": 1, "page": {"lc": 2}}
    document = dumped(page_content="a", metadata={"__lc_escaped__": metadata})
    format, entry = opened(document)
    assert format.to_native(entry)["candidates"] == [{**metadata, "text": "a"}]
    (made,) = scored(document)
    assert made["kwargs"]["metadata"] == {"__lc_escaped__": {**metadata, "relevance_score": 0.5}}
    (plain,) = scored(document, target="langchain")
    assert plain["metadata"] == {**metadata, "relevance_score": 0.5}
    inside = dumped(page_content="a", metadata={"list": [{"__lc_escaped__": {"lc": 1}}]})
    assert opened(inside)[0].to_native(opened(inside)[1])["candidates"] == [{"list": [{"lc": 1}], "text": "a"}]
    alone = {"page_content": "a", "metadata": {"__lc_escaped__": {"lc": 1}}}  # not wrapped by dumps: as it is
    assert scored(alone)[0]["metadata"] == {"__lc_escaped__": {"lc": 1}, "relevance_score": 0.5}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({**PLAIN, "pageContent": "b"}, "$.documents[1]"),
        ({**DUMPED, "page_content": "b"}, "$.documents[1].kwargs"),
        ({**DUMPED, "id": ["langchain", "schema", "messages", "HumanMessage"]}, "$.documents[1].id"),
        ({**DUMPED, "id": "Document"}, "$.documents[1].id"),
        ({**DUMPED, "type": "not_implemented"}, "$.documents[1].id"),
        ({**DUMPED, "kwargs": []}, "$.documents[1].kwargs"),
        (dumped(metadata={}), "$.documents[1].kwargs.page_content"),
        (dumped(pageContent="a"), "$.documents[1].kwargs.page_content"),
        (dumped(page_content=1), "$.documents[1].kwargs.page_content"),
        (dumped(page_content="a", id=1.5), "$.documents[1].kwargs.id"),
        (dumped(page_content="a", metadata=[1]), "$.documents[1].kwargs.metadata"),
        (dumped(page_content="a", metadata={"__lc_escaped__": 5}), "$.documents[1].kwargs.metadata"),
        ({"pageContent": None}, "$.documents[1].pageContent"),
        ({"pageContent": "a", "metadata": "m"}, "$.documents[1].metadata"),
        ({"lc": 1, "type": "not_implemented", "id": CLASS, "repr": "x"}, "$.documents[1].page_content"),
    ],
)
def test_what_is_no_document_or_two_is_refused_with_its_path(document, path):
    _, failure = opened(PLAIN, document)
    assert isinstance(failure, Failure)
    assert failure.path == path


def test_what_stands_beside_a_dumped_document_is_counted_where_it_becomes_a_plain_one():
    document = {**DUMPED, "name": "Document"}
    assert scored(document)[0]["name"] == "Document"
    format, entry = opened(document, target="langchain")
    assert "name" not in json.loads(format.lines_of(entry))["documents"][0]
    assert format.notes == ["dropped 1 field that langchain records cannot hold: documents[].name (1)"]


def test_fields_beside_the_text_are_counted_where_they_have_no_place():
    format, _ = opened({**dumped(page_content="a", summary="s"), "name": "n"}, {**SCRIPT, "score": 1}, target="native")
    (note,) = format.notes
    assert "dropped 3 fields" in note
    for name in ("documents[].summary (1)", "documents[].name (1)", "documents[].score (1)"):
        assert name in note


def converted(candidate, **options):
    """The metadata of a candidate as a document, and the notes."""
    format = open_format(ReadConfig(format="native"), WriteConfig(format="langchain", **options))
    (entry,) = format.read(iter(lines_of(jsonl({"query": "w", "candidates": [candidate]}))))
    (document,) = json.loads(format.lines_of(entry))["documents"]
    return document["metadata"], format.notes


@pytest.mark.parametrize(
    ("fields", "metadata"),
    [
        ({"metadata": {"source": "a"}}, {"source": "a"}),
        ({"meta": {"source": "a"}}, {"source": "a"}),
        ({"metadata": {"source": "a"}, "lang": "en"}, {"source": "a", "lang": "en"}),
        ({"metadata": {"source": "a"}, "score": 0.5}, {"source": "a", "relevance_score": 0.5}),
        ({"metadata": "a"}, {"metadata": "a"}),
        ({"score": "high"}, {"score": "high"}),
    ],
    ids=str,
)
def test_the_metadata_of_a_candidate_are_those_of_the_document(fields, metadata):
    assert converted({"text": "a", **fields}) == (metadata, [])


def test_a_field_of_a_candidate_replaces_one_of_its_metadata():
    metadata, notes = converted({"text": "a", "source": "new", "score": 2, "metadata": {"source": "old", "page": 1}})
    assert metadata == {"source": "new", "page": 1, "relevance_score": 2}
    assert notes == ["dropped 1 field that langchain records cannot hold: candidates[].metadata.source (1)"]


def test_an_old_score_is_kept_beside_a_new_one():
    assert converted({"text": "a", "score": 2}, scored=True)[0] == {"score": 2}
