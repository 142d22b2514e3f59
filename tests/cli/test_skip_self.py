"""--skip-self: the document that has its query's id is left out, of runs that are reranked and of results."""

import json
from pathlib import Path

import pytest
from support.running import Finished, forked

RUN = "a Q0 a 1 9.0 x\na Q0 b 2 8.0 x\na Q0 c 3 7.0 x\nb Q0 c 1 5.0 x\nb Q0 b 2 4.0 x\nc Q0 a 1 1.0 x\n"
TEXTS = "a\tone\nb\ttwo\nc\tthree\n"
QRELS = "a 0 b 1\nb 0 c 1\nc 0 a 1\n"
OPTIONS = ("--run", "run", "--queries", "texts", "--corpus", "texts", "--engine", "fake")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("run", RUN), ("texts", TEXTS), ("qrels", QRELS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def pairs(done: Finished) -> set[tuple[str, str]]:
    return {tuple(line.split()[::2][:2]) for line in done.stdout.decode().splitlines()}


OTHERS = {("a", "b"), ("a", "c"), ("b", "c"), ("c", "a")}


def test_a_run_is_scored_without_the_query_itself(folder: Path) -> None:
    done = forked("score", *OPTIONS, "-o", "-", "--skip-self", cwd=folder)
    assert done.code == 0
    assert pairs(done) == OTHERS
    assert done.said.count("2 documents have the id of their query and were skipped (--skip-self)") == 1


def test_what_is_not_left_out_is_reported_where_most_queries_have_it(folder: Path) -> None:
    done = forked("score", *OPTIONS, "-o", "-", cwd=folder)
    assert pairs(done) == OTHERS | {("a", "a"), ("b", "b")}
    assert done.said.count("--skip-self skips them") == 1
    (folder / "run").write_text(RUN.replace("b Q0 b 2 4.0 x\n", ""))
    assert "--skip-self" not in forked("score", *OPTIONS, "-o", "-", cwd=folder).said


@pytest.mark.parametrize("command", ["check", "convert"])
def test_other_commands_leave_it_out_too(folder: Path, command: str) -> None:
    to = ("-o", "-", "--output-format", "trec") if command == "convert" else ()
    done = forked(command, *OPTIONS[:-2], *to, "--skip-self", cwd=folder)
    assert done.code == 0, done.said
    if command == "convert":
        assert pairs(done) == OTHERS
    else:
        assert b"candidates                  4" in done.stdout


def test_a_query_with_no_other_document_is_an_error_record(folder: Path) -> None:
    (folder / "run").write_text(RUN + "d Q0 d 1 1.0 x\n")
    (folder / "texts").write_text(TEXTS + "d\tfour\n")
    done = forked("score", *OPTIONS, "-o", "out.run", "--skip-self", "-q", cwd=folder)
    assert done.code == 3
    (error,) = map(json.loads, (folder / "out.run.errors.jsonl").read_text().splitlines())
    assert "'d'" in error["reason"]


def measured(done: Finished) -> dict[str, float]:
    assert done.code == 0, done.said
    return done.records[0][0]["measures"]


def test_results_are_measured_without_it_as_beir_does(folder: Path) -> None:
    evaluate = ("eval", "run", "--qrels", "qrels", "--measures", "RR@10", "--json")
    assert measured(forked(*evaluate, cwd=folder)) == {"RR@10": pytest.approx((1 / 2 + 1 + 1) / 3)}
    done = forked(*evaluate, "--skip-self", cwd=folder)
    assert measured(done) == {"RR@10": 1.0}
    assert done.records[0][0]["documents_left_out"] == 2
    shown = forked("eval", "run", "--qrels", "qrels", "--skip-self", "--before", "run", cwd=folder).stdout.decode()
    assert shown.count("2 documents") == 2


def test_records_are_measured_without_it_and_their_order_before(folder: Path) -> None:
    candidates = [{"index": place, "id": name, "text": "x", "logit": -place} for place, name in enumerate("abc")]
    (folder / "out").write_text(json.dumps({"id": "b", "query": "q", "candidates": candidates[::-1]}) + "\n")
    (folder / "qrels").write_text("b 0 c 1\n")
    evaluate = ("eval", "out", "--qrels", "qrels", "--measures", "RR@10", "--json", "--skip-self")
    (found,) = forked(*evaluate, cwd=folder).records[0]
    assert (found["measures"], found["before"]) == ({"RR@10": 1.0}, {"RR@10": 0.5})


def test_rankings_are_compared_without_it(folder: Path) -> None:
    (folder / "other").write_text(RUN.replace("a Q0 a 1 9.0", "a Q0 a 1 0.0"))
    done = forked("compare", "run", "other", "--skip-self", cwd=folder)
    assert b"RBO, p = 0.9          1.0000" in done.stdout
    assert done.stdout.count(b"2 documents have the id of their query and were skipped") == 2


def test_records_have_no_self(folder: Path) -> None:
    (folder / "in").write_text('{"query": "q", "candidates": ["x"]}\n')
    done = forked("score", "in", "-o", "-", "--engine", "fake", "--skip-self", cwd=folder)
    assert done.code == 2
    assert "--skip-self needs --run" in done.said


def test_a_run_stopped_without_it_is_not_continued_with_it(folder: Path) -> None:
    score = ("score", *OPTIONS, "-o", "out.run", "-q")
    assert forked(*score, cwd=folder).code == 0
    assert forked(*score, "--resume", cwd=folder).code == 0
    assert forked(*score, "--resume", "--skip-self", cwd=folder).code == 8
