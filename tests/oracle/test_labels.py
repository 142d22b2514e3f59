"""Classifiers with several labels: the log-odds of the one that --label names, against sentence-transformers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sentence_transformers import CrossEncoder
from support.running import forked
from support.tiny import WORDS, edit_json, write_bi_encoder, write_model, write_reranker, write_tokenizer

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.engines.choice import open_scorer
from rerank_cli.models.find import find_model
from rerank_cli.models.libraries import cache_in
from rerank_cli.reranking.in_memory import score_texts

PAIRS = [
    ("what is panda ?", ["a panda", "hi", "p a n d a is what ? hi hi hi"]),
    ("hi", ["what is hi ? a b c d e f g", "is"]),
]
RECORDS = "".join(json.dumps({"query": query, "candidates": texts}) + "\n" for query, texts in PAIRS)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with three labels."""
    folder = tmp_path_factory.mktemp("labels") / "three"
    folder.mkdir()
    write_model(folder, num_labels=3, initializer_range=0.5)
    write_tokenizer(folder, WORDS)
    return folder


def logits_of(folder: Path, label: int | None, engine: str = "torch", **options: Any) -> list[float]:
    config = ModelConfig(
        model=str(folder), engine=engine, label=label, **{"device": "cpu", "dtype": "fp32", "max_length": 64, **options}
    )
    scorer = open_scorer(config)
    scorer.load()
    assert scorer.identity.label == label
    return [logit for answers in score_texts(scorer, PAIRS) for logit in answers]


def expected(folder: Path, label: int) -> list[float]:
    """The log-odds of a label, from all logits as sentence-transformers gives them."""
    oracle = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True)
    logits = oracle.predict([(query, text) for query, texts in PAIRS for text in texts])
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    chosen = probabilities[:, label]
    return list(np.log(chosen / (1 - chosen)))


@pytest.mark.parametrize("label", [0, 1, 2])
@pytest.mark.parametrize("engine", ["torch", "openvino", "onnx"])
def test_the_logit_is_the_log_odds_of_the_label(three: Path, engine: str, label: int) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    wanted = expected(three, label)
    assert float(np.std(wanted)) > 0.1
    assert logits_of(three, label, engine) == pytest.approx(wanted, abs=1e-4)


def test_sigmoid_gives_the_probability_of_the_label(three: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(RECORDS)
    done = forked("score", source, "-o", target, "--model", three, "--label", "1", "--device", "cpu")
    assert done.code == 0, done.said
    scores = {
        (record["query"], each["text"]): each["score"]
        for record in map(json.loads, target.read_text().splitlines())
        for each in record["candidates"]
    }
    wanted = iter(1 / (1 + np.exp(-np.array(expected(three, 1)))))
    assert [scores[query, text] for query, texts in PAIRS for text in texts] == pytest.approx(list(wanted), abs=1e-4)
    assert json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())["label"] == 1


def test_another_label_is_another_run(three: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(RECORDS)
    command = ["score", source, "-o", target, "--model", three, "--device", "cpu", "--resume"]
    assert forked(*command, "--label", "1").code == 0
    assert forked(*command, "--label", "1").code == 0
    refused = forked(*command, "--label", "2")
    assert refused.code == 8
    assert "--label was 1, is 2" in refused.said


def test_a_label_is_never_guessed(three: Path) -> None:
    with pytest.raises(ModelError) as fault:
        find_model(ModelConfig(model=str(three)))
    assert "3 labels" in str(fault.value)
    assert "--label N (0 to 2)" in fault.value.advice


def test_a_label_that_the_model_lacks_is_a_usage_error(three: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--label 3"):
        find_model(ModelConfig(model=str(three), label=3))
    for folder in (write_reranker(tmp_path / "one"), write_bi_encoder(tmp_path / "bi")):
        with pytest.raises(ConfigError, match="--label 0"):
            find_model(ModelConfig(model=str(folder), label=0))


def test_labels_that_do_not_exclude_each_other_are_refused(three: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(three, tmp_path / "model"))
    edit_json(folder / "config.json", problem_type="multi_label_classification")
    for label in (1, -1):
        with pytest.raises((ConfigError, ModelError), match="label"):
            find_model(ModelConfig(model=str(folder), label=label))


def test_numbers_of_labels_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    folder = write_reranker(tmp_path / "model")
    edit_json(folder / "config.json", num_labels=3, id2label={"0": "a", "1": "b"})
    for label in (None, 1):
        with pytest.raises(ModelError, match="labels"):
            find_model(ModelConfig(model=str(folder), label=label))


def test_an_exported_folder_keeps_its_label(three: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    target = tmp_path / "exported"
    done = forked("export", "--model", three, "-o", target, "--label", "2")
    assert done.code == 0, done.said
    found = find_model(ModelConfig(model=str(target)))
    assert found.label == 2
    assert logits_of(target, 2, "auto", dtype="auto") == pytest.approx(expected(three, 2), abs=1e-4)
    with pytest.raises(ConfigError, match="--label 1"):
        find_model(ModelConfig(model=str(target), label=1))
    edit_json(target / "rerank_export.json", label="two")
    with pytest.raises(ModelError, match="label"):
        find_model(ModelConfig(model=str(target)))


def test_int8_rounds_the_weights_of_the_body_and_keeps_the_head_as_it_is(tmp_path: Path) -> None:
    """Activations are rounded while it runs, in another way on each processor: 0.1 of the spread on one without AMX.

    Larger weights would multiply that: by 0.5 in the place of 0.2 it was 0.92 on a processor with AMX.
    """
    openvino = pytest.importorskip("openvino")
    (folder := tmp_path / "three").mkdir()
    write_model(folder, num_labels=3, initializer_range=0.2)
    write_tokenizer(folder, WORDS)
    with cache_in(tmp_path / "cache"):
        found = np.array(logits_of(folder, 1, "openvino", dtype="int8"))
    [path] = (tmp_path / "cache").rglob("*.xml")
    graph = openvino.Core().read_model(path)
    kept, rounded = set(), set()
    for name, weight in load_file(folder / "model.safetensors").items():
        if not name.endswith(".weight") or "LayerNorm" in name:
            continue
        [constant] = [op for op in graph.get_ops() if op.get_friendly_name().endswith(name)]
        if constant.get_element_type().get_type_name() == "f32":
            kept.add(name)
            assert np.array_equal(constant.data, weight)
        else:
            rounded.add(name)
            [convert] = [each.get_node() for each in constant.output(0).get_target_inputs()]
            [multiply] = [each.get_node() for each in convert.output(0).get_target_inputs()]
            restored = constant.data.astype(np.float32) * multiply.input_value(1).get_node().data
            assert np.abs(restored - weight).max() < 0.006 * np.abs(weight).max()
    assert kept == {"bert.pooler.dense.weight", "classifier.weight"}
    assert len(rounded) == 15
    right = np.array(expected(folder, 1))
    assert np.abs(found - right).max() < 0.5 * right.std()


def test_a_model_with_several_labels_is_described_with_what_to_add(three: Path) -> None:
    done = forked("models", three, "--json")
    assert done.code == 6
    assert "--label" in done.records[0]["refused"]["advice"]
    assert forked("models", three, "--label", "1").code == 0
