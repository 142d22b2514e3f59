"""`--digits` and `--tag`: how scores are written in every format, and what a run says made it."""

import csv
import json
from pathlib import Path

import pytest
from support.running import Finished, forked

FAKE = ("-o", "-", "--engine", "fake", "-q")
RECORD = {
    "id": "q1",
    "query": "capital of France",
    "candidates": [{"id": "a", "text": "Lyon is a city."}, {"id": "b", "text": "Paris is the capital of France."}],
}
TEI = {"query": "capital of France", "texts": ["Lyon is a city.", "Paris is the capital of France."]}


def scored(*options: str | Path, record: object = RECORD) -> Finished:
    done = forked("score", "-", *FAKE, *options, stdin=json.dumps(record).encode())
    assert done.code == 0, done.said
    return done


def test_logits_and_scores_have_the_same_digits_in_every_format() -> None:
    [native] = scored().records
    logits = [each["logit"] for each in native["candidates"]]
    scores = [each["score"] for each in native["candidates"]]
    assert logits == [6.9139004, 4.7123017]
    assert scores == [0.999007113058, 0.99109592008]
    rows = list(csv.DictReader(scored("--output-format", "csv").stdout.decode().splitlines()))
    assert [(row["score"], row["logit"]) for row in rows] == [
        (repr(score), repr(logit)) for score, logit in zip(scores, logits, strict=True)
    ]
    [answer] = scored("--output-format", "rerank-api").records
    assert [each["relevance_score"] for each in answer["results"]] == scores
    [raw] = scored(record=TEI | {"raw_scores": True}).records
    assert [each["score"] for each in raw] == logits
    run = scored("--output-format", "trec").stdout.decode().splitlines()
    assert [line.split()[4] for line in run] == list(map(repr, logits))


@pytest.mark.parametrize(
    ("options", "score", "logit"),
    [((), "0.999007", "6.91"), (("--score", "logit"), "6.91", "6.91")],
)
def test_digits_are_those_of_scores_and_logits(options: tuple[str, ...], score: str, logit: str) -> None:
    best = f'"score":{score},"logit":{logit}}}'
    assert best.encode() in scored("--digits", "3", *options).stdout
    assert f"{score},{logit},1".encode() in scored("--digits", "3", *options, "--output-format", "csv").stdout
    assert f"q1 Q0 b 1 {logit} rerank".encode() in scored("--digits", "3", "--output-format", "trec").stdout


def test_a_run_falls_strictly_where_digits_make_logits_equal() -> None:
    many = {**RECORD, "candidates": [{"id": str(number), "text": str(number)} for number in range(40)]}
    run = scored("--digits", "1", "--output-format", "trec", record=many)
    values = [float(line.split()[4]) for line in run.stdout.decode().splitlines()]
    assert values == sorted(set(values), reverse=True)


def test_digits_are_part_of_what_makes_two_runs_the_same(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(RECORD))
    run = ("score", source, "-o", out, "--engine", "fake", "-q", "--resume")
    assert forked(*run).code == 0
    assert forked(*run).code == 0
    assert forked(*run, "--digits", "4").code == 8


@pytest.mark.parametrize("digits", ["0", "18", "x"])
def test_digits_of_no_number_are_refused(digits: str) -> None:
    assert forked("score", "-", *FAKE, "--digits", digits).code == 2


def test_a_tag_is_the_last_column_of_a_run() -> None:
    lines = scored("--output-format", "trec", "--tag", "mini-v2").stdout.decode().splitlines()
    assert [line.split()[5] for line in lines] == ["mini-v2"] * 2
    ranked = json.dumps(scored().records[0]).encode()
    convert = ("convert", "-", "-o", "-", "-q", "--output-format", "trec")
    assert forked(*convert, "--tag", "mini-v2", stdin=ranked).stdout.decode().splitlines() == lines


def test_a_converted_ranking_has_the_scores_of_the_run_that_score_writes() -> None:
    ranked = json.dumps(scored().records[0]).encode()
    done = forked("convert", "-", "-o", "-", "-q", "--output-format", "trec", stdin=ranked)
    assert done.stdout == scored("--output-format", "trec").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tag", "a b", "--output-format", "trec"), "a column of a run has no blanks in it"),
        (("--tag", "a\tb", "--output-format", "trec"), "a column of a run has no blanks in it"),
        (("--tag", "mini"), "native records have no tag"),
        (("--tag", "mini", "--output-format", "csv"), "csv records have no tag"),
    ],
)
def test_a_tag_that_no_run_can_hold_is_refused(options: tuple[str, ...], message: str) -> None:
    done = forked("score", "-", *FAKE, *options, stdin=json.dumps(RECORD).encode())
    assert (done.code, message in done.said) == (2, True), done.said
