"""Weights that a model may leave: real checkpoints carry buffers, poolers and heads of other tasks along."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from support.tiny import SIZES, WORDS, write_bi_encoder, write_reranker, write_tokenizer

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.engines.choice import open_scorer

COMMON = {**SIZES, "vocab_size": len(WORDS), "num_labels": 1, "max_position_embeddings": 66, "pad_token_id": 0}
ARCHITECTURES = [
    "bert",
    "xlm-roberta",
    "roberta",
    "camembert",
    "electra",
    "distilbert",
    "deberta-v2",
    "modernbert",
    "mpnet",
    "albert",
]


def load(folder: Path, engine: str = "torch") -> None:
    scorer = open_scorer(ModelConfig(model=str(folder), engine=engine, device="cpu", max_length=32))
    scorer.load()
    scorer.close()


def add(folder: Path, **tensors: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), **tensors}, path, {"format": "pt"})


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_fresh_reranker_of_each_architecture_loads(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(kind, **COMMON)
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path, WORDS)
    load(tmp_path)


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("bert", "bert.embeddings.position_ids"),
        ("roberta", "roberta.embeddings.position_ids"),
        ("roberta", "roberta.pooler.dense.weight"),
        ("xlm-roberta", "roberta.pooler.dense.bias"),
    ],
)
def test_what_published_rerankers_carry_along_is_passed_over(kind: str, left: str, tmp_path: Path) -> None:
    config = transformers.AutoConfig.for_model(kind, **COMMON)
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path, WORDS)
    add(tmp_path, **{left: torch.arange(66)[None] if "ids" in left else torch.ones(32)})
    load(tmp_path)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "distilbert", "modernbert", "electra", "mpnet"])
def test_a_body_saved_with_the_head_of_a_masked_language_model_is_a_bi_encoder(kind: str, tmp_path: Path) -> None:
    write_bi_encoder(tmp_path)
    config = transformers.AutoConfig.for_model(kind, **COMMON)
    transformers.AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    load(tmp_path, "bi-encoder")


def test_a_cross_encoder_taken_for_a_bi_encoder_leaves_its_head(tmp_path: Path) -> None:
    load(write_reranker(tmp_path), "bi-encoder")


@pytest.mark.parametrize("name", ["projection.weight", "encoder.layer.0.extra.weight", "bert.extra.weight"])
def test_other_weights_of_a_bi_encoder_are_refused(name: str, tmp_path: Path) -> None:
    add(write_bi_encoder(tmp_path), **{name: torch.ones(32, 32)})
    with pytest.raises(ModelError, match=name):
        load(tmp_path, "auto")


@pytest.mark.parametrize("engine", ["torch", "openvino", "onnx"])
def test_a_head_of_zeros_is_refused_by_every_engine(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = write_reranker(tmp_path / "model")
    add(model, **{"classifier.weight": torch.zeros(1, 32)})
    with pytest.raises(ModelError, match=r"classifier\.weight"):
        load(model, engine)
