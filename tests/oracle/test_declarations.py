"""The kind of a model is what its files declare, for folders that sentence-transformers itself writes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Normalize, Pooling
from support.running import forked
from support.tiny import WORDS, edit_json, tiny_config, write_reranker, write_tokenizer
from transformers import AutoModelForSequenceClassification, BertModel, Qwen3Config, Qwen3ForCausalLM

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ExitStatus, ModelError
from rerank_cli.engines.choice import open_scorer
from rerank_cli.models.declared import (
    BI_ENCODER,
    CROSS_ENCODER,
    KNOWN,
    LATE,
    MODULAR,
    RUNS,
    YES_NO,
    Declaration,
    declaration_of,
)

WIDTH = 32


def write_body(folder: Path) -> str:
    """A tiny BERT without a head, with its tokenizer."""
    write_reranker(folder)
    BertModel(tiny_config()).save_pretrained(folder)
    return str(folder)


def write_generator(folder: Path) -> str:
    folder.mkdir()
    write_tokenizer(folder, [*WORDS, "yes", "no"])
    sizes = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Qwen3Config(vocab_size=64, num_key_value_heads=2, head_dim=16, max_position_embeddings=128, **sizes)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return str(folder)


def modular(source: Path, target: Path) -> None:
    modules = [
        Transformer(write_body(source)),
        Pooling(WIDTH, pooling_mode="cls"),
        Dense(WIDTH, WIDTH, bias=False, activation_function=torch.nn.GELU()),
        LayerNorm(WIDTH),
        Dense(WIDTH, 1, activation_function=torch.nn.Identity(), module_output_name="scores"),
    ]
    CrossEncoder(modules=modules).save_pretrained(str(target))


def plain(source: Path, target: Path) -> None:
    CrossEncoder(str(write_reranker(source))).save_pretrained(str(target))


def yes_no(source: Path, target: Path) -> None:
    CrossEncoder(write_generator(source)).save_pretrained(str(target))


def late(source: Path, target: Path) -> None:
    MultiVectorEncoder(write_body(source)).save_pretrained(str(target))


def bi_encoder(source: Path, target: Path) -> None:
    modules = [Transformer(write_body(source)), Pooling(WIDTH, pooling_mode="mean"), Normalize()]
    SentenceTransformer(modules=modules).save_pretrained(str(target))


def bi_encoder_with_dense(source: Path, target: Path) -> None:
    modules = [Transformer(write_body(source)), Pooling(WIDTH, pooling_mode="mean"), Dense(WIDTH, 16)]
    SentenceTransformer(modules=modules).save_pretrained(str(target))


MADE: dict[str, tuple[Callable[[Path, Path], None], str, tuple[str, ...]]] = {
    "plain": (plain, CROSS_ENCODER, ("Transformer",)),
    "modular": (modular, MODULAR, ("Transformer", "Pooling", "Dense", "LayerNorm", "Dense")),
    "yes or no": (yes_no, YES_NO, ("Transformer", "LogitScore")),
    "late interaction": (late, LATE, ("Transformer", "Dense", "MultiVectorMask", "Normalize")),
    "bi-encoder": (bi_encoder, BI_ENCODER, ("Transformer", "Pooling", "Normalize")),
    "bi-encoder with Dense": (bi_encoder_with_dense, BI_ENCODER, ("Transformer", "Pooling", "Dense")),
}
REFUSED = ["bi-encoder with Dense"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder of each kind, made once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("kinds") / "model"
            MADE[name][0](made[name].parent / "source", made[name])
        return made[name]

    return folder


def declared(folder: Path) -> Declaration:
    return declaration_of(folder, json.loads((folder / "config.json").read_text()))


@pytest.mark.parametrize("name", MADE)
def test_the_kind_and_the_modules_are_read_from_what_sentence_transformers_writes(
    folders: Callable[[str], Path], name: str
) -> None:
    found = declared(folders(name))
    assert (found.kind, found.types) == MADE[name][1:]
    assert all(path.is_file() for path in found.files)


def test_the_settings_of_modules_are_read(folders: Callable[[str], Path]) -> None:
    found = declared(folders("modular"))
    first, last = (module.settings for module in found.modules if module.type == "Dense")
    assert (first["bias"], first["out_features"], first["activation_function"].rpartition(".")[2]) == (
        False,
        32,
        "GELU",
    )
    assert (last["out_features"], last["module_output_name"]) == (1, "scores")
    assert found.settings["activation_fn"].endswith("Sigmoid")
    scores = declared(folders("yes or no")).module("LogitScore")
    assert scores is not None
    assert set(scores.settings) >= {"true_token_id", "false_token_id"}


@pytest.mark.parametrize("engine", ["auto", "torch", "openvino", "onnx"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_kind_that_no_engine_runs_ends_in_6_and_is_named(
    folders: Callable[[str], Path], name: str, engine: str
) -> None:
    with pytest.raises(ModelError) as fault:
        open_scorer(ModelConfig(model=str(folders(name)), engine=engine, device="cpu"))
    assert fault.value.status == ExitStatus.MODEL
    kind = MADE[name][1]
    assert (kind if kind not in RUNS else "Dense") in str(fault.value)


@pytest.mark.parametrize("name", MADE)
def test_each_kind_is_described(folders: Callable[[str], Path], name: str) -> None:
    _, kind, modules = MADE[name]
    done = forked("models", folders(name), "--json")
    [found] = done.records
    refused = name in (*REFUSED, "yes or no")  # the latter without a prompt
    assert done.code == (6 if refused else 0)
    assert (found["kind"], tuple(found["modules"])) == (kind, modules)
    assert (found["refused"] is None) == (not refused)
    assert found["parameters"] == parameters_of(folders(name))
    assert len(found["dense"]) == modules.count("Dense")


def parameters_of(folder: Path) -> int:
    """As the library of safetensors counts them, in all files."""
    files = sorted(folder.rglob("*.safetensors"))
    return sum(tensor.numel() for path in files for tensor in load_file(path).values() if tensor.is_floating_point())


def random_head(folder: Path) -> list[str]:
    """The weights that transformers invents for a sequence classifier of this folder, without failing."""
    _, report = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, output_loading_info=True)
    return sorted(report["missing_keys"])


def as_classifier(folder: Path) -> None:
    edit_json(folder / "config.json", architectures=["BertForSequenceClassification"], num_labels=1)


def without_modules(folder: Path) -> None:
    (folder / "modules.json").unlink()


def as_classifier_without_modules(folder: Path) -> None:
    as_classifier(folder)
    without_modules(folder)


@pytest.mark.parametrize("change", [as_classifier, without_modules, as_classifier_without_modules])
def test_a_modular_head_is_never_replaced_by_a_random_one(
    folders: Callable[[str], Path], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(folders("modular"), tmp_path / "model"))
    assert "classifier.weight" in random_head(folder)
    change(folder)
    for engine in ("auto", "torch", "openvino", "onnx"):
        with pytest.raises(ModelError):
            open_scorer(ModelConfig(model=str(folder), engine=engine, device="cpu")).load()


def test_a_head_and_a_chain_of_a_bi_encoder_contradict_each_other(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders("bi-encoder"), tmp_path / "model"))
    as_classifier(folder)
    with pytest.raises(ModelError) as fault:
        open_scorer(ModelConfig(model=str(folder), device="cpu"))
    assert "--engine bi-encoder" in fault.value.advice
    assert (
        open_scorer(ModelConfig(model=str(folder), engine="bi-encoder", device="cpu")).identity.engine == "bi-encoder"
    )


MODULE = "sentence_transformers.models."
POOLING = {"1_Pooling/config.json": {"pooling_mode": "mean"}}
ODD: dict[str, tuple[list[tuple[str, str]], dict[str, dict[str, Any]], str]] = {
    "an unknown module": ([("Transformer", ""), ("WeightedLayerPooling", "1_W")], {}, "WeightedLayerPooling"),
    "a module of sparse encoders": ([("Transformer", ""), ("SpladePooling", "1_S")], {}, "SpladePooling"),
    "no Transformer": ([("StaticEmbedding", "0_S")], {}, "StaticEmbedding"),
    "pooling alone": ([("Pooling", "1_Pooling")], POOLING, "Pooling"),
    "two Transformers": ([("Transformer", ""), ("Transformer", "")], {}, "Transformer"),
    "a Transformer elsewhere": ([("Transformer", "0_Transformer"), ("Pooling", "1_Pooling")], POOLING, "0_Transformer"),
    "pooling twice": (
        [("Transformer", ""), ("Pooling", "1_Pooling"), ("Pooling", "1_Pooling")],
        POOLING,
        "Pooling, Pooling",
    ),
    "a module outside": ([("Transformer", ""), ("Pooling", "../1_Pooling")], {}, "outside"),
    "a module at the root of the disk": ([("Transformer", ""), ("Pooling", "/etc")], {}, "outside"),
    "a module without its settings": ([("Transformer", ""), ("Pooling", "1_Pooling")], {}, "1_Pooling"),
    "a dense layer of tokens, and no mask": (
        [("Transformer", ""), ("Dense", "1_Dense")],
        {"1_Dense/config.json": {"module_output_name": "token_embeddings"}},
        "Transformer, Dense",
    ),
    "scores before the last module": (
        [("Transformer", ""), ("LogitScore", "1_L"), ("Normalize", "2_N")],
        {"1_L/config.json": {"true_token_id": 1}},
        "LogitScore",
    ),
    "a norm that no score follows": (
        [("Transformer", ""), ("Pooling", "1_Pooling"), ("LayerNorm", "2_L")],
        POOLING | {"2_L/config.json": {"dimension": 32}},
        "LayerNorm",
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_a_chain_that_means_no_known_kind_is_refused_with_its_cause(what: str, tmp_path: Path) -> None:
    modules, files, words = ODD[what]
    folder = tmp_path / "model"
    write_body(folder)
    listed = [{"idx": at, "path": path, "type": MODULE + kind} for at, (kind, path) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelError) as fault:
        declared(folder)
    assert words in str(fault.value)


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", "{}", "[1]", '[{"type": "sentence_transformers.models.Transformer"}]', "[[]]"]
)
def test_modules_that_are_no_list_of_modules_are_refused(content: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_body(folder)
    (folder / "modules.json").write_text(content)
    with pytest.raises(ModelError) as fault:
        declared(folder)
    assert "modules.json" in str(fault.value)


@pytest.mark.parametrize(
    ("files", "architecture", "kind"),
    [
        ({}, "BertForSequenceClassification", CROSS_ENCODER),
        ({}, "BertModel", BI_ENCODER),
        ({}, "Qwen3ForCausalLM", YES_NO),
        ({}, "HF_ColBERT", LATE),
        ({"artifact.metadata": "{}"}, "BertModel", LATE),
    ],
)
def test_without_modules_the_architecture_decides(
    files: dict[str, str], architecture: str, kind: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert declaration_of(tmp_path, {"architectures": [architecture]}).kind == kind


def test_the_layout_of_pylate_is_late_interaction(tmp_path: Path) -> None:
    write_body(tmp_path / "model")
    folder = tmp_path / "model"
    listed = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Dense").mkdir()
    (folder / "1_Dense/config.json").write_text(json.dumps({"in_features": 32, "out_features": 16, "bias": False}))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"similarity_fn_name": "MaxSim"}))
    assert declared(folder).kind == LATE


def test_every_known_module_is_in_a_chain_that_is_known() -> None:
    assert {kind for _, _, types in MADE.values() for kind in types} == set(KNOWN)
