"""Every record format: how it is recognised, that it survives a round trip, that nothing which it reads crashes it."""

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.known import FORMATS
from rerank_cli.formats.registry import open_format

TEXTS = ["a pond", "a kettle", "a kite"]
GOOD = {
    "native": {"id": "q", "query": "w", "candidates": [{"id": "d1", "text": "a pond"}, "a kettle", {"text": "a kite"}]},
    "rerank-api": {"model": "m", "query": "w", "documents": ["a pond", {"text": "a kettle"}, "a kite"], "top_n": 2},
    "voyage": {"query": "w", "documents": TEXTS, "top_k": 2, "return_documents": True},
    "mixedbread": {"query": "w", "input": TEXTS, "return_input": False},
    "tei": {"query": "w", "texts": TEXTS, "raw_scores": True},
    "openai-batch": {
        "custom_id": "c",
        "method": "POST",
        "url": "/v1/rerank",
        "body": {"query": "w", "documents": TEXTS},
    },
    "rank-llm": {
        "query": {"text": "w", "qid": 3},
        "candidates": [
            {"docid": f"d{n}", "score": 3.0 - n, "doc": {name: text}}
            for n, (name, text) in enumerate(zip(("contents", "segment", "text"), TEXTS, strict=True))
        ],
    },
    "flag-embedding": {"query": "w", "pos": TEXTS[:1], "neg": TEXTS[1:], "prompt": "p"},
    "sentence-transformers": {"anchor": "w", "positive": TEXTS[0], "negative": TEXTS[1:], "source": "s"},
    "tevatron-training": {
        "query_id": "q",
        "query": "w",
        "positive_passages": [{"docid": "d0", "title": "", "text": "a pond"}],
        "negative_passages": [{"docid": "d1", "text": "a kettle", "url": "u"}, {"docid": "d2", "text": "a kite"}],
    },
    "ms-marco": {
        "query_id": 7,
        "query": "w",
        "passages": {"is_selected": [0, 1, 0], "passage_text": TEXTS, "url": ["u", "v", "w"]},
        "answers": ["x"],
    },
    "labeled-list": {"question": "w", "docs": TEXTS, "labels": [2, 0, 1], "source": "s"},
    "langchain": {
        "query": "w",
        "documents": [{"id": f"d{n}", "page_content": text, "metadata": {"page": n}} for n, text in enumerate(TEXTS)],
    },
    "nvidia": {"model": "m", "query": {"text": "w"}, "passages": [{"text": text} for text in TEXTS]},
    "flashrank": {
        "query": "w",
        "passages": [{"id": n, "text": text, "meta": {}} for n, text in enumerate(TEXTS)],
    },
}
TEVATRON = [
    {"query_id": "q", "query": "w", "docid": f"d{n}", "title": "t", "text": text} for n, text in enumerate(TEXTS)
]
ENTRIES = Request | Failure | Blank


def entries(name, *bodies, write=None, **options):
    format = open_format(ReadConfig(format=name, **options), write or WriteConfig())
    return format, list(format.read(iter(lines_of(jsonl(*bodies)))))


def request(name, *bodies, write=None):
    format, found = entries(name, *bodies, write=write)
    assert len(found) == 1
    assert isinstance(found[0], Request), found
    return format, found[0]


def ranked(name, *bodies, write=None, **options):
    format, read = request(name, *bodies, write=write)
    logits = [-1.0, 2.0, 0.5][: len(read.texts)]
    return [json.loads(line) for line in format.write(read, rank(logits, **options)).splitlines()]


@pytest.mark.parametrize("name", [*GOOD, "tevatron"])
def test_a_format_is_known_by_its_first_record(name, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl(b"", *([GOOD[name]] if name in GOOD else TEVATRON)))
    assert open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),))).name == name


def test_every_format_of_the_table_is_tried_here():
    elsewhere = {"tevatron", "trec", "beir", "pairs", "csv", "tsv", "ms-marco-top1000"}  # several lines a record
    assert {*GOOD, *elsewhere} == set(FORMATS)


@pytest.mark.parametrize("first", [b"{", b"[]", b"x", b"{}", b'{"query": "w"}', b"\xff"])
def test_what_is_like_no_format_is_taken_for_native(first, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(first)
    assert open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),))).name == "native"


def test_fields_of_other_names_mean_native_records(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl({"query": "w", "documents": ["a"]}))
    read = ReadConfig(inputs=(str(path),), candidates_field="documents")
    format = open_format(read, WriteConfig(), Inputs((str(path),)))
    assert format.name == "native"
    assert [entry.texts for entry in format.read(Inputs((str(path),)).lines(1000))] == [("a",)]
    with pytest.raises(ConfigError, match=r"--text-field body: tei "):
        open_format(ReadConfig(format="tei", text_field="body"), WriteConfig())


def test_the_line_that_was_looked_at_is_read_again(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl(b"", GOOD["tei"], GOOD["tei"]))
    inputs = Inputs((str(path),))
    format = open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), inputs)
    assert [type(entry) for entry in format.read(inputs.lines(1000))] == [Blank, Request, Request]


@pytest.mark.parametrize(
    "content", [b"q1 Q0 d1 1 2.5 bm25\n", b"\n# by hand\nq1\tQ0\td1\t1\t2.5\n", b"q1 Q0 d1 1 2.5 bm25 and more\n"]
)
def test_a_run_without_its_texts_is_told_from_bad_json(tmp_path, content):
    path = tmp_path / "in"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"in: .*TREC"):
        open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),)))


@pytest.mark.parametrize("name", list(GOOD))
def test_all_texts_are_read_in_order(name):
    _, read = request(name, GOOD[name])
    assert (read.query, read.texts) == ("w", tuple(TEXTS))


@pytest.mark.parametrize("name", [name for name in GOOD if name != "native"])
def test_a_record_becomes_native_and_comes_back(name):
    format, read = request(name, GOOD[name])
    native = format.to_native(read)
    made = open_format(ReadConfig(format="native"), WriteConfig(format=name, model="m"))
    (entry,) = made.read(iter(lines_of(jsonl(native))))
    if name != "rerank-api":
        assert isinstance(entry, Request), entry
        back = json.loads(made.lines_of(entry))
        again, second = request(name, back)
        assert again.to_native(second) == native | ({"model": "m"} if name == "openai-batch" else {})


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(each, (*path, key))


def with_value(body, path, value):
    changed = copy.deepcopy(body)
    if not path:
        return value
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


WRONG = (..., None, 0, -1, 2.5, "", "x", True, [], {}, [[]], [{}], [None], {"text": 1})


@pytest.mark.parametrize("name", [*GOOD, "tevatron"])
def test_anything_in_any_place_gives_a_request_or_a_failure_that_says_where(name):
    body = GOOD.get(name, TEVATRON[0])
    tried = failures = 0
    for path in places(body):
        for value in WRONG:
            if value is ... and not path:
                continue
            format, found = entries(name, with_value(body, path, value))
            assert len(found) == 1
            tried += 1
            if isinstance(found[0], Failure):
                failures += 1
                assert found[0].path.startswith("$")
                assert found[0].reason
            else:
                count = len(found[0].texts)
                assert format.write(found[0], rank([float(n) for n in range(count)])).endswith(b"\n") or count == 0
                assert format.lines_of(found[0])
    assert tried > 50
    assert failures > 20


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    sorted(
                        {key for body in GOOD.values() for key in body}
                        | {"text", "doc", "docid", "qid", "url", "body", "page_content", "metadata"}
                    )
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_value_crashes_a_format(body):
    for name in [*GOOD, "tevatron"]:
        _, found = entries(name, body)
        assert [type(entry) for entry in found] in ([Request], [Failure])


# answers


def test_an_api_answers_with_as_many_results_as_were_asked_for():
    assert ranked("rerank-api", GOOD["rerank-api"], write=WriteConfig(model="m")) == [
        {
            "model": "m",
            "results": [
                {"index": 1, "relevance_score": pytest.approx(0.8808, abs=1e-4)},
                {"index": 2, "relevance_score": pytest.approx(0.6225, abs=1e-4)},
            ],
            "usage": {"total_tokens": 0},
        }
    ]


@pytest.mark.parametrize(
    ("name", "results", "document"),
    [
        ("rerank-api", "results", {"text": "a kettle"}),
        ("voyage", "data", "a kettle"),
        ("mixedbread", "data", "a kettle"),
    ],
)
def test_documents_are_returned_when_they_are_asked_for(name, results, document):
    field = {"mixedbread": "input"}.get(name, "document")
    flag = {"mixedbread": "return_input"}.get(name, "return_documents")
    bare = {key: value for key, value in GOOD[name].items() if key != flag}
    (answer,) = ranked(name, {**bare, flag: True})
    assert answer[results][0][field] == document
    (without,) = ranked(name, bare)
    assert field not in without[results][0]
    (unwanted,) = ranked(name, {**bare, flag: True}, write=WriteConfig(no_text=True))
    assert field not in unwanted[results][0]


def test_tei_answers_with_a_bare_list_of_logits_or_scores():
    assert [each["score"] for each in ranked("tei", GOOD["tei"])[0]] == [2.0, 0.5, -1.0]
    assert ranked("tei", {**GOOD["tei"], "raw_scores": False})[0][0]["score"] == pytest.approx(0.8808, abs=1e-4)


def test_scores_of_a_batch_come_in_the_order_of_their_documents():
    body = {"custom_id": "c", "url": "/v1/score", "body": {"text_1": "w", "text_2": TEXTS}}
    data = ranked("openai-batch", body)[0]["response"]["body"]["data"]
    assert [each["index"] for each in data] == [0, 1, 2]
    assert data[1]["score"] > data[2]["score"] > data[0]["score"]


@pytest.mark.parametrize("query", ["w", ["w"]])
def test_a_batch_may_score_one_query_and_one_text(query):
    _, read = request("openai-batch", {"custom_id": "c", "url": "/score", "body": {"queries": query, "documents": "a"}})
    assert (read.query, read.texts) == ("w", ("a",))


def test_rank_llm_gets_its_record_back_with_other_scores():
    (answer,) = ranked("rank-llm", GOOD["rank-llm"])
    assert [each["docid"] for each in answer["candidates"]] == ["d1", "d2", "d0"]
    assert answer["candidates"][0] == {**GOOD["rank-llm"]["candidates"][1], "score": pytest.approx(0.8808, abs=1e-4)}


@pytest.mark.parametrize("name", ["rank-llm", "langchain", "flashrank"])
def test_a_format_that_needs_its_texts_keeps_them(name):
    with pytest.raises(ConfigError, match="--no-text"):
        open_format(ReadConfig(format=name), WriteConfig(no_text=True))
    assert open_format(ReadConfig(format=name), WriteConfig(format="native", no_text=True))


def test_metadata_keep_what_they_say_and_get_a_relevance_score():
    (answer,) = ranked("langchain", GOOD["langchain"])
    first = answer["documents"][0]
    score = first["metadata"]["relevance_score"]
    assert first == {
        **GOOD["langchain"]["documents"][1],
        "metadata": {"page": 1, "relevance_score": score},
    }


def test_a_ranking_can_be_written_in_another_format():
    (answer,) = ranked("langchain", GOOD["langchain"], write=WriteConfig(format="native"), top_k=1)
    own = {"score": pytest.approx(0.8808, abs=1e-4), "logit": 2.0, "num_candidates": 3}
    assert answer["candidates"] == [{"index": 1, "id": "d1", "page": 1, "text": "a kettle", **own}]


def test_a_record_that_lacks_what_the_other_format_needs_is_a_failure():
    _, (failure,) = entries("native", GOOD["native"], write=WriteConfig(format="rank-llm"))
    assert (failure.reason, failure.path) == ('rank-llm needs an "id"', "$.candidates[1].id")


def test_folders_are_not_written():
    with pytest.raises(ConfigError, match="--output-format beir"):
        open_format(ReadConfig(format="native"), WriteConfig(format="beir"))


def test_records_with_fields_of_other_names_are_written_with_the_usual_ones_when_native_is_asked_for():
    read = ReadConfig(format="native", query_field="q.text", candidates_field="hits", text_field="body", id_field="n")
    format = open_format(read, WriteConfig(format="native"))
    body = {"n": 7, "q": {"text": "w"}, "hits": [{"body": "a pond", "page": 3}], "more": 1}
    (entry,) = format.read(iter(lines_of(jsonl(body))))
    assert json.loads(format.lines_of(entry)) == {
        "n": 7,
        "more": 1,
        "id": 7,
        "query": "w",
        "candidates": [{"page": 3, "text": "a pond"}],
    }


# several lines a record


def test_lines_that_follow_each_other_with_one_id_are_a_record():
    other = {**TEVATRON[0], "query_id": "other"}
    _, found = entries("tevatron", *TEVATRON, other, *TEVATRON[:2])
    assert [len(entry.texts) for entry in found] == [3, 1, 2]
    assert [entry.origin.line for entry in found] == [1, 4, 5]
    assert [entry.end.line for entry in found] == [3, 4, 6]


def test_what_stands_inside_a_record_is_handed_on_after_it_and_ends_where_that_ends():
    _, found = entries("tevatron", b"", b"{", TEVATRON[0], b"{", b"", TEVATRON[1], b"[]", b"")
    assert [type(entry) for entry in found] == [Blank, Failure, Request, Failure, Blank, Failure, Blank]
    ends = [entry.end.line for entry in found]
    assert ends == [1, 2, 6, 6, 6, 7, 8]
    assert [entry.origin.line for entry in found if isinstance(entry, Failure)] == [2, 4, 7]


def test_a_record_ends_after_a_thousand_bad_lines_so_that_memory_is_bounded():
    _, found = entries("tevatron", TEVATRON[0], *[b"{"] * 1000, TEVATRON[1])
    assert [type(entry) for entry in found] == [Request, *[Failure] * 1000, Request]


def test_a_record_of_more_bytes_than_a_line_may_have_is_a_failure_with_its_first_lines():
    size = len(json.dumps(TEVATRON[0]))
    _, found = entries("tevatron", *TEVATRON, {**TEVATRON[0], "query_id": "r"}, max_line_bytes=2 * size + 20)
    assert [type(entry) for entry in found] == [Failure, Request]
    assert found[0].raw.startswith(json.dumps(TEVATRON[0]).encode())
    assert "--max-line-bytes" in found[0].reason


def test_a_record_of_more_lines_than_candidates_are_allowed_is_a_failure():
    _, found = entries("tevatron", *TEVATRON, max_candidates=2)
    assert found[0].reason == "3 candidates, more than --max-candidates (2)"


def test_one_id_with_two_queries_is_a_failure():
    _, (failure,) = entries("tevatron", TEVATRON[0], {**TEVATRON[1], "query": "x"})
    assert failure.reason == "one query_id, two queries: 'w' and 'x'"


def test_pairs_are_written_best_first_with_our_fields():
    rows = ranked("tevatron", *TEVATRON, top_k=2)
    assert [row["docid"] for row in rows] == ["d1", "d2"]
    own = {"score": pytest.approx(0.8808, abs=1e-4), "logit": 2.0, "num_candidates": 3}
    assert rows[0] == {"index": 1, **TEVATRON[1], **own}
    assert "text" not in ranked("tevatron", *TEVATRON, write=WriteConfig(no_text=True))[0]


# what a review found


def test_teacher_scores_follow_their_texts_when_positives_are_put_first():
    body = {
        "query": "w",
        "candidates": [
            {"text": "no", "relevance": 0},
            {"text": "yes", "relevance": 1},
            {"text": "nor", "relevance": 0},
        ],
    }
    format, (read,) = entries("native", body, write=WriteConfig(format="flag-embedding"))
    assert read.texts == ("yes", "no", "nor")
    (answer,) = [json.loads(line) for line in format.write(read, rank([3.0, 1.0, 2.0])).splitlines()]
    assert answer == {"query": "w", "pos": ["yes"], "neg": ["no", "nor"], "pos_scores": [3.0], "neg_scores": [1.0, 2.0]}


RANK_LLM = {"docid": "RIGHT", "doc": {"id": "WRONG", "contents": "a"}}
LANGCHAIN = [{"id": "RIGHT", "page_content": "a", "metadata": {"id": "WRONG"}}]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("tevatron", {"query_id": "q", "query": "w", "docid": "RIGHT", "id": "WRONG", "text": "a"}),
        ("rank-llm", {"id": "WRONG", "query": {"text": "w", "qid": "q"}, "candidates": [RANK_LLM]}),
        ("langchain", {"id": "q", "query": "w", "documents": LANGCHAIN}),
        ("langchain", {"id": "q", "query": "w", "documents": [{"page_content": "a", "metadata": {"id": "RIGHT"}}]}),
    ],
)
def test_a_formats_own_id_wins(name, body):
    format, read = request(name, body)
    native = format.to_native(read)
    assert (native["id"], native["candidates"][0]["id"]) == ("q", "RIGHT")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in GOOD
        if name not in ("native", "tei", "openai-batch", "rank-llm", "tevatron-training", "ms-marco")
    ],
)
@pytest.mark.parametrize("wrong", [1.5, True, []])
def test_an_id_that_would_not_survive_is_a_failure(name, wrong):
    _, (failure,) = entries(name, {**GOOD[name], "id": wrong})
    assert isinstance(failure, Failure)
    assert failure.path == "$.id"


@pytest.mark.parametrize(
    ("source", "target"), [("voyage", "rerank-api"), ("rerank-api", "voyage"), ("rerank-api", "mixedbread")]
)
def test_how_many_results_are_asked_for_is_said_in_the_other_apis_words(source, target):
    top, results = {"voyage": "top_k", "rerank-api": "top_n"}[source], {"rerank-api": "results"}.get(target, "data")
    body = {"query": "w", "documents": TEXTS, top: 1, "return_documents": True}
    (answer,) = ranked(source, body, write=WriteConfig(format=target))
    assert len(answer[results]) == 1
    assert answer[results][0].get("document") or answer[results][0].get("input")


@pytest.mark.parametrize("wrong", ["1", -1, 1.5, True])
def test_a_count_that_is_none_is_a_failure_of_a_request_and_no_option_of_one_that_is_made(wrong):
    _, (failure,) = entries("rerank-api", GOOD["rerank-api"] | {"top_n": wrong}, write=WriteConfig(format="voyage"))
    assert isinstance(failure, Failure)
    assert failure.path == "$.top_n"
    format, (made,) = entries("native", GOOD["native"] | {"top_k": wrong}, write=WriteConfig(format="voyage"))
    assert "top_k" not in made.body
    assert any("top_k (1)" in note for note in format.notes)


def test_zero_asks_for_all_results_as_with_vllm():
    (answer,) = ranked("rerank-api", {**GOOD["rerank-api"], "top_n": 0})
    assert len(answer["results"]) == 3


def test_logits_are_not_passed_off_as_scores_of_an_api():
    with pytest.raises(ConfigError, match="--score logit"):
        open_format(ReadConfig(format="rerank-api"), WriteConfig(score="logit"))
    assert open_format(ReadConfig(format="rerank-api"), WriteConfig(score="logit", format="native"))


def test_batches_answer_with_documents_and_usage_as_vllm_does():
    answer = ranked("openai-batch", GOOD["openai-batch"])[0]["response"]["body"]
    assert answer["usage"] == {"total_tokens": 0}
    assert [each["document"] for each in answer["results"]] == [
        {"text": "a kettle"},
        {"text": "a kite"},
        {"text": "a pond"},
    ]


def test_fields_beside_the_text_are_kept_and_can_be_named_in_templates():
    read = ReadConfig(format="native", query_field="q.text", text_field="body.content")
    body = {"q": {"text": "w", "lang": "en"}, "candidates": [{"body": {"content": "X", "title": "T"}}]}
    format = open_format(read, WriteConfig(format="native"))
    (entry,) = format.read(iter(lines_of(jsonl(body))))
    assert json.loads(format.lines_of(entry)) == {
        "q": {"lang": "en"},
        "query": "w",
        "candidates": [{"body": {"title": "T"}, "text": "X"}],
    }
    templates = {"doc_template": "{body.title}: {body.content}", "query_template": "{q.lang}: {q.text}"}
    (entry,) = open_format(replace(read, **templates), WriteConfig()).read(iter(lines_of(jsonl(body))))
    assert (entry.query, entry.texts) == ("en: w", ("T: X",))


def test_the_first_record_that_tells_decides_about_the_format(tmp_path):
    path = tmp_path / "in"
    for lines, name in (
        ([b"garbage", GOOD["rerank-api"]], "rerank-api"),
        ([{"query": "w", "documents": []}, GOOD["langchain"]], "langchain"),
        ([{"query": "w", "documents": []}], "rerank-api"),
        ([b"{"] * 200 + [GOOD["tei"]], "native"),
    ):
        path.write_bytes(jsonl(*lines))
        inputs = Inputs((str(path),))
        format = open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), inputs)
        assert format.name == name
        assert len(list(format.read(inputs.lines(1000)))) == len(lines)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"question": "w", "docs": [{"page_content": "a"}]}, "native"),
        ({"query": "w", "documents": [{"content": "a"}], "labels": [1]}, "native"),
        ({"query": "w", "documents": [{"content": "a", "meta": {}}], "top_k": 1}, "native"),
        ({"query": "w", "texts": [{"body": "a"}]}, "native"),
        ({"query": "w", "input": [{"body": "a"}]}, "native"),
        ({"query": "w", "input": "a", "contexts": ["b"]}, "native"),
        ({"query": "w", "passages": [{"body": "a"}]}, "native"),
        ({"query": {"text": "w"}, "passages": [{"body": "a"}]}, "native"),
        ({"query": {"text": "w"}, "candidates": [{"text": "a"}]}, "native"),
        ({"question": "w", "answer": "a", "contexts": ["b"], "scores": [1]}, "native"),
        ({"question": "w", "docs": ["a"]}, "labeled-list"),
        ({"question": "w", "docs": [None]}, "labeled-list"),
        ({"query": "w", "documents": [{"text": "a"}]}, "rerank-api"),
        ({"query": "w", "documents": "a"}, "rerank-api"),
        ({"query": {"text": "w"}, "candidates": [{"doc": {"text": "a"}}]}, "rank-llm"),
    ],
    ids=str,
)
def test_items_of_another_type_are_another_format(record, name, tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl(record))
    assert open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),))).name == name


@pytest.mark.parametrize("name", [*GOOD, "tevatron"])
def test_what_can_be_read_can_be_written_in_any_format_however_deep(name):
    for depth in (240, 247, 248, 252, 253):
        deep = {"x": 1}
        for _ in range(depth - 3):
            deep = [deep]
        for target in ("same", "native", "langchain", "rank-llm", "openai-batch", "tevatron"):
            body = {**(GOOD.get(name) or TEVATRON[0]), "deep": deep, "return_documents": True}
            if name in ("native", "langchain", "flashrank"):
                place = next(key for key, value in body.items() if isinstance(value, list) and key != "deep")
                body[place] = [{**each, "deep": deep} if isinstance(each, dict) else each for each in body[place]]
            format, found = entries(name, body, write=WriteConfig(format=target))
            for entry in found:
                if isinstance(entry, Request):
                    assert format.write(entry, rank([0.5] * len(entry.texts)))
                    assert format.lines_of(entry)
