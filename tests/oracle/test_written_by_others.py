"""Runs and judgements as the libraries of others write them: `tests/recipes/written_by_others/write.py` made them."""

import sys
from pathlib import Path

import pytest
from support.running import ROOT, forked

from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.results import read_results

sys.path.insert(0, str(ROOT / "tests/recipes/written_by_others"))
from said import QRELS, RUN

GOLDENS = Path(__file__).with_name("written_by_others")
RUNS = sorted(path.name for path in GOLDENS.glob("*") if ".run." in path.name or path.name.startswith("mteb"))
JUDGED = sorted(path.name for path in GOLDENS.glob("*.qrels.*"))


def test_there_are_files_of_each() -> None:
    assert (len(RUNS), len(JUDGED)) == (9, 7)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_read_as_it_was_meant(name: str) -> None:
    found = read_results(str(GOLDENS / name)).queries
    scores = {qid: dict(zip(each.docids, each.scores, strict=True)) for qid, each in found.items()}
    assert scores == {qid: pytest.approx(each, rel=1e-6) for qid, each in RUN.items()}
    assert all(list(each) == sorted(each, key=each.get, reverse=True) for each in scores.values())


@pytest.mark.parametrize("name", JUDGED)
def test_judgements_are_read_as_they_were_meant(name: str) -> None:
    assert read_qrels(str(GOLDENS / name)) == QRELS


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_reranked_whoever_wrote_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("".join(f"{qid}\tquery {qid}\n" for qid in RUN))
    documents = {docid for each in RUN.values() for docid in each}
    (tmp_path / "corpus.tsv").write_text("".join(f"{docid}\ttext {docid}\n" for docid in sorted(documents)))
    texts = ("--queries", "queries.tsv", "--corpus", "corpus.tsv")
    done = forked("score", "--run", GOLDENS / name, *texts, "-o", "-", "--engine", "fake", "-q", cwd=tmp_path)
    assert done.code == 0, done.said
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert {(row[0], row[2]) for row in rows} == {(qid, docid) for qid, each in RUN.items() for docid in each}
