"""`rerank eval` of records that --top-k, --min-score or a request cut: their order of input is not known."""

import json
from pathlib import Path

import pytest
from support.running import Finished, forked

# The fake engine's best three of these five candidates are at the positions 1, 0, 2: there is no gap in `index`.
TEXTS = ["b b", "c c c", "a", "", ""]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Two records of five candidates each."""
    made = [
        {"id": qid, "query": "w", "candidates": [{"id": f"{qid}{n}", "text": text} for n, text in enumerate(TEXTS)]}
        for qid in ("q", "r")
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in made))
    (tmp_path / "qrels").write_text("q 0 q0 1\nq 0 q4 1\nr 0 r1 1\n")
    return path


def measured(path: Path, *options: str) -> Finished:
    return forked("eval", path, "--qrels", path.parent / "qrels", "--measures", "RR", "--json", *options)


def ranked_by_hand(indices: list[int], **more: int) -> dict:
    """A record of the query q, as `score` writes it."""
    candidates = [
        {"index": index, "id": f"q{index}", "text": "x", "score": 0.5, "logit": -place, **more}
        for place, index in enumerate(indices)
    ]
    return {"id": "q", "query": "w", "candidates": candidates}


def test_best_candidates_that_were_the_first_of_the_input_have_no_order_before(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 0 q0 1\n")
    for more, why in (({}, None), ({"num_candidates": 13}, "1 of 1 queries lacks candidates of the input")):
        (tmp_path / "out").write_text(json.dumps(ranked_by_hand([1, 0, 2], **more)))
        assert measured(tmp_path / "out").records[0][0]["why_no_before"] == why


@pytest.mark.parametrize("format", ["native", "pairs", "tevatron"])
@pytest.mark.parametrize("option", [("--top-k", "3"), ("--min-score", "0.3")])
def test_each_query_of_a_cut_output_is_counted_as_cut(option: tuple[str, str], format: str, records: Path) -> None:
    out = records.with_name("out")
    done = forked("score", records, "-o", out, "--engine", "fake", "-q", *option, "--output-format", format)
    assert done.code == 0, done.said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    candidates = [each for row in rows for each in row.get("candidates", [row])]
    assert len(candidates) < 2 * len(TEXTS)
    assert {each["num_candidates"] for each in candidates} == {len(TEXTS)}
    assert measured(out).records[0][0]["why_no_before"] == "2 of 2 queries lack candidates of the input"


def test_a_record_whose_candidates_were_all_cut_says_how_many_there_were(records: Path) -> None:
    out = records.with_name("out")
    done = forked("score", records, "-o", out, "--engine", "fake", "-q", "--min-score", "1", "--limit", "1")
    assert done.code == 0, done.said
    assert json.loads(out.read_text()) == {"id": "q", "query": "w", "candidates": [], "num_candidates": 5}
    assert measured(out).records[0][0]["why_no_before"] == "1 of 1 queries lacks candidates of the input"


@pytest.mark.parametrize("format", ["native", "pairs", "tevatron", "rank-llm", "langchain", "flashrank"])
def test_no_conversion_of_a_cut_record_brings_its_order_of_input_back(format: str, tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 0 q0 1\n")
    (tmp_path / "cut").write_text(json.dumps(ranked_by_hand([1, 0, 2], num_candidates=13)))
    done = forked("convert", tmp_path / "cut", "-o", tmp_path / "out", "--output-format", format, "-q")
    assert done.code == 0, done.said
    assert measured(tmp_path / "out").records[0][0]["before"] is None


def test_output_without_a_cut_has_no_further_field_and_output_of_a_cut_can_be_ranked_again(records: Path) -> None:
    cut, again = records.with_name("cut"), records.with_name("again")
    assert forked("score", records, "-o", cut, "--engine", "fake", "-q", "--top-k", "3").code == 0
    assert forked("score", cut, "-o", again, "--engine", "fake", "-q").code == 0
    assert "num_candidates" in cut.read_text()
    assert "num_candidates" not in again.read_text()
    assert measured(again).records[0][0]["before"] is not None


def test_a_gap_shows_a_cut_too_and_then_the_count_is_the_least(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 0 q0 1\n")
    (tmp_path / "out").write_text(json.dumps(ranked_by_hand([4, 0])))
    assert measured(tmp_path / "out").records[0][0]["why_no_before"] == (
        "at least 1 of 1 queries lacks candidates of the input"
    )


def test_an_index_without_a_logit_is_a_field_of_the_user_and_no_order_of_input(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 0 q0 1\n")
    record = ranked_by_hand([1, 0, 2])
    for each in record["candidates"]:
        del each["logit"], each["score"]
    (tmp_path / "out").write_text(json.dumps(record))
    why = measured(tmp_path / "out").records[0][0]["why_no_before"]
    assert why == 'the candidates have an "index" and no "logit", so it may not be the order of the input'
