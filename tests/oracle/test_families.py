"""Every family of the catalog against sentence-transformers: random weights, the same logits.

`rerank models` says that each family is tested so. What a family's published models give is compared where weights are.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from support.running import forked
from support.tiny import SIZES, WORDS, edit_json, write_tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.torch_graph import probes_of, window_of
from rerank_cli.models.cached import cached_snapshot
from rerank_cli.models.catalog import FAMILIES
from rerank_cli.models.config_json import advice_on_architecture
from rerank_cli.models.declared import CROSS_ENCODER
from rerank_cli.models.folder import inspect_folder
from rerank_cli.models.through_transformers import load_config
from rerank_cli.reranking.in_memory import score_texts

TYPES = [family.model_type for family in FAMILIES if family.kind == CROSS_ENCODER]
OTHERS = ["roberta", "camembert", "distilbert", "eurobert", "nomic_bert", "gte"]  # of docs/models.md, not in the list
OWN = {
    "modernbert": {
        "global_attn_every_n_layers": 2,
        "local_attention": 16,
        "num_hidden_layers": 3,
    },  # local, then global
    "gte": {"type_vocab_size": 2},  # the tokenizer gives types
    "deberta-v2": {"relative_attention": True, "pos_att_type": "c2p"},
}
PAIRS = [
    ("what is panda ?", ["a panda", "hi", "p a n d a is what ? hi hi hi"]),
    ("hi", ["what is hi ? a b c d e f g", "is"]),
]


MIXED = [  # rows of one batch, some shorter than others by more than a window of local attention
    ("what is panda ?", ["a b " * 24, "hi", "panda is what " * 12, "p a n d a"]),
    ("hi", ["is " * 40, "x"]),
]
COMPARED = ["modernbert", *(pytest.param(name, marks=pytest.mark.slow) for name in ("deberta-v2", "electra"))]


def write_family(folder: Path, model_type: str) -> Path:
    """A tiny model of an architecture with random weights, wide enough to tell pairs apart."""
    folder.mkdir()
    write_tokenizer(folder, WORDS)
    special = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(WORDS),
        max_position_embeddings=66,
        num_labels=1,
        initializer_range=0.5,
        **{**SIZES, **special, **OWN.get(model_type, {})},
    )
    torch.manual_seed(5)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("model_type", [*TYPES, *OTHERS])
def test_each_family_scores_as_sentence_transformers_does(tmp_path: Path, model_type: str) -> None:
    folder = write_family(tmp_path / "model", model_type)
    ours = open_scorer(ModelConfig(model=str(folder), engine="torch", device="cpu", dtype="fp32", max_length=64))
    ours.load()
    logits = [logit for answers in score_texts(ours, PAIRS) for logit in answers]
    oracle = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True)
    expected = oracle.predict([(query, text) for query, texts in PAIRS for text in texts])
    assert float(expected.std()) > 0.1
    assert logits == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
@pytest.mark.parametrize("model_type", COMPARED)
def test_graphs_of_a_family_give_the_logits_of_torch(tmp_path: Path, model_type: str, engine: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    folder = write_family(tmp_path / "model", model_type)
    found = {}
    for name in ("torch", engine):
        scorer = open_scorer(ModelConfig(model=str(folder), engine=name, device="cpu", dtype="fp32", max_length=64))
        scorer.load()
        found[name] = np.array([logit for answers in score_texts(scorer, MIXED) for logit in answers])
    spread = float(found["torch"].std())
    assert spread > 0.1
    assert float(np.abs(found[engine] - found["torch"]).max()) <= 1e-4 * spread


def test_a_window_that_config_json_leaves_out_is_known(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "model", "modernbert")
    config = json.loads((folder / "config.json").read_text())
    del config["local_attention"]
    (folder / "config.json").write_text(json.dumps(config))
    # transformers' default
    assert (
        window_of(load_config(inspect_folder(ModelConfig(model="model"), folder, None))) == 128
    )  # transformers' default


def test_an_export_of_an_earlier_version_with_local_attention_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    folder, target = write_family(tmp_path / "model", "modernbert"), tmp_path / "exported"
    assert forked("export", "--model", folder, "-o", target).code == 0
    open_scorer(ModelConfig(model=str(target), device="cpu"))
    edit_json(target / "rerank_export.json", recipe=6)
    with pytest.raises(ModelError, match="exported"):
        open_scorer(ModelConfig(model=str(target), device="cpu"))


@pytest.mark.parametrize("model_type", ["bert", "modernbert"])
def test_a_graph_is_tried_with_padding_beyond_the_window(tmp_path: Path, model_type: str) -> None:
    """A graph whose padding is NaN passes with short rows only."""
    model = open_cross_encoder(ModelConfig(model=str(write_family(tmp_path / "model", model_type))))
    longest = [max(map(sum, batch)) - min(map(sum, batch)) for batch in probes_of(model)]
    assert (max(longest) > 16) is (model_type == "modernbert")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"])
def test_a_classifier_as_trained_on_mmarco(
    tmp_path: Path, shared: Path, mixed_pairs: list[tuple[str, str]], name: str
) -> None:
    """Its configuration with random weights, and its own weights where the hub's cache has them."""
    folder = tmp_path / "model"
    shutil.copytree(shared / "models/xlmr-tokenizer", folder)
    sizes = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536}
    config = AutoConfig.for_model(
        "xlm-roberta",
        **{**sizes, "vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1, "num_labels": 1},
        initializer_range=0.1,
    )
    torch.manual_seed(6)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    cached = cached_snapshot(name, None, os.environ)
    for model in [str(folder), *([name] if cached is not None else [])]:
        ours = open_scorer(
            ModelConfig(model=model, engine="torch", device="cpu", dtype="fp32", max_length=256, query_max_length=192)
        )
        ours.load()
        some = mixed_pairs[:24]
        logits = np.array([score_texts(ours, [(query, [text])])[0][0] for query, text in some])
        oracle = CrossEncoder(
            str(cached or folder) if model == name else model,
            max_length=256,
            device="cpu",
            activation_fn=torch.nn.Identity(),
            local_files_only=True,
        )
        expected = oracle.predict(some)
        assert float(np.abs(logits - expected).max()) <= 1e-4 * max(1e-3, float(expected.std()))


def test_an_architecture_of_a_newer_transformers_names_its_version() -> None:
    assert "transformers 5.23" in advice_on_architecture("gte")
    assert "transformers" not in advice_on_architecture("magic")


def test_the_catalog_lists_each_model_once() -> None:
    names = [model.name for family in FAMILIES for model in family.models]
    assert len(names) == len(set(names))
    assert set(TYPES) >= {"xlm-roberta", "bert", "modernbert", "deberta-v2", "electra"}
