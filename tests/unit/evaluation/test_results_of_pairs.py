"""Results in labelled pairs without ids: queries and texts are identified by their content; scores rank the texts."""

import csv
import io

import pytest
from support.making import jsonl

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.results import read_results, texts_of

SCORED = [  # the relevant text "p" stands first and is not the best one
    {"query": "w", "text": "p", "label": 1, "score": 0.5, "logit": 1},
    {"query": "w", "text": "a", "label": 0, "score": 0.5, "logit": 2},
    {"query": "w", "text": "b", "label": 0, "score": 0.5, "logit": -1},
    {"query": "v", "text": "p", "label": 0, "score": 0.5, "logit": 3},
]
FORMATS = {"pairs": ".jsonl", "csv": ".csv", "tsv": ".tsv"}


def put(folder, name, rows):
    path = folder / f"in{FORMATS[name]}"
    if name == "pairs":
        path.write_bytes(jsonl(*rows))
        return str(path)
    made = io.StringIO()
    writer = csv.DictWriter(made, rows[0], delimiter="," if name == "csv" else "\t")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(made.getvalue())
    return str(path)


def without(rows, *names):
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


@pytest.mark.parametrize("name", FORMATS)
def test_scores_rank_labelled_pairs_without_ids_whatever_the_order_of_their_lines(name, tmp_path):
    found = read_results(put(tmp_path, name, SCORED))
    assert found.format == name
    assert {qid: ranked.docids for qid, ranked in found.queries.items()} == {"w": ("a", "p", "b"), "v": ("p",)}
    assert found.relevance == {"w": {"a": 0, "p": 1, "b": 0}, "v": {"p": 0}}
    assert not found.has_before
    assert found.scored
    assert texts_of(found, {"w": {"p"}})["w"] == ("w", {"p": "p"})


@pytest.mark.parametrize("name", FORMATS)
def test_pairs_of_one_score_are_not_ranked_by_the_order_of_their_labels(name, tmp_path):
    rows = [{**row, "logit": 1} for row in SCORED]
    assert read_results(put(tmp_path, name, rows)).queries["w"].docids == ("p", "b", "a")


@pytest.mark.parametrize("name", FORMATS)
def test_pairs_without_ids_and_scores_are_no_ranking(name, tmp_path):
    with pytest.raises(InputError) as fault:
        read_results(put(tmp_path, name, without(SCORED, "score", "logit")))
    assert "no scores" in fault.value.message
    assert "rerank score" in fault.value.advice


@pytest.mark.parametrize("name", FORMATS)
def test_ids_of_pairs_count_where_there_are_some(name, tmp_path):
    rows = [{"qid": "q1", **SCORED[0]}, {"qid": "q1", **SCORED[1]}]
    assert read_results(put(tmp_path, name, rows)).queries["q1"].docids == ("a", "p")
    rows = [{"docid": "d1", **SCORED[0]}, {"docid": "d2", **SCORED[1]}]
    assert read_results(put(tmp_path, name, rows)).queries["w"].docids == ("d2", "d1")


@pytest.mark.parametrize("name", FORMATS)
def test_pairs_need_ids_for_the_judgements_of_another_file(name, tmp_path):
    with pytest.raises(InputError, match="id"):
        read_results(put(tmp_path, name, SCORED), None, by_text=False)
    with pytest.raises(InputError, match="candidate 0"):
        read_results(put(tmp_path, name, [{"qid": "q1", **row} for row in SCORED[:3]]), None, by_text=False)


@pytest.mark.parametrize("name", FORMATS)
def test_pairs_with_neither_ids_nor_texts_are_refused(name, tmp_path):
    with pytest.raises(InputError, match="id"):
        read_results(put(tmp_path, name, without(SCORED, "text")), read=ReadConfig(format=name))


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_of_pairs_that_is_judged_twice_is_an_error(name, tmp_path):
    with pytest.raises(InputError, match="and 1"):
        read_results(put(tmp_path, name, [SCORED[0], {**SCORED[0], "label": 0}]))


def test_a_query_that_comes_again_further_down_counts_once_and_is_counted(tmp_path):
    found = read_results(put(tmp_path, "csv", [SCORED[0], SCORED[3], SCORED[1]]))
    assert {qid: each.docids for qid, each in found.queries.items()} == {"w": ("p",), "v": ("p",)}
    assert found.repeated == 1
