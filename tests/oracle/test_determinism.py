"""A logit stays within the published tolerance however its batch is composed, and the best candidates stay the best."""

import re
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from measure.determinism import agreement, logits_in, records_of

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder

PUBLISHED = {"fp32": 1e-4, "bf16": 0.4}  # of a logit of mini; docs/reliability.md, "Determinism"
TOLERANCE = {"mini": PUBLISHED, "steady": {"fp32": 2e-5, "bf16": 0.1}}


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "compositions"), [("fp32", (7, "window")), ("bf16", (32, "window"))])
@pytest.mark.parametrize("model", TOLERANCE)
def test_no_composition_of_batches_moves_a_logit_beyond_the_tolerance(
    root: Path, path_of: Callable[[str], str], model: str, dtype: str, compositions: tuple[int | str, ...]
) -> None:
    records = records_of(root / "sample_data" / "quickstart.jsonl", 110)
    sizes = [len(texts) for _, texts in records]
    scorer = TorchCrossEncoder(ModelConfig(model=path_of(model), device="cpu", dtype=dtype))
    scorer.load()
    prepared = scorer.prepare([(query, text) for query, texts in records for text in texts])
    alone = logits_in(scorer, prepared, 1)
    assert statistics.pstdev(alone) > 1, "a model that tells nothing apart proves nothing"
    for rows in compositions:
        logits = logits_in(scorer, prepared, rows)
        assert max(abs(a - b) for a, b in zip(alone, logits, strict=True)) <= TOLERANCE[model][dtype]
        if dtype == "fp32":
            assert agreement(alone, logits, sizes) == (1, 1)


@pytest.mark.parametrize("dtype", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_batches_side_by_side_give_the_very_logits_of_one_after_another(root: Path, dtype: str) -> None:
    records = records_of(root / "sample_data" / "quickstart.jsonl", 60)
    pairs = [(query, text) for query, texts in records for text in texts]

    def logits(threads: int) -> list[float]:
        scorer = TorchCrossEncoder(ModelConfig(model="mini", device="cpu", dtype=dtype, threads=threads))
        scorer.load()
        return logits_in(scorer, scorer.prepare(pairs), 4)

    before = torch.get_num_threads()
    try:
        assert logits(4) == logits(1)  # four lanes of one thread each: every batch is computed by one thread
    finally:
        torch.set_num_threads(before)


def test_the_page_on_reliability_states_these_tolerances(root: Path) -> None:
    page = (root / "rerank_cli/docs/reliability.md").read_text(encoding="utf-8")
    stated = re.search(r"within ([0-9.e-]+) in float32 and ([0-9.e-]+) in bfloat16", page)
    assert stated is not None
    assert (float(stated[1]), float(stated[2])) == (PUBLISHED["fp32"], PUBLISHED["bf16"])
