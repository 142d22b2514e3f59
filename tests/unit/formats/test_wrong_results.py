"""Records that once gave a wrong result with exit 0, each with the right value, by kind."""

import json

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.dialects import ECHOES, REFUSED, TOPS
from rerank_cli.formats.registry import open_format, read_entries
from rerank_cli.formats.texts import MAX_TEXT
from rerank_cli.jobs.preflight import check_first_records


def entries(source, *records, target="same", **options):
    format = open_format(ReadConfig(format=source, **options), WriteConfig(format=target, model="m"))
    return format, list(format.read(iter(lines_of(jsonl(*records)))))


def converted(source, target, *records):
    """What a record becomes, as JSON values, or the path at which it is refused; and the notes."""
    format, (entry,) = entries(source, *records, target=target)
    if isinstance(entry, Failure):
        return entry.path, format.notes
    lines = format.lines_of(entry).decode().splitlines()
    return lines if target == "trec" else [json.loads(line) for line in lines], format.notes


def texts(source, *records, **options):
    format, (entry,) = entries(source, *records, **options)
    assert isinstance(entry, Request), entry
    return list(entry.texts), format.notes


# own fields win

SHOES = {"id": "q1", "query": "red shoes"}


@pytest.mark.parametrize(
    ("target", "candidates", "right"),
    [
        (
            "tevatron",
            [{"id": "d1", "query_id": "old", "query": "first draft", "docid": "zzz", "text": "x"}],
            [{"query_id": "q1", "query": "red shoes", "docid": "d1", "text": "x"}],
        ),
        (
            "rank-llm",
            [{"id": "d1", "text": "the real text", "contents": "another", "segment": "seg 4"}],
            [
                {
                    "query": {"text": "red shoes", "qid": "q1"},
                    "candidates": [{"docid": "d1", "score": 0.0, "doc": {"contents": "the real text"}}],
                }
            ],
        ),
    ],
)
def test_a_candidates_own_text_and_ids_win_over_fields_that_the_format_names_so(target, candidates, right):
    made, notes = converted("native", target, SHOES | {"candidates": candidates})
    assert made == right
    assert [note for note in notes if note.startswith("dropped")]


def test_lists_of_positives_and_teacher_scores_are_those_of_the_candidates():
    record = {
        **SHOES,
        "pos": "ADJ NOUN",
        "pos_scores": [9.0],
        "candidates": [{"text": "x", "relevance": 1}, {"text": "y", "relevance": 0}],
    }
    (made,), notes = converted("native", "flag-embedding", record)
    assert made == {"query": "red shoes", "pos": ["x"], "neg": ["y"], "id": "q1"}
    assert any("pos (1)" in note and "pos_scores (1)" in note for note in notes)


def test_an_id_of_a_rank_llm_document_is_that_of_its_candidate():
    doc = {"segment": "x", "docid": "msmarco_v2.1_doc_0", "id": "inner", "score": 0.1}
    body = {"query": {"text": "a", "qid": "1"}, "candidates": [{"docid": "d1", "score": 1.0, "doc": doc}]}
    (made,), _ = converted("rank-llm", "tevatron", body)
    assert (made["docid"], made["text"], made["score"]) == ("d1", "x", 1.0)


@pytest.mark.parametrize("field", ["documents", "input", "texts", "passages"])
@pytest.mark.parametrize("target", ["rerank-api", "voyage", "mixedbread", "tei", "flashrank", "langchain"])
def test_a_made_record_is_not_taken_for_one_of_another_format(target, field, tmp_path):
    format, (entry,) = entries("native", {"query": "w", "candidates": ["a"], field: ["b"]}, target=target)
    path = tmp_path / "made.jsonl"
    path.write_bytes(format.lines_of(entry))
    read = open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),)))
    assert read.name in (target, {"voyage": "rerank-api"}.get(target))
    assert [each.texts for each in read.read(Inputs((str(path),)).lines(10_000))] == [("a",)]


# titles

TITLED = {
    "tevatron": lambda title: {"query_id": "1", "query": "kettle", "docid": "d", "text": "It boils.", **title},
    "rank-llm": lambda title: {
        "query": {"text": "kettle", "qid": "1"},
        "candidates": [{"docid": "d", "score": 1.0, "doc": {"contents": "It boils.", **title}}],
    },
}


@pytest.mark.parametrize("name", TITLED)
@pytest.mark.parametrize(
    ("title", "scored"),
    [
        ({"title": "Kettle"}, "Kettle It boils."),
        ({"title": ""}, "It boils."),
        ({"title": "  "}, "It boils."),
        ({"title": None}, "It boils."),
        ({}, "It boils."),
        ({"title": 1984}, "1984 It boils."),
    ],
)
def test_a_title_is_scored_before_the_text_where_the_format_has_one(name, title, scored):
    assert texts(name, TITLED[name](title)) == ([scored], [])
    assert texts(name, TITLED[name](title), doc_template="{text}") == (["It boils."], [])


@pytest.mark.parametrize("name", TITLED)
def test_a_text_without_a_title_is_scored_as_it_is_beside_others_that_have_one(name):
    rows = [TITLED["tevatron"]({"title": "T"}), TITLED["tevatron"]({"docid": "e", "text": "  spaces  "})]
    if name == "rank-llm":
        bare = {"docid": "e", "score": 0.5, "doc": {"contents": "  spaces  "}}
        rows = [TITLED[name]({"title": "T"})]
        rows[0]["candidates"].append(bare)
    assert texts(name, *rows)[0] == ["T It boils.", "  spaces  "]


def test_a_title_that_is_not_scored_is_reported_once_with_the_way_to_score_it():
    record = {"query": "q", "candidates": ["x", {"text": "It boils.", "title": "Kettle"}]}
    format, _ = entries("native", record, record)
    assert [note for note in format.notes if "{title?} {text}" in note] == format.notes
    assert len(format.notes) == 1
    assert texts("native", record, doc_template="{title?} {text}") == (["x", "Kettle It boils."], [])
    assert entries("native", {"query": "q", "candidates": [{"text": "x", "title": None}]})[0].notes == []


@pytest.mark.parametrize("name", TITLED)
def test_a_conversion_from_a_titled_format_says_that_native_records_score_the_text_alone(name):
    _, notes = converted(name, "native", TITLED[name]({"title": "Kettle"}))
    assert any("{title?} {text}" in note for note in notes)
    assert converted(name, "native", TITLED[name]({}))[1] == []
    other = {"tevatron": "rank-llm", "rank-llm": "tevatron"}[name]
    assert not any("{title?}" in note for note in converted(name, other, TITLED[name]({"title": "Kettle"}))[1])


# scores of a run


def run_of(*candidates):
    numbered = [{"id": f"d{n}", "text": "x", **each} for n, each in enumerate(candidates, 1)]
    return converted("native", "trec", {"id": "q1", "query": "a", "candidates": numbered})[0]


def order(*candidates):
    return [line.split()[2] for line in run_of(*candidates)]


def test_scores_that_are_written_as_strings_order_a_run():
    assert order({"score": "3.5"}, {"score": 9.25}, {"score": "12.0"}) == ["d3", "d2", "d1"]


def test_logits_order_a_run_where_every_candidate_has_one():
    lines = run_of({"score": 0.5, "logit": -2.0}, {"score": 0.9, "logit": 3.0})
    assert [line.split()[2:5:2] for line in lines] == [["d2", "3.0"], ["d1", "-2.0"]]
    assert order({"score": 0.5, "logit": 9.0}, {"score": 0.9}) == ["d2", "d1"]


def test_a_record_in_which_only_some_candidates_have_a_score_is_refused_at_the_first_without():
    assert run_of({"score": -2.0}, {}, {"score": -7.5}) == "$.candidates[1].score"
    assert run_of({"score": 1}, {"score": None}) == "$.candidates[1].score"
    assert run_of({"score": 1}, {"score": "high"}) == "$.candidates[1].score"
    assert order({}, {"score": None}) == ["d1", "d2"]


def test_scores_of_the_input_decide_nothing_when_a_ranking_is_written():
    format = open_format(ReadConfig(format="native"), WriteConfig(format="trec", scored=True))
    record = {"id": "q", "query": "w", "candidates": [{"id": "a", "text": "x", "score": 1}, {"id": "b", "text": "y"}]}
    (entry,) = format.read(iter(lines_of(jsonl(record))))
    assert format.write(entry, rank([1.0, 2.0])) == b"q Q0 b 1 2.0 rerank\nq Q0 a 2 1.0 rerank\n"


def test_a_document_that_is_named_twice_stands_in_a_run_once_with_its_better_score():
    twice = {"id": "q", "query": "w", "candidates": [{"id": i, "text": t, "score": s} for i, t, s in
                                                       (("a", "x", 1), ("b", "y", 2), ("a", "z", 3))]}  # fmt: skip
    lines, _ = converted("native", "trec", twice)
    assert [line.split()[2:5] for line in lines] == [["a", "1", "3.0"], ["b", "2", "2.0"]]


@pytest.mark.parametrize("logits", [(1.0, None), ("x", 2.0)])
def test_a_teachers_scores_are_those_of_every_text_or_of_none(logits):
    candidates = [{"text": f"{n}", "relevance": 1, "logit": logit} for n, logit in enumerate(logits)]
    assert str(converted("native", "flag-embedding", {"query": "q", "candidates": candidates})[0]).endswith(".logit")


# options of a request

REQUEST = {
    "rerank-api": {"query": "a", "documents": ["x", "y"]},
    "voyage": {"query": "a", "documents": ["x", "y"]},
    "mixedbread": {"query": "a", "input": ["x", "y"]},
    "tei": {"query": "a", "texts": ["x", "y"]},
}
BATCHES = {
    "rerank": lambda inner: {"custom_id": "c", "url": "/v1/rerank", "body": {**REQUEST["rerank-api"], **inner}},
    "score": lambda inner: {"custom_id": "c", "url": "/v1/score", "body": {"text_1": "a", "text_2": ["x"], **inner}},
}


@pytest.mark.parametrize("name", REQUEST)
def test_raw_scores_are_logits_in_every_dialect(name):
    for option, logits in (("raw_scores", True), ("use_activation", False), ("activation", False)):
        format, (entry,) = entries(name, {**REQUEST[name], option: logits})
        assert b"-1.5" in format.write(entry, rank([2.0, -1.5]))
        format, (entry,) = entries(name, {**REQUEST[name], option: not logits})
        assert b"-1.5" not in format.write(entry, rank([2.0, -1.5]))


def test_raw_scores_of_a_batch_are_logits_too():
    for made in BATCHES.values():
        format, (entry,) = entries("openai-batch", made({"raw_scores": True}))
        assert b"-1.5" in format.write(entry, rank([-1.5] * len(entry.texts)))


@pytest.mark.parametrize("name", REQUEST)
@pytest.mark.parametrize("option", sorted(REFUSED))
def test_an_option_that_would_change_the_answer_is_refused_by_name_and_null_asks_for_nothing(name, option):
    _, (failure,) = entries(name, {**REQUEST[name], option: "some value"})
    assert isinstance(failure, Failure)
    assert failure.path == f"$.{option}"
    assert option in failure.reason
    for nothing in (None, *REFUSED[option]):
        assert isinstance(entries(name, {**REQUEST[name], option: nothing})[1][0], Request)


@pytest.mark.parametrize("name", REQUEST)
def test_options_of_another_dialect_are_refused_by_name(name):
    own = {"rerank-api": "top_n", "voyage": "top_k", "mixedbread": "top_k", "tei": ""}[name]
    echo = {"mixedbread": "return_input", "tei": "return_text"}.get(name, "return_documents")
    for option, value in (*((top, 1) for top in TOPS), *((each, True) for each in ECHOES)):
        _, (entry,) = entries(name, {**REQUEST[name], option: value})
        assert isinstance(entry, Request) == (option in (own, echo)), option


@pytest.mark.parametrize("made", [*BATCHES.values()], ids=list(BATCHES))
def test_a_batchs_inner_options_are_judged_alike(made):
    _, (failure,) = entries("openai-batch", made({"truncate_prompt_tokens": 20}))
    assert failure.path == "$.body.truncate_prompt_tokens"


@pytest.mark.parametrize("option", [{"truncate": False}, {"truncation": False}, {"truncate": "NONE"}])
def test_a_request_may_say_that_no_text_is_truncated(option):
    _, (entry,) = entries("tei", {**REQUEST["tei"], **option})
    assert entry.refuses_cut
    for harmless in ({"truncate": True}, {"truncate": None}, {"truncation": True}, {"truncate": "END"}, {}):
        assert not entries("tei", {**REQUEST["tei"], **harmless})[1][0].refuses_cut


def test_options_of_a_request_are_made_or_dropped_and_said_when_it_becomes_another_apis():
    body = {**REQUEST["rerank-api"], "top_n": 1, "return_documents": True, "lang": "en"}
    (made,), _ = converted("rerank-api", "mixedbread", body)
    assert made == {"lang": "en", "query": "a", "top_k": 1, "return_input": True, "input": ["x", "y"]}
    (made,), notes = converted("native", "rerank-api", {"query": "a", "candidates": ["x"], "instruction": "be brief"})
    assert "instruction" not in made
    assert any("instruction (1)" in note for note in notes)


# ids


@pytest.mark.parametrize(
    ("name", "needed", "record"),
    [
        ("native", "$.candidates[0].id", {"id": None, "query": "a", "candidates": [{"id": None, "text": "x"}]}),
        ("rerank-api", "$.documents[0].id", {"id": None, "query": "a", "documents": [{"id": None, "text": "x"}]}),
        ("flashrank", "$.passages[0].id", {"id": None, "query": "a", "passages": [{"id": None, "text": "x"}]}),
        (
            "langchain",
            "$.documents[0].id",
            {"query": "a", "documents": [{"id": None, "page_content": "x", "metadata": None}]},
        ),
        (
            "rank-llm",
            "$.candidates[0].docid",
            {"query": {"text": "a", "qid": None}, "candidates": [{"docid": None, "doc": {"text": "x"}}]},
        ),
        (
            "tevatron",
            "$[0].docid",
            {"query_id": None, "qid": "q", "query": "a", "docid": None, "id": None, "text": "x"},
        ),
        ("flag-embedding", "$.pos_ids and $.neg_ids", {"id": None, "query": "a", "pos": ["x"], "neg": None}),
    ],
)
def test_an_id_that_is_null_is_absent(name, needed, record):
    format, (entry,) = entries(name, record)
    assert isinstance(entry, Request), entry
    assert format.to_native(entry)["candidates"][0].get("id") is None
    assert converted(name, "trec", record)[0] == needed


@pytest.mark.parametrize("odd", [12.0, ["a"], {"a": 1}, True])
def test_what_cannot_be_an_id_in_metadata_is_metadata(odd):
    document = {"page_content": "y", "metadata": {"id": odd, "source": "s"}}
    format, (entry,) = entries("langchain", {"query": "a", "documents": [document]})
    assert json.loads(format.write(entry, rank([1.0])))["documents"][0]["metadata"]["id"] == odd
    _, (failure,) = entries("langchain", {"query": "a", "documents": [{**document, "id": odd}]})
    assert failure.path == "$.documents[0].id"


def test_an_integer_id_stays_one_in_langchain_documents():
    (made,), _ = converted("native", "langchain", {"query": "a", "candidates": [{"id": 7, "text": "x"}]})
    assert made["documents"] == [{"id": 7, "page_content": "x", "metadata": {}}]


# what a conversion drops is said


def test_a_conversion_says_how_many_fields_it_drops_and_which():
    metadata = {"id": "B", "text": "meta text", "index": 3, "source": "s"}
    document = {"id": "A", "page_content": "x", "type": "Note", "metadata": metadata}
    (made,), notes = converted("langchain", "native", {"query": "a", "documents": [document]})
    assert made["candidates"] == [{"id": "A", "index": 3, "source": "s", "text": "x"}]
    (note,) = notes
    assert note.startswith("dropped 3 fields")
    assert all(f"documents[].{name} (1)" in note for name in ("metadata.id", "metadata.text", "type"))
    doc = {"id": "inner", "score": 0.1, "title": "T", "contents": "x"}
    candidate = {"docid": "d1", "score": 1.0, "rank": 1, "run": "bm25", "doc": doc}
    body = {"query": {"text": "a", "qid": "1", "narrative": "n"}, "candidates": [candidate]}
    _, notes = converted("rank-llm", "native", body)
    names = (
        "query.narrative",
        "candidates[].rank",
        "candidates[].run",
        "candidates[].doc.id",
        "candidates[].doc.score",
    )
    assert any(note.startswith("dropped 5 fields") and all(name in note for name in names) for note in notes)


def test_the_names_of_dropped_fields_take_bounded_memory():
    format, _ = entries("native", *({"query": "q", "id": "q", "candidates": [{"id": "d", "text": "x"}], f"f{n}": 1}
                                   for n in range(1500)), target="tevatron")  # fmt: skip
    (note,) = format.notes
    assert note.startswith("dropped 1,500 fields")
    assert "other names (500)" in note
    assert len(note) < 400


# records that leave no line, or that two records would share


@pytest.mark.parametrize("target", ["trec", "tevatron"])
def test_a_record_without_candidates_is_refused_where_it_would_leave_no_line(target):
    assert converted("native", target, {"id": "q", "query": "w", "candidates": []})[0] == "$.candidates"


@pytest.mark.parametrize("target", ["trec", "tevatron"])
def test_records_that_follow_each_other_with_one_id_are_refused_but_for_the_last(target):
    records = [{"id": name, "query": "w", "candidates": [{"id": "d", "text": "x"}]} for name in "aabcc"]
    lines = [records[0], b"{", b"", *records[1:], b"{"]
    _, found = entries("native", *lines, target=target)
    assert [type(entry).__name__[0] for entry in found] == list("FFBRRFRF")
    assert [entry.path for entry in found if isinstance(entry, Failure)] == ["$.id", "$", "$.id", "$"]
    again = open_format(ReadConfig(format="native"), WriteConfig(format=target))
    rest = list(again.read(iter(lines_of(jsonl(*lines))[5:])))  # as a resumed run reads
    assert [type(entry) for entry in rest] == [type(entry) for entry in found[5:]]


def test_a_query_of_which_lines_stand_apart_by_a_thousand_bad_ones_is_two_records_and_it_is_said():
    row = {"query_id": "q", "query": "w", "docid": "d", "text": "x"}
    format, found = entries("tevatron", row, *[b"{"] * 1000, row)
    assert sum(isinstance(entry, Request) for entry in found) == 2
    assert any("separate records" in note for note in format.notes)
    assert entries("tevatron", row, *[b"{"] * 999, row)[0].notes == []


# training data as it is written


@pytest.mark.parametrize(
    ("record", "scored"),
    [
        ({"query": "a", "pos": "x"}, ["x"]),
        ({"query": "a", "pos": ["x"]}, ["x"]),
        ({"query": "a", "pos": ["x"], "neg": None}, ["x"]),
        ({"query": "a", "pos": ["x"], "neg": "y"}, ["x", "y"]),
        ({"query": "a", "pos": [], "neg": ["y"]}, ["y"]),
        ({"query": "a", "pos": None, "neg": ["y"]}, ["y"]),
    ],
)
def test_positives_alone_are_flag_embedding_records(record, scored, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl(record))
    format = open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),)))
    assert format.name == "flag-embedding"
    (entry,) = format.read(Inputs((str(path),)).lines(10_000))
    assert list(entry.texts) == scored
    out = json.loads(format.write(entry, rank([1.0] * len(scored))))
    assert len(out["pos_scores"]) + len(out["neg_scores"]) == len(scored)
    assert {name: out[name] for name in record} == record


# what an input is


@pytest.mark.parametrize(
    ("content", "way"),
    [
        (b'[{"query": "a", "candidates": ["x"]},\n{"query": "b", "candidates": ["y"]}]\n', "jq -c '.[]'"),
        (b'[\n{"query": "a", "candidates": ["x"]},\n{"query": "b", "candidates": ["y"]}\n]\n', "jq -c '.[]'"),
        (b'\n[{"query": "a", "candidates": ["x"]}, {"query": "b", "candidates": ["y"]}]\n', "jq -c '.[]'"),
        (b'[\n  {\n    "query": "a",\n    "candidates": ["x"]\n  }\n]\n', "jq -c '.[]'"),
        (b'{\n  "query": "a",\n  "candidates": ["x"]\n}\n', "jq -c '.'"),
    ],
)
def test_json_that_goes_on_over_several_lines_is_refused_with_the_way_out(tmp_path, content, way):
    path = tmp_path / "in put.json"
    path.write_bytes(content)
    read = ReadConfig(inputs=(str(path),))
    inputs = Inputs(read.inputs)
    with pytest.raises(InputError) as fault:
        list(check_first_records(read_entries(open_format(read, WriteConfig(), inputs), inputs, read, None)))
    assert way in fault.value.advice
    assert "in put.json'" in fault.value.advice


def test_an_array_is_refused_also_behind_a_good_file(tmp_path):
    (tmp_path / "a").write_bytes(jsonl({"query": "a", "candidates": []}))
    (tmp_path / "b").write_bytes(b'[\n{"query": "b", "candidates": []}\n]')
    read = ReadConfig(inputs=(str(tmp_path / "a"), str(tmp_path / "b")))
    inputs = Inputs(read.inputs)
    with pytest.raises(InputError, match=r"b: .*array"):
        list(read_entries(open_format(read, WriteConfig(), inputs), inputs, read, None))


@pytest.mark.parametrize("line", [b"[]", b"[1, 2]", b'["a"]'])
def test_a_list_of_other_values_is_a_bad_record_like_any_other(line, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl(line, {"query": "a", "candidates": []}))
    inputs, read = Inputs((str(path),)), ReadConfig(inputs=(str(path),))
    found = list(read_entries(open_format(read, WriteConfig(), inputs), inputs, read, None))
    assert [type(entry) for entry in found] == [Failure, Request]


FOREIGN, AS_MEANT = {"question": "a"}, {"id": 1.5, "query": "a", "candidates": []}


@pytest.mark.parametrize(
    ("records", "looks"),
    [([FOREIGN], True), ([AS_MEANT], False), ([FOREIGN, FOREIGN, AS_MEANT], True), ([FOREIGN, AS_MEANT], False)],
)
def test_another_format_is_blamed_only_where_it_is_the_cause(records, looks):
    with pytest.raises(InputError) as fault:
        check_first_records(iter(entries("native", *records)[1]))
    assert ("looks like another format" in fault.value.message) == looks
    assert ("--query-field" in fault.value.advice) == looks
    assert ("$.id" in fault.value.message) != looks


@pytest.mark.parametrize(
    ("source", "record", "options", "target"),
    [
        ("native", {"query": "q", "candidates": ["x"]}, {"doc_template": "{title} {text}"}, "same"),
        ("native", {"query": "q", "candidates": ["x"]}, {}, "flag-embedding"),
        ("native", {"query": "q", "candidates": ["x"]}, {}, "trec"),
        ("native", {"query": "q", "candidates": ["x", "y"]}, {"max_candidates": 1}, "same"),
        ("rerank-api", {"query": "q", "documents": ["x"], "top_n": "1"}, {}, "same"),
        ("openai-batch", {"custom_id": "c", "url": "/v1/chat", "body": {}}, {}, "same"),
    ],
)
def test_what_a_record_holds_is_no_fault_of_the_format(source, record, options, target):
    _, (failure,) = entries(source, record, target=target, **options)
    assert isinstance(failure, Failure)
    assert failure.content


# what a format orders its candidates by


RANKED = [("d1", 9.0), ("d2", 3.0)]


@pytest.mark.parametrize(
    ("source", "record"),
    [
        (
            "rank-llm",
            {
                "query": {"text": "w", "qid": "q"},
                "candidates": [
                    {"docid": name, "score": score, "doc": {"text": name, "logit": -score}} for name, score in RANKED
                ],
            },
        ),
        (
            "flashrank",
            {"id": "q", "query": "w", "passages": [{"id": n, "text": n, "score": s, "logit": -s} for n, s in RANKED]},
        ),
        (
            "langchain",
            {
                "id": "q",
                "query": "w",
                "documents": [
                    {"id": name, "page_content": name, "metadata": {"relevance_score": s, "score": 0, "logit": -s}}
                    for name, s in RANKED
                ],
            },
        ),
        ("native", {"id": "q", "query": "w", "candidates": [{"id": n, "text": n, "score": s} for n, s in RANKED]}),
        ("native", {"id": "q", "query": "w", "candidates": [{"id": n, "text": n, "logit": s} for n, s in RANKED]}),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_formats_own_scores_order_its_candidates_and_no_other_field(source, record, turned):
    if turned:
        record = {name: value[::-1] if isinstance(value, list) else value for name, value in record.items()}
    lines, _ = converted(source, "trec", record)
    assert [line.split()[2] for line in lines] == ["d1", "d2"]
    (made,), _ = converted(source, "rank-llm", record)
    assert sorted((each["docid"], each["score"]) for each in made["candidates"]) == RANKED
    again, _ = converted("rank-llm", "trec", made)
    assert again == lines


@pytest.mark.parametrize("target", ["trec", "rank-llm", "flag-embedding"])
def test_logits_of_some_candidates_alone_are_no_order(target):
    candidates = [{"id": name, "text": name, "relevance": 1, "logit": logit} for name, logit in [("a", 1), ("b", None)]]
    path, _ = converted("native", target, {"id": "q", "query": "w", "candidates": candidates})
    assert path == "$.candidates[1].logit"


def test_a_logit_of_a_former_ranking_does_not_outlive_another():
    record = {"id": "q", "query": "w", "passages": [{"id": n, "text": n, "logit": s} for n, s in RANKED]}
    format, (entry,) = entries("flashrank", record)
    ranked = json.loads(format.write(entry, rank([-1.0, 1.0])))
    lines, _ = converted("flashrank", "trec", ranked)
    assert [line.split()[2] for line in lines] == ["d2", "d1"]


@pytest.mark.parametrize(
    ("source", "record", "path"),
    [
        (
            "native",
            {
                "id": "q",
                "query": "w",
                "candidates": [{"id": 1, "text": "x", "relevance": 1}, {"id": 1, "text": "x", "relevance": 0}],
            },
            "$.candidates[1]",
        ),
        ("flag-embedding", {"query": "w", "pos": ["x"], "neg": ["y", "x"]}, "$.pos and $.neg[2]"),
    ],
)
def test_a_document_that_is_judged_twice_and_not_alike_is_not_converted(source, record, path):
    for target in ("rank-llm", "native", "flag-embedding"):
        if target != source:
            assert converted(source, target, record)[0] == path


@pytest.mark.parametrize("target", ["native", "flashrank", "langchain", "rank-llm", "trec"])
@pytest.mark.parametrize(
    ("source", "place", "option"),
    [("rerank-api", "documents", "top_n"), ("voyage", "documents", "top_k"), ("mixedbread", "input", "top_k")],
)
def test_a_request_gets_as_many_results_as_it_asks_for_in_any_format(source, place, option, target):
    request = {"id": "q", "query": "w", place: [{"id": n, "text": n} for n in "abc"], option: 2}
    format, (entry,) = entries(source, request, target=target)
    lines = format.write(entry, rank([-1.0, 1.0, 0.0])).decode()
    if target == "trec":
        assert [line.split()[2] for line in lines.splitlines()] == ["b", "c"]
    else:
        record = json.loads(lines)
        listed = next(record[name] for name in ("candidates", "passages", "documents") if name in record)
        assert [each.get("id", each.get("docid")) for each in listed] == ["b", "c"]


def test_a_native_record_that_refuses_a_cut_does_so_as_a_request_too():
    record = {"query": "w", "candidates": ["x"], "truncate": False}
    assert entries("native", record, target="tei")[1][0].refuses_cut
    assert not entries("native", record, target="native")[1][0].refuses_cut


def test_an_id_that_comes_again_further_down_is_said_where_records_of_one_id_are_one():
    records = [{"id": name, "query": "w", "candidates": [{"id": "d", "text": "x"}]} for name in "abab"]
    format, found = entries("native", *records, target="trec")
    assert [type(entry) for entry in found] == [Request] * 4
    [warning] = format.warnings
    assert warning.startswith("2 records repeat an id")


# texts that are too long for a signal to be heard while they are tokenized

LONG = "a" * (MAX_TEXT + 1)
LIMIT = MAX_TEXT * 4  # of bytes in a line


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("source", "record", "options", "path"),
    [
        ("native", {"query": "q", "candidates": ["b", LONG]}, {}, "$.candidates[1]"),
        ("native", {"query": LONG, "candidates": ["b"]}, {}, "$.query"),
        ("rerank-api", {"query": "q", "documents": [{"text": LONG}]}, {}, "$.documents[0]"),
        ("tevatron", {"query_id": "1", "query": "q", "docid": "d", "text": LONG}, {}, "$[0]"),
        (
            "native",
            {"query": "q", "candidates": [{"text": "b", "more": LONG[1:]}]},
            {"doc_template": "{text} {more}"},
            "$.candidates[0]",
        ),
    ],
)
def test_a_text_that_is_too_long_is_an_error_record_in_every_format(source, record, options, path):
    _, (entry,) = entries(source, record, max_line_bytes=LIMIT, **options)
    assert isinstance(entry, Failure)
    assert "characters" in entry.reason
    assert entry.path == path
    right = json.loads(json.dumps(record).replace(LONG, LONG[2:]).replace(LONG[1:], LONG[3:]))
    assert isinstance(entries(source, right, max_line_bytes=LIMIT, **options)[1][0], Request)
