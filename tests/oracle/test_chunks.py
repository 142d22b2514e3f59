"""Long documents in parts: the answer behind the cut is found, and a part scores as its text does alone."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.resolving import resolved_of
from support.running import ROOT, rerank
from transformers import AutoTokenizer

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.self_test import score_together
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder
from rerank_cli.models.tokens import PairTokenizer

LONG = ROOT / "sample_data" / "long.jsonl"
RECORDS = [json.loads(line) for line in LONG.read_text(encoding="utf-8").splitlines()]
ANSWERS = {"en": "a spoonful of white vinegar", "zh": "首付款凭证和收入证明", "ar": "أولان باتور"}
OPTIONS = ("--engine", "torch", "--max-length", "128", "--chunk-overlap", "32", "-q")


def ranked(*options: str, model: str = "mini") -> dict[str, dict]:
    done = rerank("score", LONG, "-o", "-", "--model", model, *OPTIONS, *options)
    assert done.code == 0, done.said
    return {record["lang"]: record for record in done.records}


def test_the_sample_has_its_answers_behind_the_cut_in_three_languages() -> None:
    assert {record["lang"] for record in RECORDS} == set(ANSWERS)


@pytest.mark.slow
def test_what_is_cut_off_is_missed_and_found_in_parts() -> None:
    cut, parts = ranked("--long-docs", "truncate"), ranked("--long-docs", "chunk")
    for record in RECORDS:
        lang = record["lang"]
        long = next(one for one in record["candidates"] if one["id"] == record["best"])
        missed = next(one for one in cut[lang]["candidates"] if one["id"] == record["best"])
        assert cut[lang]["candidates"][0]["id"] != record["best"], lang
        assert missed["truncated"], lang
        found = parts[lang]["candidates"][0]
        assert found["id"] == record["best"], lang
        start, end = found["chunk"]
        assert ANSWERS[lang] in long["text"][start:end], lang
        assert "truncated" not in found
        assert all("chunk" not in one for one in parts[lang]["candidates"][1:])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "near"), [("steady", 2e-5), ("mini", 1e-4)])
def test_a_document_in_parts_has_the_logit_of_its_best_part_alone(
    path_of: Callable[[str], str], model: str, near: float
) -> None:
    scorer = TorchCrossEncoder(ModelConfig(model=path_of(model), device="cpu", dtype="fp32", max_length=128))
    scorer.load()
    records = ranked("--long-docs", "chunk", model=path_of(model)).values()
    divided = [(record["query"], one) for record in records for one in record["candidates"] if "chunk" in one]
    assert len(divided) >= 2
    for query, one in divided:
        (alone,) = scorer.prepare([(query, one["text"][slice(*one["chunk"])])])
        assert not alone.truncated
        assert score_together(scorer, [alone])[0] == pytest.approx(one["logit"], abs=near)


SCRIPTS = [
    " ".join(record["candidates"][0]["text"] for record in RECORDS),
    "漢字だけの長い文章。" * 60,
    "กรุงเทพมหานครเป็นเมืองหลวง " * 40,
    "हिन्दी में एक लम्बा वाक्य। " * 40,
    "e\u0301a\u0308 fi ﬁ 🙂👩‍👩‍👧 ﷺ \u200b\u00ad" * 40,
    "  \n many   spaces \t and\u3000others  " * 40,
    "x" * 3000,
    "</s> <s> [SEP] text <pad> " * 40,
]


def seen(text: str) -> str:
    """What a tokenizer sees of a text: no white space, nothing of no width."""
    return "".join(text.split()).translate(dict.fromkeys(b"\xad")).replace("\u200b", "")


@pytest.mark.slow
def test_most_of_these_texts_are_divided(pair_tokenizer: Callable[..., PairTokenizer]) -> None:
    prepared = pair_tokenizer(64, 8).prepare([("query", text) for text in SCRIPTS])
    assert sum(len(pair.parts) > 2 for pair in prepared) >= 6


@pytest.mark.sampled(4)
@pytest.mark.parametrize("text", SCRIPTS, ids=range(len(SCRIPTS)))
@pytest.mark.parametrize("length", [24, 64, 100])
def test_parts_are_whole_texts_that_cover_the_document(
    pair_tokenizer: Callable[..., PairTokenizer], text: str, length: int
) -> None:
    tokens = pair_tokenizer(length, 8)
    (first,) = tokens.prepare([("query", text)])
    if first.span is None:  # words that a vocabulary does not know are one token each, however long
        assert not first.more
        assert not first.truncated
        return
    reached = 0
    for part in first.parts:
        start, end = part.span
        assert part.cost <= length
        assert start <= reached or not seen(text[reached:start])
        assert end > reached
        reached = end
        (alone,) = tokens.prepare([("query", text[start:end])])
        assert alone.payload == part.payload
        assert not alone.more
    assert not seen(text[reached:])
    assert not first.truncated


@pytest.fixture(scope="module", params=["mini", "xlm-r"])
def pair_tokenizer(request: pytest.FixtureRequest) -> Callable[..., PairTokenizer]:
    """A tokenizer that divides, overlapping by the tokens given."""
    if request.param == "mini":
        folder = ROOT / "rerank_cli" / "models" / "mini"
    else:
        folder = request.getfixturevalue("shared") / "models" / "xlmr-tokenizer"
    loaded = AutoTokenizer.from_pretrained(str(folder))
    return lambda length, overlap: PairTokenizer(resolved_of(loaded), length, 8, overlap)


def test_documents_that_fit_are_left_whole(path_of: Callable[[str], str]) -> None:
    config = ModelConfig(model=path_of("steady"), device="cpu")
    texts = [("q", one["text"]) for record in RECORDS for one in record["candidates"][1:]]
    whole = TorchCrossEncoder(config).prepare(texts)
    assert TorchCrossEncoder(replace(config, long_docs="chunk")).prepare(texts) == whole
