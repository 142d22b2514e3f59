"""Requests to /v1/score with a query for each text: pairs, as vLLM scores them. They have no native record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.making import fake, fake_logit, jsonl, lines_of, written_logit, written_score

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.records import Failure, Mark, Request
from rerank_cli.core.stats import Stats
from rerank_cli.evaluation.results import read_results
from rerank_cli.formats.registry import open_format
from rerank_cli.formats.texts import MAX_TEXT
from rerank_cli.reranking.reranker import WindowReranker
from rerank_cli.reranking.windows import SLICE_PAIRS
from rerank_cli.training.config import Fields
from rerank_cli.training.examples import read_examples

NAMES = [("queries", "documents"), ("queries", "items"), ("text_1", "text_2"), ("data_1", "data_2")]
WORDS = st.sampled_from(["tea", "kettle", "a kite", "", "heron heron"])


def line(queries, texts, names=NAMES[0], url="/v1/score", **more):
    body = {"model": "m", names[0]: queries, names[1]: texts, **more}
    return {"custom_id": "c", "method": "POST", "url": url, "body": body}


def opened(*records, target="same", **options):
    format = open_format(ReadConfig(format="openai-batch", **options), WriteConfig(format=target, model="m"))
    return format, list(format.read(iter(lines_of(jsonl(*records)))))


def answers(*records, **write):
    """The scores of each request, as a run with the fake engine writes them, with their indices."""
    format, entries = opened(*records)
    reranker = WindowReranker(
        scorer=fake(),
        limits=WindowLimits(100, 4096),
        budget=Budget(64),
        write=WriteConfig(**write),
        progress=Stats(lambda: 0.0),
        report=print,
    )
    results = [result for window in reranker.windows(iter(entries), Mark()) for result in window.results]
    data = [json.loads(format.write(*result))["response"]["body"]["data"] for result in results]
    return [[(each["index"], each["score"]) for each in scores] for scores in data]


PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6)


@given(st.lists(PAIRS, min_size=1, max_size=4), st.sampled_from(NAMES))
def test_each_text_is_scored_with_its_own_query_and_answered_at_its_place(requests, names):
    records = [line([query for query, _ in pairs], [text for _, text in pairs], names) for pairs in requests]
    expected = [list(enumerate(written_score(fake_logit(query, text)) for query, text in pairs)) for pairs in requests]
    assert answers(*records) == expected


def test_pairs_of_different_queries_are_not_ranked_against_each_other():
    pairs = line(["tea", "kite", "tea"], ["a", "b", "c"])
    assert [index for index, _ in answers(pairs, top_k=1)[0]] == [0, 1, 2]
    assert [index for index, _ in answers(pairs, min_score=0.999999)[0]] == [0, 1, 2]


def test_a_request_of_more_pairs_than_a_slice_is_scored_alike():
    count = SLICE_PAIRS + 7
    pairs = [(f"q{number % 5}", f"t{number % 11}") for number in range(count)]
    (scores,) = answers(line([query for query, _ in pairs], [text for _, text in pairs]))
    assert scores == [(place, written_score(fake_logit(*pair))) for place, pair in enumerate(pairs)]


def test_raw_scores_of_pairs_are_logits():
    (scores,) = answers(line(["tea", "kite"], ["a", "b"], raw_scores=True))
    assert scores == [(0, written_logit(fake_logit("tea", "a"))), (1, written_logit(fake_logit("kite", "b")))]


@pytest.mark.parametrize(
    ("queries", "texts", "pairs"),
    [
        ("tea", "a", [("tea", "a")]),
        (["tea"], ["a", "b"], [("tea", "a"), ("tea", "b")]),
        ("tea", ["a", "b"], [("tea", "a"), ("tea", "b")]),
        (["tea", "kite"], ["a", "b"], [("tea", "a"), ("kite", "b")]),
        (["tea", "tea"], ["a", "b"], [("tea", "a"), ("tea", "b")]),
    ],
)
@pytest.mark.parametrize("names", NAMES)
def test_lists_and_single_texts_are_paired_as_vllm_does(queries, texts, pairs, names):
    _, (entry,) = opened(line(queries, texts, names))
    assert entry.pairs() == pairs
    by_query = [(query, text) for query, texts in entry.by_query for text in texts]
    assert by_query == pairs


@pytest.mark.parametrize(
    ("queries", "texts", "path", "said"),
    [
        (["a", "b"], ["x", "y", "z"], "$.body.text_1", "2 queries and 3 texts"),
        (["a", "b", "c"], ["x"], "$.body.text_1", "3 queries and 1 text;"),
        (["a", "b"], "x", "$.body.text_1", "2 queries and 1 text;"),
        (["a", "b"], [], "$.body.text_1", "2 queries and 0 texts"),
        ([], ["x"], "$.body.text_1", "empty"),
        ([], [], "$.body.text_1", "empty"),
        (["a", 1], ["x", "y"], "$.body.text_1[1]", "a number"),
        (["a", "b"], ["x", None], "$.body.text_2[1]", "null"),
        ({"content": []}, ["x"], "$.body.text_1", "an object"),
        (["a", "b"], {"content": []}, "$.body.text_2", "an object"),
    ],
)
def test_lists_that_do_not_go_together_are_refused_with_both_counts(queries, texts, path, said):
    _, (failure,) = opened(line(queries, texts, ("text_1", "text_2")))
    assert isinstance(failure, Failure)
    assert failure.path == path
    assert said in failure.reason


def test_lists_of_queries_are_pairs_at_the_score_endpoint_alone():
    record = line(["a", "b"], ["x", "y"], ("query", "documents"), url="/v1/rerank")
    _, (failure,) = opened(record)
    assert failure.path == "$.body.query"


@pytest.mark.parametrize("target", ["native", "rerank-api", "tevatron", "trec", "nvidia", "langchain"])
def test_pairs_do_not_become_a_record_of_one_query(target):
    _, (failure,) = opened(line(["a", "b"], ["x", "y"]), target=target)
    assert isinstance(failure, Failure)
    assert failure.path == "$.body.queries"
    assert "2 queries" in failure.reason


def test_pairs_are_read_and_written_as_they_are_where_no_other_format_is_asked_for():
    record = line(["a", "b"], ["x", "y"])
    for target in ("same", "openai-batch"):
        format, (entry,) = opened(record, target=target)
        assert json.loads(format.lines_of(entry)) == record


def test_pairs_are_no_results_and_no_examples(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(line(["a", "b"], ["x", "y"])))
    with pytest.raises(InputError) as fault:
        read_results(str(path))
    assert ":1" in str(fault.value)
    assert "$.body.queries" in str(fault.value)
    told = []
    with pytest.raises(InputError):
        read_examples(ReadConfig(inputs=(str(path),)), Fields(), told.append)
    assert "$.body.queries" in " ".join(told)


def test_templates_see_the_query_of_each_pair():
    templates = {"query_template": "{lang}: {query}", "doc_template": "{text} ({query})"}
    _, (entry,) = opened(line(["a", "b"], ["x", "y"], lang="en"), **templates)
    assert entry.pairs() == [("en: a", "x (a)"), ("en: b", "y (b)")]
    assert entry.fields == ((0, 1), (0, 1))


def test_limits_count_pairs_and_name_the_place_of_a_text_that_is_too_long():
    _, (failure,) = opened(line(["a", "b"], ["x", "y"]), max_candidates=1)
    assert isinstance(failure, Failure)
    assert "2 candidates" in failure.reason
    _, (failure,) = opened(line(["a", "b"], ["x", "y" * (MAX_TEXT + 1)]))
    assert failure.path == "$.body.documents[1]"


def test_a_request_of_one_query_has_no_queries_of_its_own():
    _, (entry,) = opened(line("tea", ["a", "b"]))
    assert isinstance(entry, Request)
    assert (entry.query, entry.queries, entry.by_query) == ("tea", (), [("tea", ("a", "b"))])
