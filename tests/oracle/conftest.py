"""Models and pairs that our engine and its oracles both score."""

import gzip
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.steady import write_steady
from transformers import AutoModelForSequenceClassification, XLMRobertaConfig

Pair = tuple[str, str]


def pairs_of(path: Path, count: int, seed: int) -> list[Pair]:
    """`count` random (query, candidate text) pairs of a collection in the native format."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    pairs = [(record["query"], candidate["text"]) for record in records for candidate in record["candidates"]]
    return random.Random(seed).sample(pairs, count)


@pytest.fixture(scope="session")
def mixed_pairs(shared: Path) -> list[Pair]:
    """200 pairs, half English (some longer than any limit used here), half Chinese."""
    english = pairs_of(shared / "data/noveleval/candidates.jsonl.gz", 100, seed=1)
    chinese = pairs_of(shared / "data/xquadr-zh/candidates.jsonl.gz", 100, seed=2)
    return [pair for both in zip(english, chinese, strict=True) for pair in both]


@pytest.fixture(scope="session")
def path_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Where a model is: `mini`, which multiplies small differences, or `steady`, which does not."""
    steady = write_steady(tmp_path_factory.mktemp("models") / "steady")
    return {"mini": "mini", "steady": str(steady)}.__getitem__


@pytest.fixture(scope="session")
def random_xlmr(shared: Path, tmp_path_factory: pytest.TempPathFactory, mixed_pairs: list[Pair]) -> Path:
    """A six-layer XLM-R with random weights and the true tokenizer, its head scaled so that logits spread by 2.

    Random weights as they come spread their logits by thousandths; any difference looks small beside that.
    """
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("xlmr")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(shared / "models/xlmr-tokenizer" / name, folder / name)
    torch.manual_seed(7)
    config = XLMRobertaConfig(
        vocab_size=250002,
        hidden_size=128,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=1,
        initializer_range=0.08,
        layer_norm_eps=1e-5,
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(
        *zip(*mixed_pairs[:64], strict=True), truncation=True, padding=True, max_length=256, return_tensors="pt"
    )
    with torch.inference_mode():
        spread = model(**batch).logits.std()
    with torch.no_grad():
        model.classifier.out_proj.weight *= 2 / spread
    model.save_pretrained(folder, safe_serialization=True)
    return folder
