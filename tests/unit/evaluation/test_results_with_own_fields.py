"""What `score` wrote is what `eval` reads, whatever the fields are called and with or without texts."""

import random
from dataclasses import replace

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.ranking import rank
from rerank_cli.evaluation.results import QueryTexts, read_results, texts_of
from rerank_cli.formats.registry import open_format

NAMES = [
    "docid",
    "_id",
    "pid",
    "content",
    "q",
    "hits",
    "a.b",
    "x.y.z",
    "documents",
    "passages",
    "body",
    "text",
    "query",
]


def put(body, field, value):
    """`body` with a value at a dotted path, in an object made for it where there is none."""
    name, _, rest = field.partition(".")
    body[name] = put(dict(body.get(name) or {}), rest, value) if rest else value
    return body


def drawn(seed):
    """Names of fields, records that have them, and what ranks their candidates."""
    rng = random.Random(seed)
    query, candidates, qid = rng.sample([*NAMES, "id", "candidates"], 3)
    text, docid = rng.sample([*NAMES, "id"], 2)
    read = ReadConfig(
        query_field=query, candidates_field=candidates, text_field=text, id_field=qid, candidate_id_field=docid
    )
    records, logits = [], []
    for number in range(rng.randrange(1, 4)):
        ids = rng.sample(range(100), rng.randrange(1, 5))
        listed = [put(put({"title": "t"}, text, f"text {each}"), docid, rng.choice((str, int))(each)) for each in ids]
        records.append(put(put(put({"lang": "en"}, query, f"query {number}"), qid, number), candidates, listed))
        logits.append([rng.randrange(-20, 20) / 4 for _ in ids])
    return read, records, logits, docid


def at(body, field):
    for name in field.split("."):
        body = body[name]
    return body


@pytest.mark.parametrize("no_text", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_results_are_read_with_the_options_that_their_input_was_read_with(seed, no_text, tmp_path):
    read, records, logits, docid = drawn(seed)
    format = open_format(read, WriteConfig(no_text=no_text))
    entries = list(format.read(iter(lines_of(jsonl(*records)))))
    path = tmp_path / "ranked.jsonl"
    path.write_bytes(b"".join(format.write(entry, rank(each)) for entry, each in zip(entries, logits, strict=True)))
    found = read_results(str(path), None, read)
    assert found.bad == 0
    assert list(found.queries) == [str(number) for number in range(len(records))]
    for number, (record, own) in enumerate(zip(records, logits, strict=True)):
        names = [str(at(each, docid)) for each in at(record, read.candidates_field)]
        best_first = sorted(range(len(own)), key=lambda place, own=own: -own[place])
        ranked = found.queries[str(number)]
        assert ranked.docids == tuple(names[place] for place in best_first)
        assert ranked.before == tuple(names)
        assert list(ranked.scores) == sorted(own, reverse=True)
        texts = {name: "" if no_text else f"text {name}" for name in names}
        assert texts_of(found, {str(number): set(names)}) == {str(number): QueryTexts(f"query {number}", texts)}


@pytest.mark.parametrize("name", ["docid", "_id", "pid", "doc_id"])
def test_ids_of_another_name_are_named_with_their_option(name, tmp_path):
    path = tmp_path / "in.jsonl"
    record = {"qid": "q", "query": "w", "candidates": [{name: "d1", "text": "a"}]}
    path.write_bytes(jsonl(record))
    with pytest.raises(InputError) as fault:
        read_results(str(path), None)
    assert "--id-field qid" in fault.value.advice
    named = ReadConfig(id_field="qid")
    with pytest.raises(InputError) as fault:
        read_results(str(path), None, named)
    assert "candidate 0" in str(fault.value)
    assert f"--candidate-id-field {name}" in fault.value.advice
    found = read_results(str(path), None, replace(named, candidate_id_field=name))
    assert found.queries["q"].docids == ("d1",)


def test_no_option_is_named_for_an_id_that_is_not_there_or_cannot_be_one(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl({"id": "q", "query": "w", "candidates": [{"docid": [1], "text": "a"}]}))
    with pytest.raises(InputError) as fault:
        read_results(str(path), None)
    assert "--candidate-id-field docid" not in fault.value.advice
