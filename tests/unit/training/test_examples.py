"""Judged records as examples: contradictions are found in every format, and reported with their place."""

import json
from pathlib import Path
from typing import Any

import pytest

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import InputError
from rerank_cli.training.config import Fields
from rerank_cli.training.examples import read_examples
from rerank_cli.training.held_out import read_held_out

GOOD = {"query": "good", "pos": ["yes"], "neg": ["no"]}


def native(qid: str | None, *candidates: tuple[str | None, str, Any]) -> dict[str, Any]:
    bodies = [{"id": name, "text": text, "relevance": grade} for name, text, grade in candidates]
    bodies = [{key: value for key, value in each.items() if value is not None} for each in bodies]
    return {**({} if qid is None else {"id": qid}), "query": "what", "candidates": bodies}


FINE = native("fine", ("a", "x", 1), ("b", "y", 0))


def read_in(path: Path, *records: dict[str, Any]) -> tuple[int, int, str]:
    """How many records are examples, how many are left out, and what is reported."""
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    told: list[str] = []
    found, skipped = read_examples(ReadConfig(inputs=(str(path),)), Fields(), told.append)
    return len(found), skipped, " ".join(told)


@pytest.mark.parametrize(
    ("records", "left", "reason"),
    [
        ([GOOD, {"query": "a", "pos": ["x", "y"], "neg": ["z", "y"]}], 1, "in.jsonl:2: the text 'y' is judged 1 and 0"),
        ([GOOD, GOOD], 0, ""),
        (
            [GOOD, {**GOOD, "pos": ["no"], "neg": ["other"]}],
            1,
            "is judged 1, and 0 in an earlier record of the same query",
        ),
        ([GOOD, {"query": "another", "pos": ["no"], "neg": ["yes"]}], 0, ""),
        ([native("1", ("8", "x", 1), ("8", "x", 0)), FINE], 1, "the document '8' is judged 1 and 0"),
        ([native("1", ("8", "x", 1), ("8", "x", 1))], 0, ""),
        ([native("1", ("8", "x", 2), ("9", "x", 0))], 0, ""),  # another document with the same text
        ([native(None, (None, "x", 1), (None, "x", 0)), FINE], 1, "the text 'x' is judged 1 and 0"),
        (
            [native("1", ("8", "x", 1)), native("1", ("8", "x", 0))],
            1,
            "in.jsonl:2: the document '8' is judged 0, and 1",
        ),
        ([native("1", ("8", "x", 1)), native("2", ("8", "x", 0))], 0, ""),
        ([native("1", ("8", "x", 1)), native("1", ("9", "y", 0)), native("1", ("8", "x", 0), ("9", "y", 0))], 1, ":3:"),
    ],
)
def test_a_record_that_contradicts_is_left_out_and_told(
    tmp_path: Path, records: list[dict[str, Any]], left: int, reason: str
) -> None:
    used, skipped, told = read_in(tmp_path / "in.jsonl", *records)
    assert (used, skipped) == (len(records) - left, left)
    assert reason in told


def test_nothing_but_contradictions_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="judged"):
        read_in(tmp_path / "in.jsonl", {"query": "a", "pos": ["y"], "neg": ["y"]})


@pytest.mark.parametrize(("value", "label"), [("1", 1.0), ("2.5", 2.5), (True, 1.0), (False, 0.0), (-2, -2.0)])
def test_a_judgement_may_be_a_string_or_true_or_false(tmp_path: Path, value: Any, label: float) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(native("1", ("a", "x", value), ("b", "y", 0))) + "\n")
    (example,), _ = read_examples(ReadConfig(inputs=(str(path),)), Fields(), print)
    assert example.relevance == (label, 0.0)


OWN_IDS = {"qid": "1", "query": "w", "candidates": [{"docid": "a", "text": "x"}, {"docid": "b", "text": "y"}]}


def test_judgements_of_a_file_are_found_by_ids_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(OWN_IDS) + "\n")
    read = ReadConfig(inputs=(str(path),), id_field="qid", candidate_id_field="docid")
    (example,), _ = read_examples(read, Fields(), print, {"1": {"b": 2, "c": 1}})
    assert (example.relevance, example.elsewhere) == ((0.0, 2.0), (1.0,))


@pytest.mark.parametrize(
    ("fields", "option"), [({}, "--id-field qid"), ({"id_field": "qid"}, "--candidate-id-field docid")]
)
def test_a_record_without_ids_is_not_taken_for_one_without_relevant_documents(
    tmp_path: Path, fields: dict[str, str], option: str
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(OWN_IDS) + "\n")
    told: list[str] = []
    with pytest.raises(InputError):
        read_examples(ReadConfig(inputs=(str(path),), **fields), Fields(), told.append, {"1": {"b": 2}})
    assert option in " ".join(told)


def test_held_out_grades_below_0_are_measured_as_not_relevant(tmp_path: Path) -> None:
    from rerank_cli.evaluation.measures import falling_scores, parse_measures, values_per_query

    path = tmp_path / "in.jsonl"
    records = [
        native("1", ("a", "x", 1), ("b", "y", 0)),
        native("2", ("a", "x", -2), ("b", "y", -2)),
        native("3", ("a", "x", -2), ("b", "y", 1)),
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    kept = read_held_out(ReadConfig(inputs=(str(path),)), Fields(), print, None)
    ranked = kept.results("now", [[1.0, 0.0]] * len(kept.queries)).queries
    runs = {qid: falling_scores(each.docids) for qid, each in ranked.items()}
    found = values_per_query(parse_measures("RR@10 nDCG@10"), kept.qrels, runs)
    assert list(found["RR@10"].values()) == [1.0, 0.5]


def test_a_judgement_and_a_teacher_may_stand_in_an_object_of_the_candidates(tmp_path: Path) -> None:
    bodies = [
        {"id": "a", "text": "x", "meta": {"grade": 1, "t": 2.5}},
        {"id": "b", "text": "y", "meta": {"grade": 0, "t": -1}},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"id": "q", "query": "what", "candidates": bodies}) + "\n")
    ((example,), skipped) = read_examples(
        ReadConfig(inputs=(str(path),)), Fields(relevance="meta.grade", teacher="meta.t"), print
    )
    assert (example.relevance, example.teacher, skipped) == ((1.0, 0.0), (2.5, -1.0), 0)
