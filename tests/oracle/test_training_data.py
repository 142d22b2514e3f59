"""Training data between us and sentence-transformers: our scores read by its losses, its mined negatives read by us."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator
from sentence_transformers.cross_encoder.losses import ListNetLoss, MarginMSELoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import mine_hard_negatives
from support.running import rerank
from support.tiny import write_model, write_reranker
from tokenizers import Tokenizer

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.records import Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.registry import open_format, read_entries

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


MINED = [  # what it writes, under which names of columns, and what we take it for
    ("triplet", False, ("anchor", "positive"), "sentence-transformers"),
    ("triplet", True, ("query", "answer"), "sentence-transformers"),
    ("n-tuple", False, ("query", "positive"), "sentence-transformers"),
    ("n-tuple", True, ("question", "answer"), "sentence-transformers"),
    ("labeled-list", False, ("anchor", "positive"), "labeled-list"),
    ("labeled-list", False, ("question", "answer"), "labeled-list"),
    ("labeled-list", True, ("query", "positive"), "labeled-list"),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("layout", "scored", "columns", "format_name"), MINED)
def test_negatives_that_it_mined_are_read_as_what_they_are(
    layout: str, scored: bool, columns: tuple[str, str], format_name: str, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    tokenizer = Tokenizer.from_file(str(write_reranker(tmp_path / "reranker") / "tokenizer.json"))
    torch.manual_seed(1)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")
    right = {f"what is {one} ?": f"{one} {other}" for one, other in zip("abcdefgh", "ijklmnop", strict=True)}
    rows = [dict(zip(columns, pair, strict=True)) for pair in right.items()]
    options = {"num_negatives": 3, "range_max": 8, "output_format": layout, "output_scores": scored, "verbose": False}
    path = tmp_path / "mined.jsonl"
    mine_hard_negatives(datasets.Dataset.from_list(rows), model, **options).to_json(path)
    inputs, config = Inputs((str(path),)), ReadConfig(inputs=(str(path),))
    format = open_format(config, WriteConfig(), inputs)
    assert format.name == format_name
    entries = list(read_entries(format, inputs, config, None))
    assert len(entries) == (24 if layout == "triplet" else 8)
    for entry in entries:
        assert isinstance(entry, Request), entry
        candidates = format.to_native(entry)["candidates"]
        assert len(candidates) == (2 if layout == "triplet" else 4)
        assert all(("logit" in each) == scored for each in candidates)
        for each in candidates:
            judged = None if format_name == "labeled-list" and scored else int(each["text"] == right[entry.query])
            assert each.get("relevance") == judged
