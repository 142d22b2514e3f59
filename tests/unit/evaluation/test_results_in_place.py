"""Results in formats whose texts keep their places: only scores rank them, whatever the order of the texts says."""

import pytest
from support.making import jsonl

from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.results import read_results, texts_of

SCORED = {  # the relevant text "p" is not the best one
    "flag-embedding": {"query": "w", "pos": ["p"], "neg": ["a", "b"], "pos_scores": [1], "neg_scores": [2, -1]},
    "sentence-transformers": {"anchor": "w", "positive": "p", "negative": ["a", "b"], "scores": [1, 2, -1]},
    "labeled-list": {"query": "w", "docs": ["p", "a", "b"], "labels": [1, 0, 0], "scores": [1, 2, -1]},
    "tevatron-training": {
        "query": "w",
        "positive_passages": [{"text": "p", "logit": 1}],
        "negative_passages": [{"text": "a", "logit": 2}, {"text": "b", "logit": -1}],
    },
    "ms-marco": {
        "query": "w",
        "passages": {"passage_text": ["p", "a", "b"], "is_selected": [1, 0, 0], "logit": [1, 2, -1]},
    },
}
UNSCORED = {
    "flag-embedding": {"query": "w", "pos": ["p"], "neg": ["a", "b"]},
    "sentence-transformers": {"query": "w", "positive": ["p"], "negative": ["a", "b"]},
    "labeled-list": {"query": "w", "docs": ["p", "a", "b"], "labels": [1, 0, 0]},
    "tevatron-training": {"query": "w", "positive_passages": [{"text": "p"}], "negative_passages": [{"text": "a"}]},
    "ms-marco": {"query": "w", "passages": [{"passage_text": "p", "is_selected": 1}]},
}


def put(folder, *records):
    path = folder / "in.jsonl"
    path.write_bytes(jsonl(*records))
    return str(path)


@pytest.mark.parametrize("name", SCORED)
def test_scores_rank_the_texts_and_not_the_side_on_which_they_stand(name, tmp_path):
    path = put(tmp_path, b"", SCORED[name])
    found = read_results(path)
    assert found.format == name
    assert found.queries["line 2"].docids == ("a", "p", "b")
    assert found.queries["line 2"].before is None
    assert found.relevance == {"line 2": {"a": 0, "p": 1, "b": 0}}
    assert found.scored
    assert texts_of(found, {"line 2": {"p"}})["line 2"].documents == {"p": "p"}


@pytest.mark.parametrize("name", UNSCORED)
def test_texts_without_scores_are_no_ranking(name, tmp_path):
    with pytest.raises(InputError) as fault:
        read_results(put(tmp_path, UNSCORED[name]))
    assert (":1: no scores" in fault.value.message, name in fault.value.message) == (True, True)
    assert "rerank score" in fault.value.advice


@pytest.mark.parametrize(
    ("ids", "order"), [({}, ("x", "p", "a")), ({"positive_ids": [1], "negative_ids": ["9", "0"]}, ("9", "1", "0"))]
)
def test_a_model_that_gives_one_score_to_all_is_not_perfect(ids, order, tmp_path):
    record = {"query": "w", "positive": ["p"], "negative": ["x", "a"], "scores": [0.5, 0.5, 0.5], **ids}
    assert read_results(put(tmp_path, record)).queries["line 1"].docids == order


def test_ids_count_where_there_are_some(tmp_path):
    record = SCORED["flag-embedding"] | {"id": "q7", "pos_ids": ["d1"], "neg_ids": ["d2", None]}
    found = read_results(put(tmp_path, record))
    assert found.queries["q7"].docids == ("d2", "d1", "b")


def test_a_query_that_comes_again_in_another_record_is_a_ranking_of_its_own(tmp_path):
    found = read_results(put(tmp_path, *[SCORED["sentence-transformers"]] * 2))
    assert list(found.queries) == ["line 1", "line 2"]


def test_a_text_that_is_judged_twice_is_an_error(tmp_path):
    record = {"query": "w", "positive": "a", "negative": "a", "scores": [1, 2]}
    with pytest.raises(InputError) as fault:
        read_results(put(tmp_path, record))
    assert ":1:" in fault.value.message


def test_scores_of_some_texts_alone_rank_nothing(tmp_path):
    record = {"query": "w", "positive_passages": [{"text": "p", "score": 1}], "negative_passages": [{"text": "a"}]}
    with pytest.raises(InputError) as fault:
        read_results(put(tmp_path, record))
    assert "[1].score" in fault.value.message
