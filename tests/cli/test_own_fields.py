"""Records with fields of other names, from `score` to `eval` and `compare`: the shapes of other tools."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.running import forked

FAKE = ("--engine", "fake", "-q")
TEXTS = {"d1": "Herons fish in shallow water.", "d2": "A kettle is for boiling water.", "d3": "A kite."}
QRELS = "1 0 d1 1\n2 0 d3 2\n2 0 d1 1\n"


def elastic(qid: str, query: str) -> dict[str, Any]:
    hits = [{"_index": "i", "_id": name, "_score": 1.0, "_source": {"text": text}} for name, text in TEXTS.items()]
    return {"id": qid, "query": query, "hits": {"hits": hits}}


def rank_gpt(qid: str, query: str) -> dict[str, Any]:
    hits = [{"content": text, "qid": qid, "docid": name, "score": 1.0} for name, text in TEXTS.items()]
    return {"query": query, "hits": hits}


def dpr(qid: str, query: str) -> dict[str, Any]:
    ctxs = [{"passage_id": name, "title": "", "text": text, "score": "82.1"} for name, text in TEXTS.items()]
    return {"q_id": qid, "question": query, "answers": ["kettle"], "ctxs": ctxs}


SHAPES = {
    "elasticsearch": (elastic, "--candidates-field hits.hits --text-field _source.text --candidate-id-field _id"),
    "rank-gpt": (
        rank_gpt,
        "--candidates-field hits --text-field content --candidate-id-field docid --id-field hits.0.qid",
    ),
    "dpr": (dpr, "--query-field question --candidates-field ctxs --candidate-id-field passage_id --id-field q_id"),
}


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The options for records in `in.jsonl`, in the test's folder, which also has judgements."""
    make, options = SHAPES[request.param]
    lines = [json.dumps(make(qid, query)) + "\n" for qid, query in (("1", "what boils water"), ("2", "what flies"))]
    (tmp_path / "in.jsonl").write_text("".join(lines))
    (tmp_path / "qrels").write_text(QRELS)
    return options.split()


def measured(folder: Path, name: str, *options: str) -> Any:
    done = forked("eval", name, "--qrels", "qrels", "--json", *options, cwd=folder)
    assert done.code == 0, done.said
    return done.records[0][0]["measures"]


def test_what_score_wrote_is_what_eval_reads(shape: list[str], tmp_path: Path) -> None:
    ways = {
        "own": [],
        "bare": ["--no-text"],
        "run": ["--output-format", "trec"],
        "usual": ["--output-format", "native"],
    }
    for name, more in ways.items():
        done = forked("score", "in.jsonl", "-o", name, *shape, *more, *FAKE, cwd=tmp_path)
        assert done.code == 0, done.said
    of_run = measured(tmp_path, "run")
    assert of_run["RR@10"] < 1
    assert measured(tmp_path, "own", *shape) == measured(tmp_path, "bare", *shape) == of_run
    assert measured(tmp_path, "usual") == of_run
    first_stage = measured(tmp_path, "in.jsonl", *shape)
    done = forked("eval", "run", "--before", "in.jsonl", "--qrels", "qrels", "--json", *shape, cwd=tmp_path)
    assert done.records[0][0]["before"] == first_stage
    done = forked("compare", "own", "run", "--json", *shape, cwd=tmp_path)
    assert done.code == 0, done.said
    assert (done.records[0][0]["rbo"], done.records[0][0]["tau"]) == (1.0, 1.0)


def test_a_page_shows_the_texts_of_such_results(shape: list[str], tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="jinja2 is not installed")
    assert forked("score", "in.jsonl", "-o", "own", *shape, *FAKE, cwd=tmp_path).code == 0
    done = forked("eval", "own", "--qrels", "qrels", "--html", "page.html", *shape, cwd=tmp_path)
    assert done.code == 0, done.said
    page = (tmp_path / "page.html").read_text()
    assert all(text in page for text in TEXTS.values())
    assert "what boils water" in page
