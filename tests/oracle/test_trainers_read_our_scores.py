"""Scores that we put into training data, read by sentence-transformers' own collator and losses."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator
from sentence_transformers.cross_encoder.losses import ListNetLoss, MarginMSELoss
from support.running import rerank
from support.tiny import write_model, write_reranker

TRIPLETS = [
    {"anchor": "what is a ?", "positive": "a b", "negative": "c d"},
    {"anchor": "what is e ?", "positive": "hi panda", "negative": "e e e"},
]
TUPLES = [
    {"anchor": "what is a ?", "positive": "a b", "negative_1": "c d", "negative_2": "x"},
    {"anchor": "hi ?", "positive": "hi hi", "negative_1": "panda", "negative_2": "y z"},
]
LISTS = [{"query": each["anchor"], "docs": [each["positive"], each["negative"], "hi ?"]} for each in TRIPLETS]


def batch_of(folder: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
    """The records as a training gets them: scored by us, loaded and collated by their code."""
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    (folder / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    options = ("--model", folder, "--device", "cpu", "--dtype", "fp32", "-q")
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", *options, cwd=folder)
    assert done.code == 0, done.said
    rows = datasets.Dataset.from_json(str(folder / "out.jsonl"), cache_dir=str(folder / "cache"))
    batch: dict[str, Any] = CrossEncoderDataCollator(preprocess_fn=lambda texts: texts)(list(rows))
    return batch


@pytest.mark.slow
@pytest.mark.parametrize(
    ("records", "loss", "least"),
    [(TRIPLETS, MarginMSELoss, 0.0), (TUPLES, MarginMSELoss, 0.0), (LISTS, ListNetLoss, None)],
    ids=["triplets", "tuples", "lists"],
)
def test_a_student_that_is_its_teacher_has_least_to_learn(
    records: list[dict[str, Any]], loss: Any, least: float | None, tmp_path: Path
) -> None:
    folder = write_reranker(tmp_path / "reranker")
    write_model(folder, initializer_range=0.5)  # so that logits differ by more than thousandths
    batch = batch_of(folder, records)
    labels = batch.pop("label")
    assert list(batch) == list(records[0])
    student = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32}, local_files_only=True)
    student.eval()
    inputs = list(batch.values())
    with torch.no_grad():
        right = loss(student)(inputs, labels).item()
        wrong = loss(student)(inputs, [label.flip(0) for label in labels]).item()
    assert right < wrong - 1e-3
    assert least is None or right == pytest.approx(least, abs=1e-8)
