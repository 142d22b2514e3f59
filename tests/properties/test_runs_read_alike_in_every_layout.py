"""A run, or judgements, written in any layout are read as the same rows; and a stopped run of any layout continues.

What writes them here is plain code of this file, not the package.
"""

import csv
import gzip
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.making import Clock, StoppingScorer

from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.errors import ExitStatus, Interrupted
from rerank_cli.core.stats import Stats
from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.results import read_results
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.run_survey import find_layout, rows_of_run, run_lines
from rerank_cli.jobs.score import Run

IDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=6)
SCORES = st.integers(-1000, 1000) | st.floats(-1e30, 1e30, allow_nan=False)
RUNS = st.dictionaries(
    IDS.filter(lambda name: name != "#"),
    st.dictionaries(IDS, SCORES, min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)
QRELS = st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-2, 4), min_size=1, max_size=6), min_size=1, max_size=5)


def rows_of(body):
    return [(qid, docid, score) for qid, scores in body.items() for docid, score in scores.items()]


def json_lines(body, names=("query-id", "corpus-id", "score")):
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows_of(body))


def table(body, separator="\t", header=("query-id", "corpus-id", "score"), *, quoted=False):
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_NONE
    writer = csv.writer(
        text, delimiter=separator, lineterminator="\n", quoting=quoting, quotechar='"' if quoted else None
    )
    writer.writerows([header, *rows_of(body)])
    return text.getvalue()


WRITERS = {
    "json": json.dumps,
    "pretty": lambda body: json.dumps(body, indent=1, ensure_ascii=False),
    "mteb": lambda body: json.dumps({"mteb_model_meta": {"model_name": "m"}, "default": {"test": body}}),
    "json-lines": json_lines,
    "other-names": lambda body: json_lines(body, ("qid", "pid", "score")),
    "table": table,
}
OF_RUNS = WRITERS | {
    "trec": lambda body: "".join(f"{qid} Q0 {docid} 0 {score!r} t\n" for qid, docid, score in rows_of(body)),
    "trec-tabs": lambda body: "".join(f"{qid}\tQ0\t{docid}\t0\t{score!r}\n" for qid, docid, score in rows_of(body)),
    "blanks": lambda body: table(body, " ", ("qid", "docno", "score")),
}
OF_QRELS = WRITERS | {
    "quoted": lambda body: table(body, quoted=True),
    "trec": lambda body: "".join(f"{qid} 0 {docid} {grade}\n" for qid, docid, grade in rows_of(body)),
    "float": lambda body: json_lines({q: {d: float(s) for d, s in each.items()} for q, each in body.items()}),
}
NAMED = {"columns": ("qid", "docid", "score")}


def put(folder, text, pack=bytes):
    path = folder / "file"
    path.write_bytes(pack(text.encode()))
    return str(path)


def all_rows(path, named=()):
    layout, lines = find_layout(run_lines(Inputs((path,), scores=True), 10**6), named)
    return [row[:3] for _, row in rows_of_run(layout, lines)]


@settings(max_examples=40, deadline=None)
@given(body=RUNS, pack=st.sampled_from([bytes, gzip.compress]))
def test_a_run_has_the_same_rows_in_every_layout(tmp_path_factory, body, pack):
    folder = tmp_path_factory.mktemp("run")
    expected = rows_of(body)
    for name, write in OF_RUNS.items():
        assert all_rows(put(folder, write(body), pack)) == expected, name
    plain = "".join(f"{qid}\t{docid}\t{score!r}\n" for qid, docid, score in expected)
    assert all_rows(put(folder, plain), ("qid", "docid", "score")) == expected
    ranks = {qid: {docid: place for place, docid in enumerate(scores, 1)} for qid, scores in body.items()}
    plain = "".join(f"{qid}\t{docid}\t{rank}\n" for qid, docid, rank in rows_of(ranks))
    assert all_rows(put(folder, plain)) == [(qid, docid, -rank) for qid, docid, rank in rows_of(ranks)]


@settings(max_examples=40, deadline=None)
@given(body=RUNS)
def test_an_evaluation_sees_the_same_ranking_in_every_layout(tmp_path_factory, body):
    folder = tmp_path_factory.mktemp("run")
    found = {name: read_results(put(folder, write(body))).queries for name, write in OF_RUNS.items()}
    assert all(each == found["trec"] for each in found.values()), found
    assert {qid: set(each.docids) for qid, each in found["trec"].items()} == {qid: set(body[qid]) for qid in body}


@settings(max_examples=40, deadline=None)
@given(body=QRELS)
def test_judgements_are_the_same_in_every_layout(tmp_path_factory, body):
    folder = tmp_path_factory.mktemp("qrels")
    comments = {qid for qid in body if qid == "#"}
    for name, write in OF_QRELS.items():
        expected = body if name not in ("trec", "table") else {q: body[q] for q in body if q not in comments}
        assert read_qrels(put(folder, write(body))) == expected, name


@settings(max_examples=20, deadline=None)
@given(body=RUNS)
def test_a_parquet_table_has_the_same_rows(tmp_path_factory, body):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = str(tmp_path_factory.mktemp("table") / "run.parquet")
    qids, docids, scores = zip(*rows_of(body), strict=True)
    parquet.write_table(pyarrow.table({"q_id": qids, "doc_id": docids, "score": list(map(float, scores))}), path)
    assert all_rows(path) == rows_of(body)


# resuming

RUN = {f"q{n}": {f"d{m}": n - m * 0.5 for m in range(n % 4 + 1)} for n in range(12)}
TEXTS = {
    "queries": "".join(f"q{n}\tquestion {n}\n" for n in range(12)),
    "corpus": "".join(f"d{n}\tword {n}\n" for n in range(5)),
}


def written(layout):
    if layout == "columns":
        return "".join(f"{qid}\t{docid}\t{score}\n" for qid, docid, score in rows_of(RUN))
    if layout == "ranks":
        return "".join(f"{qid}\t{docid}\t{int(docid[1:]) + 1}\n" for qid, docid, _ in rows_of(RUN))
    return OF_RUNS[layout](RUN)


def stop_and_continue(tmp_path, read):
    """The lines of an uninterrupted run, when one that was stopped three times gave the same."""

    def config(output, resume=False):
        return RunConfig(
            read=read,
            model=ModelConfig(model="fake:composition=1"),
            batch=BatchConfig(batch_tokens=20, window_tokens=20),
            files=FileConfig(output=str(output), resume=resume),
        )

    whole, stopped, told = tmp_path / "whole.run", tmp_path / "stopped.run", []
    assert Run.of(config(whole), told.append, Clock()).execute() is ExitStatus.OK
    for last in (3, 5, 2):
        made = config(stopped, True)
        with pytest.raises(Interrupted):
            Run(made, told.append, Stats(Clock()), StoppingScorer(made.model, last, preparing=False)).execute()
    assert Run.of(config(stopped, True), told.append, Clock()).execute() is ExitStatus.OK
    assert stopped.read_bytes() == whole.read_bytes()
    assert sum(sentence.startswith("continuing after ") for sentence in told) == 3
    return whole.read_text().splitlines()


def with_texts(folder, run, layout=""):
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return ReadConfig(
        inputs=(run,),
        run=run,
        run_columns=NAMED.get(layout, ()),
        queries=(str(folder / "queries"),),
        corpus=(str(folder / "corpus"),),
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("layout", ["json", "pretty", "mteb", "json-lines", "table", "columns", "ranks"])
def test_a_stopped_run_of_any_layout_continues_exactly(tmp_path, layout, pack):
    run = put(tmp_path, written(layout), pack)
    assert len(stop_and_continue(tmp_path, with_texts(tmp_path, run, layout))) == len(rows_of(RUN))


def test_a_stopped_run_of_a_parquet_table_continues_exactly(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = zip(("q_id", "doc_id", "score"), zip(*rows_of(RUN), strict=True), strict=True)
    parquet.write_table(pyarrow.table(dict(columns)), str(tmp_path / "run.parquet"), row_group_size=5)
    assert len(stop_and_continue(tmp_path, with_texts(tmp_path, str(tmp_path / "run.parquet")))) == len(rows_of(RUN))


def test_a_stopped_run_without_the_queries_themselves_continues_exactly(tmp_path):
    text = json.dumps({qid: {**scores, qid: 9.5} for qid, scores in RUN.items()})
    read = replace(with_texts(tmp_path, put(tmp_path, text)), skip_self=True)
    assert len(stop_and_continue(tmp_path, read)) == len(rows_of(RUN))


def test_a_stopped_run_of_top1000_continues_exactly(tmp_path):
    lines = (f'{qid}\t{docid}\tquestion {qid}\t"word {docid}\n' for qid, docid, _ in rows_of(RUN))
    read = ReadConfig(inputs=(put(tmp_path, "".join(lines)),))
    assert len(stop_and_continue(tmp_path, read)) == len(rows_of(RUN))
