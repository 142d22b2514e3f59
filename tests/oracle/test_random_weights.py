"""Models of random weights that `rerank bench` makes: they load, and score as sentence-transformers computes them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, MultiVectorEncoder

from rerank_cli.bench import random_weights
from rerank_cli.bench.benchmark import gflop
from rerank_cli.bench.peers import PEERS, PeerModel
from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.choice import open_scorer
from rerank_cli.models.find import ALIASES
from rerank_cli.reranking.in_memory import score_texts

SMALL = {"layers": 2, "hidden": 64, "heads": 4, "intermediate": 96}
PROMPTS = {"qwen3-0.6b": random_weights.PROMPT}
QUERY, TEXTS = "what is a panda?", ["A panda is a bear.", "hi", "the station is there " * 9]


@pytest.fixture(params=random_weights.SHAPES)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A shape, and a small model of it."""
    monkeypatch.setitem(random_weights.SHAPES, request.param, SMALL)
    random_weights.make_random_model(request.param, ALIASES["mini"], tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    scaled = {name: weight * (12 if weight.ndim == 2 and "layer" in name else 1) for name, weight in weights.items()}
    save_file(scaled, tmp_path / "model.safetensors", metadata={"format": "pt"})  # logits differ more than rounding
    return request.param, tmp_path


def test_a_model_of_random_weights_scores_as_in_sentence_transformers(made: tuple[str, Path]) -> None:
    shape, folder = made
    scorer = open_scorer(
        ModelConfig(model=str(folder), device="cpu", dtype="fp32", max_length=512, prompt=PROMPTS.get(shape))
    )
    scorer.load()
    ((*ours,),) = score_texts(scorer, [(QUERY, TEXTS)])
    pairs = [(QUERY, text) for text in TEXTS]
    if shape == "colbert":
        theirs = PEERS["sentence-transformers"].make(PeerModel(str(folder), "cpu", "fp32", 512))(pairs, 0)
    else:
        oracle = CrossEncoder(str(folder), device="cpu", local_files_only=True, activation_fn=torch.nn.Identity())
        theirs = [float(score) for score in oracle.predict(pairs)]
    spread = float(torch.tensor(theirs).std())
    assert spread > 1e-2
    assert ours == pytest.approx(theirs, abs=1e-4 * spread)


def test_operations_are_counted_by_the_matrices_of_the_layers(made: tuple[str, Path]) -> None:
    shape, folder = made
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    family = MultiVectorEncoder if shape == "colbert" else CrossEncoder
    model = family(str(folder), device="cpu", local_files_only=True)
    weights = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if weight.ndim == 2 and ("layers." in name or ".layer." in name)
    )
    assert gflop(config, {"tokens": 1000, "squares": 0}) == pytest.approx(2 * weights * 1000 / 1e9)
    attention = gflop(config, {"tokens": 0, "squares": 1000})
    width = config["num_attention_heads"] * config.get("head_dim", SMALL["hidden"] // SMALL["heads"])
    assert attention == pytest.approx(2 * 4 * width * 1000 / 1e9 / (2 if shape.startswith("qwen3") else 1))
