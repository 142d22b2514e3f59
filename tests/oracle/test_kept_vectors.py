"""Vectors of documents that are kept across runs: the same bits from memory, from disk and newly computed."""

import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.late_models import LATE_MODELS, write_body
from support.making import jsonl
from support.running import killed_and_resumed, rerank
from support.tiny import WORDS

from rerank_cli.bench.worker import Ours
from rerank_cli.core.config import FileConfig, ModelConfig
from rerank_cli.core.scorer import Batch
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.rows import Row
from rerank_cli.files.number_files import files_in
from rerank_cli.files.vector_store import VectorStore
from rerank_cli.jobs.stores import Stores
from rerank_cli.jobs.vector_shelf import VectorShelf

CHANCE = random.Random(7)
WITH_MARKS = [*WORDS[5:], ".", ",", "!"]
TEXTS = [" ".join(CHANCE.choices(WITH_MARKS, k=CHANCE.randint(1, 70))) for _ in range(40)]
QUERIES = ["what is panda ?", "hi . what is panda , hi a ? !", TEXTS[0]]  # the second is as long as some texts
PAIRS = [(query, text) for query in QUERIES for text in TEXTS]
KINDS = ("stanford", "pylate", "saved", "bi-encoder")  # three layouts of late interaction


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each kind of engine that makes vectors."""
    path = tmp_path_factory.mktemp(kind) / "model"
    return write_body(path) if kind == "bi-encoder" else LATE_MODELS[kind](path)


@pytest.fixture
def opened(kind: str, folder: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """What opens an engine as a run does, with --vectors unless that is not wanted."""
    begun: list[Stores] = []

    def make(dtype: str = "fp32", *, vectors: bool = True, model: Path | None = None) -> Any:
        options = {"device": "cpu", "dtype": dtype, "threads": 2, "engine": engine_of(kind), "vectors": vectors}
        scorer = open_scorer(ModelConfig(model=str(model or folder), **options))
        scorer.load()
        if vectors:
            begun.append(Stores(FileConfig(vectors=str(tmp_path / "vectors")), pytest.fail))
            begun[-1].start(scorer)
        return scorer

    make.stores = begun  # type: ignore[attr-defined]
    yield make
    for stores in begun:
        stores.finish()


def engine_of(kind: str) -> str:
    return kind if kind == "bi-encoder" else "late-interaction"


def scores(scorer: Any, pairs: list[tuple[str, str]], size: int = 1000) -> list[float]:
    prepared = scorer.prepare(pairs)
    batches = (Batch.of(prepared[start : start + size]) for start in range(0, len(prepared), size))
    return [score for each in scorer.score(batches) for score in each]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_scores_have_the_same_bits_computed_from_memory_and_from_disk(opened: Any, dtype: str) -> None:
    cold = opened(dtype)
    expected = dict(zip(PAIRS, scores(cold, PAIRS), strict=True))
    assert len(set(expected.values())) > 0.9 * len(PAIRS)
    assert scores(cold, PAIRS, 7) == list(expected.values())
    opened.stores[0].finish()
    chance = random.Random(1)
    for size in (1, 9, 1000):
        pairs = chance.sample(PAIRS, 50)
        assert scores(opened(dtype), pairs, size) == [expected[pair] for pair in pairs]
    found = [stores.figures() for stores in opened.stores]
    assert found[0] == {"vectors_found": 0, "vectors_computed": len(set(TEXTS))}
    assert all(figures["vectors_computed"] == 0 < figures["vectors_found"] for figures in found[1:])


def test_vectors_of_documents_are_rounded_to_float16_and_those_of_queries_are_not(opened: Any) -> None:
    plain = opened(vectors=False)
    pairs = [each.payload for each in plain.prepare(PAIRS)]
    kept = plain.loaded.encoder.vectors([row for pair in pairs for row in (pair.query, pair.document)])
    with torch.inference_mode():
        expected = [
            float(plain.loaded.similarity(kept[pair.query], kept[pair.document].half().float())) for pair in pairs
        ]
    found = scores(opened(), PAIRS)
    assert found == expected
    exact = scores(plain, PAIRS)
    assert found != exact
    assert found == pytest.approx(exact, abs=1e-3 * float(torch.tensor(exact).abs().max()))


def test_what_is_kept_are_documents_of_the_size_that_is_said(opened: Any, tmp_path: Path) -> None:
    scorer = opened()
    scores(scorer, PAIRS)
    opened.stores[0].finish()
    said = dict(scorer.document(pair) for pair in scorer.prepare(PAIRS))
    assert len(said) == len(set(TEXTS))
    assert sum(path.stat().st_size for path in files_in(tmp_path / "vectors")) == sum(said.values())
    store = VectorStore(tmp_path / "vectors", "")
    assert sum(share.entries for share in store.shares()) == len(said)
    store.close()


def test_the_shape_that_a_text_is_computed_in_depends_on_the_text_alone(opened: Any) -> None:
    """On processors where rows change no bit of each other, only this shows it."""
    shapes: list[dict[Row, tuple[int, ...]]] = []
    for pairs in (PAIRS, PAIRS[:1], PAIRS[5:50], PAIRS[::-7]):
        scorer = opened(vectors=False)
        encode, found = scorer.loaded.encoder._encode, {}

        def noting(
            inputs: dict[str, torch.Tensor], rows: list[Row], encode: Any = encode, found: Any = found
        ) -> list[torch.Tensor]:
            found.update(dict.fromkeys(rows, tuple(inputs["input_ids"].shape)))
            return list(encode(inputs, rows))

        scorer.loaded.encoder._encode = noting
        scores(scorer, pairs, 9)
        shapes.append(found)
    first, *others = shapes
    assert len(set(first.values())) > 5
    assert all(first[row] == shape for other in others for row, shape in other.items())


def test_vectors_of_another_type_are_not_taken(opened: Any) -> None:
    scores(opened(), PAIRS)
    scores(opened("bf16"), PAIRS)
    assert [stores.figures()["vectors_found"] for stores in opened.stores] == [0, 0]


def test_vectors_of_other_settings_of_a_model_are_not_taken(kind: str, opened: Any, tmp_path: Path) -> None:
    """Only what counts of a document differs: it is read as the same tokens."""
    if kind != "stanford":
        pytest.skip("one layout is enough")
    other = LATE_MODELS["stanford, punctuation"](tmp_path / "other")
    scores(opened(), PAIRS)
    opened.stores[0].finish()
    scores(opened(model=other), PAIRS)
    assert opened.stores[1].figures()["vectors_found"] == 0


def test_vectors_that_are_not_finite_are_not_kept(opened: Any) -> None:
    scorer = opened()
    encode, (bad,) = scorer.loaded.encoder._encode, scorer.prepare([("hi", TEXTS[3])])

    def failing(inputs: dict[str, torch.Tensor], rows: list[Row]) -> list[torch.Tensor]:
        return [
            vectors * float("nan") if row == bad.payload.document else vectors
            for row, vectors in zip(rows, encode(inputs, rows), strict=True)
        ]

    scorer.loaded.encoder._encode = failing
    assert sum(map(math.isnan, scores(scorer, PAIRS))) == len(QUERIES)
    opened.stores[0].finish()
    again = scores(opened(), PAIRS)
    assert not any(map(math.isnan, again))
    assert opened.stores[1].figures() == {"vectors_found": len(set(TEXTS)) - 1, "vectors_computed": 1}


def test_a_benchmark_computes_the_vectors_of_each_round(kind: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl({"query": QUERIES[0], "candidates": TEXTS}))
    ours = Ours({"model": str(folder), "engine": engine_of(kind), "device": "cpu", "dtype": "fp32", "threads": 2})
    encoder, rows = ours._scorer.loaded.encoder, []  # type: ignore[attr-defined]
    for _ in range(2):
        before = encoder.encoded
        ours({"source": str(tmp_path / "in.jsonl"), "target": str(tmp_path / "out.jsonl"), "batch_tokens": None})
        rows.append(encoder.encoded - before)
    assert rows == [len(set(TEXTS)) + 1] * 2


def test_a_shelf_without_a_store_rounds_as_well(opened: Any) -> None:
    expected = scores(opened(), PAIRS)
    scorer = opened(vectors=False)
    scores(scorer, PAIRS)
    scorer.use_shelf(VectorShelf(scorer.identity, None))
    assert scores(scorer, PAIRS) == expected


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_bytes(kind: str, folder: Path, tmp_path: Path) -> None:
    records = [{"id": n, "query": QUERIES[n % 3], "candidates": CHANCE.sample(TEXTS, 9)} for n in range(200)]
    (source := tmp_path / "in.jsonl").write_bytes(jsonl(*records))
    options = ("--model", folder, "--engine", engine_of(kind), "--device", "cpu", "--window-tokens", "400", "-q")
    whole = ("score", source, "-o", tmp_path / "whole.jsonl", *options, "--vectors", tmp_path / "one")
    assert rerank(*whole).code == 0
    out = tmp_path / "out.jsonl"
    stopped = killed_and_resumed(out, "score", source, "-o", out, *options, "--vectors", tmp_path / "other")
    assert stopped == (tmp_path / "whole.jsonl").read_bytes()
    assert json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())["deterministic"] is True
