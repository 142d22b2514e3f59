"""A toy task that a tiny model learns in seconds, and only by matching: the relevant text has the query's letter.

Texts are of equal length and each letter is asked for equally often, so neither says anything by itself.
"""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.tiny import edit_json, write_reranker

from rerank_cli.core.config import ModelConfig, ReadConfig
from rerank_cli.training.config import TrainConfig

LETTERS = "abcd"


def toy_records(count: int, seed: int) -> list[dict[str, Any]]:
    """Records in FlagEmbedding's format with a teacher's logits."""
    draw, made = Random(seed), []
    for _ in range(count):
        letter = draw.choice(LETTERS)
        others = [other for other in LETTERS if other != letter]
        relevant = draw.sample([letter, draw.choice(others)], 2)
        texts = [" ".join(each) for each in (relevant, *(draw.sample(others, 2) for _ in range(3)))]
        made.append(
            {
                "query": f"what is {letter} ?",
                "pos": texts[:1],
                "neg": texts[1:],
                "pos_scores": [4.0],
                "neg_scores": [-4.0, -3.0, -5.0],
            }
        )
    return made


def write_records(path: Path, records: list[dict[str, Any]]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


class Quiet:
    """Keeps what a training reports; `stop_at` interrupts it after that step."""

    def __init__(self, stop: Any = None, stop_at: int | None = None) -> None:
        self.steps: list[int] = []
        self.known: list[dict[str, float]] = []
        self._stop, self._stop_at = stop, stop_at

    def begin(self, step: int, total: int) -> None:
        self.steps.append(step)

    def step(self, done: int) -> None:
        self.steps.append(done)
        if done == self._stop_at:
            raise self._stop

    def figures(self, found: dict[str, float]) -> None:
        self.known.append(found)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reranker that knows nothing."""
    folder = write_reranker(tmp_path_factory.mktemp("base") / "reranker")
    edit_json(folder / "config.json", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return folder


@pytest.fixture
def toy(tmp_path: Path, base: Path) -> TrainConfig:
    """A training of the toy task, with 40 held-out queries."""
    data = write_records(tmp_path / "train.jsonl", toy_records(320, seed=1))
    held_out = write_records(tmp_path / "held-out.jsonl", toy_records(40, seed=2))
    config = TrainConfig(
        read=ReadConfig(inputs=(str(data),)),
        model=ModelConfig(model=str(base), engine="torch", device="cpu", dtype="fp32", max_length=64, threads=1),
        output=tmp_path / "tuned",
        held_out=ReadConfig(inputs=(str(held_out),)),
    )
    return replace(config, negatives=3, batch_size=32, learning_rate=3e-3, epochs=8.0, checkpoints=4)
