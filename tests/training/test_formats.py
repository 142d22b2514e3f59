"""`rerank train` reads training data in every format that has judgements, and asks for no option."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rerank_cli.core.config import ReadConfig
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.train import train
from tests.training.conftest import Quiet, toy_records, write_records

FORMATS = {
    "ms-marco": lambda query, texts, logits: {
        "query": query,
        "passages": {"passage_text": texts, "is_selected": [1] + [0] * len(texts[1:]), "logit": logits},
    },
    "tevatron-training": lambda query, texts, logits: {
        "query": query,
        "positive_passages": [{"docid": "d0", "text": texts[0], "logit": logits[0]}],
        "negative_passages": [
            {"docid": f"d{place}", "text": text, "logit": logit}
            for place, (text, logit) in enumerate(zip(texts[1:], logits[1:], strict=True), 1)
        ],
    },
    "sentence-transformers": lambda query, texts, logits: {
        "anchor": query,
        "positive": texts[0],
        "negative": texts[1:],
        "scores": logits,
    },
    "labeled-list": lambda query, texts, logits: {
        "question": query,
        "answer": texts,
        "labels": [1] + [0] * len(texts[1:]),
        "scores": logits,
    },
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("loss", ["bce", "margin-mse"])
@pytest.mark.parametrize("name", FORMATS)
def test_judgements_and_teachers_scores_are_learnt_from(toy: TrainConfig, tmp_path: Path, name: str, loss: str) -> None:
    def records(count: int, seed: int) -> list[dict[str, Any]]:
        made = toy_records(count, seed)
        return [
            FORMATS[name](each["query"], each["pos"] + each["neg"], each["pos_scores"] + each["neg_scores"])
            for each in made
        ]

    data = write_records(tmp_path / "train.jsonl", records(20, seed=5))
    held_out = write_records(tmp_path / "held-out.jsonl", records(8, seed=6))
    config = replace(
        toy,
        read=ReadConfig(inputs=(str(data),)),
        held_out=ReadConfig(inputs=(str(held_out),)),
        loss=loss,
        max_steps=2,
    )
    made = train(config, lambda _: None, Quiet())
    assert made.evaluation is not None
    assert made.evaluation.counts["judged_queries"] == 8
    assert made.note["data"]["rows"] == (80 if loss == "bce" else 60)
