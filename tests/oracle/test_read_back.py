"""What we write, read by those who defined the format: their own classes and loaders, where they are installed.

`pip install cohere langchain-core beir` and `pip install --no-deps rank-llm` (its data module needs dacite, no JVM).
"""

import json
from pathlib import Path
from typing import Any

import pytest
from support.running import ROOT, rerank

FAKE = ("--engine", "fake", "--model", "fake:", "-q")
TEXTS = ["Herons fish in shallow water.", "A kettle is for boiling water.", "A kite."]


def scored(folder: Path, body: Any, *options: str) -> Any:
    (folder / "in.jsonl").write_text(json.dumps(body) + "\n")
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", *FAKE, *options, cwd=folder)
    assert done.code == 0, done.said
    return json.loads((folder / "out.jsonl").read_text())


@pytest.mark.parametrize("echo", [False, True])
def test_coheres_client_reads_our_answers(tmp_path: Path, echo: bool) -> None:
    cohere = pytest.importorskip("cohere", reason="cohere is not installed")
    body = {"model": "m", "query": "water", "documents": TEXTS, "top_n": 2, "return_documents": echo}
    answer = scored(tmp_path, body)
    for kind in (cohere.RerankResponse, cohere.V2RerankResponse):
        read = kind.model_validate(answer)
        assert [each.index for each in read.results] == [each["index"] for each in answer["results"]]
        assert len(read.results) == 2
        assert all(0 <= each.relevance_score <= 1 for each in read.results)
    documents = [each.document.text for each in cohere.RerankResponse.model_validate(answer).results if each.document]
    assert documents == ([TEXTS[each["index"]] for each in answer["results"]] if echo else [])


def test_langchain_makes_documents_of_ours(tmp_path: Path) -> None:
    documents = pytest.importorskip("langchain_core.documents", reason="langchain-core is not installed")
    before = [documents.Document(page_content=text, metadata={"page": n}) for n, text in enumerate(TEXTS)]
    answer = scored(tmp_path, {"query": "water", "documents": [each.model_dump() for each in before]})
    after = [documents.Document(**each) for each in answer["documents"]]
    scores = [each.metadata["relevance_score"] for each in after]
    assert scores == sorted(scores, reverse=True)
    assert sorted(each.page_content for each in after) == sorted(TEXTS)
    assert [TEXTS[each.metadata["page"]] for each in after] == [each.page_content for each in after]


def test_rank_llm_reads_and_writes_the_records_that_we_do(tmp_path: Path) -> None:
    pytest.importorskip("dacite", reason="dacite is not installed")
    data = pytest.importorskip("rank_llm.data", reason="rank-llm is not installed")
    candidates = [data.Candidate(docid=f"d{n}", score=1.0 - n, doc={"contents": text}) for n, text in enumerate(TEXTS)]
    request = data.Request(query=data.Query(text="water", qid="q1"), candidates=candidates)
    data.DataWriter(request).write_in_jsonl_format(str(tmp_path / "theirs.jsonl"))
    answer = scored(tmp_path, json.loads((tmp_path / "theirs.jsonl").read_text()))
    (read,) = data.read_requests_from_file(str(tmp_path / "out.jsonl"))
    assert (read.query.text, read.query.qid) == ("water", "q1")
    assert [each.docid for each in read.candidates] == [each["docid"] for each in answer["candidates"]]
    assert [each.score for each in read.candidates] == sorted((each.score for each in read.candidates), reverse=True)


def test_beir_reads_our_sample_and_finds_the_measures_of_our_run(tmp_path: Path) -> None:
    loader = pytest.importorskip("beir.datasets.data_loader", reason="beir is not installed")
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval is not installed")
    folder = ROOT / "sample_data" / "collection"
    corpus, queries, qrels = loader.GenericDataLoader(str(folder)).load(split="test")
    done = rerank("score", folder, "--run", folder / "first-stage.run", "-o", "out.run", *FAKE, cwd=tmp_path)
    assert done.code == 0, done.said
    run: dict[str, dict[str, float]] = {}
    for line in (tmp_path / "out.run").read_text().splitlines():
        qid, _, docid, _, score, _ = line.split()
        assert docid in corpus
        run.setdefault(qid, {})[docid] = float(score)
    assert set(run) == set(queries)
    ours = {qid: {docid: -float(place) for place, docid in enumerate(ranked)} for qid, ranked in run.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recip_rank"})
    assert evaluator.evaluate(run) == evaluator.evaluate(ours)
