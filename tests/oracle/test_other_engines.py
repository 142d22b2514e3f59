"""OpenVINO and onnxruntime give the logits of torch, from a graph that is checked and written again when damaged.

Bounds are narrow on `steady` (tests/support/steady.py) and wide on `mini`, which multiplies differences: see
docs/experiments.md, E29.
"""

import functools
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from support.steady import sample_queries
from support.tiny import WORDS, write_model, write_reranker, write_tokenizer
from transformers import AutoModelForSequenceClassification

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.scorer import Batch, Scorer
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.self_test import score_together
from rerank_cli.evaluation.agreement import agreement
from rerank_cli.models.graph_files import MAIN
from rerank_cli.reranking.in_memory import load_and_score

Query = tuple[str, list[str]]
Paths = Callable[[str], str]
ENGINES = ("openvino", "onnx")
AGREE = {  # largest |Δlogit| in standard deviations, least Kendall's tau
    ("steady", "torch", "fp32"): (1e-4, 0.99),
    ("steady", "torch", "bf16"): (0.06, 0.95),
    ("steady", "openvino", "fp32"): (1e-4, 0.99),
    ("steady", "openvino", "bf16"): (0.06, 0.95),
    ("steady", "openvino", "int8"): (0.35, 0.93),
    ("steady", "onnx", "fp32"): (1e-4, 0.99),
    ("steady", "onnx", "int8"): (0.35, 0.9),
    ("mini", "torch", "fp32"): (1e-4, 0.99),
    ("mini", "torch", "bf16"): (0.3, 0.95),
    ("mini", "openvino", "fp32"): (1e-4, 0.99),
    ("mini", "openvino", "bf16"): (0.3, 0.95),
    ("mini", "openvino", "int8"): (0.35, 0.93),
    ("mini", "onnx", "fp32"): (1e-4, 0.99),
    ("mini", "onnx", "int8"): (0.75, 0.85),
}


def engine(name: str, dtype: str = "auto", model: str = "mini") -> Scorer:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxruntime", "torch": "torch"}[name])
    return open_scorer(ModelConfig(model=model, engine=name, dtype=dtype, device="cpu", max_length=512))


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    return sample_queries()


@pytest.fixture(scope="module")
def exact(path_of: Paths, queries: list[Query]) -> Callable[[str], list[list[float]]]:
    """The logits of a model in float64, pair by pair: two engines in float32 round to different sides of it."""

    def logits(model: str) -> list[list[float]]:
        encoder = open_cross_encoder(ModelConfig(model=path_of(model), device="cpu", max_length=512))
        exact_model: Any = AutoModelForSequenceClassification.from_pretrained(
            str(encoder.folder.path), dtype=torch.float64
        ).eval()

        def one(pair: tuple[str, str]) -> float:
            names, arrays = encoder.arrays(Batch.of(encoder.prepare([pair])), masked=True)
            inputs = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
            with torch.inference_mode():
                return float(exact_model(**inputs).logits.item())

        return [[one((query, text)) for text in texts] for query, texts in queries]

    return functools.cache(logits)


QUICK = {("steady", "torch", "bf16"), ("steady", "openvino", "fp32")}
AGREEING = [pytest.param(*each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in AGREE]


@pytest.mark.parametrize(("model", "name", "dtype"), AGREEING)
def test_logits_are_those_of_torch(
    path_of: Paths,
    queries: list[Query],
    exact: Callable[[str], list[list[float]]],
    capsys: pytest.CaptureFixture[str],
    model: str,
    name: str,
    dtype: str,
) -> None:
    try:
        found = agreement(exact(model), load_and_score(engine(name, dtype, path_of(model)), queries))
    except Exception as fault:
        if "no bfloat16 instructions" in str(fault):
            pytest.skip(str(fault))
        raise
    drift = f"drift max {found.max_drift:.2g}, mean {found.mean_drift:.2g}, {found.kendall_tau=:.4f}"
    with capsys.disabled():
        print(f"\n{model} {name} {dtype}: {drift}")
    largest, tau = AGREE[model, name, dtype]
    assert found.std > 1, "a model that tells nothing apart proves nothing"
    assert found.max_drift <= largest
    assert found.kendall_tau is not None
    assert found.kendall_tau >= tau


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "int8"])
def test_onnxruntime_side_by_side_gives_the_very_logits_of_one_after_another(dtype: str, queries: list[Query]) -> None:
    pytest.importorskip("onnxruntime")
    config = ModelConfig(model="mini", engine="onnx", dtype=dtype, device="cpu", max_length=512)
    one, four = (load_and_score(open_scorer(replace(config, threads=threads)), queries) for threads in (1, 4))
    assert one == four  # four lanes, each with one thread of its own


ALONE = {"steady": 2e-5, "mini": 1e-4}  # of a logit; torch on mini is in test_determinism.py


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("steady", "torch"),
        *(pytest.param(model, name, marks=pytest.mark.slow) for model in ALONE for name in ENGINES),
    ],
)
def test_a_pair_scores_the_same_alone_and_in_any_batch(path_of: Paths, model: str, name: str) -> None:
    near = ALONE[model]
    scorer = engine(name, "fp32", path_of(model))
    scorer.load()
    texts = ["hi", "a panda " * 40, "pandas eat bamboo", "x" * 900, ""]
    pairs = scorer.prepare([("what is panda?", text) for text in texts])
    alone = [score_together(scorer, [pair])[0] for pair in pairs]
    assert score_together(scorer, pairs) == pytest.approx(alone, abs=near)
    assert score_together(scorer, [pairs[0]] * 7) == pytest.approx([alone[0]] * 7, abs=near)  # no padding at all
    scorer.close()


@pytest.mark.slow
@pytest.mark.parametrize(("model", "near", "most"), [("steady", 0.005, 0.05), ("mini", 0.3, 0.3)])
def test_int8_of_openvino_does_not_depend_on_the_batch(
    path_of: Paths, queries: list[Query], model: str, near: float, most: float
) -> None:
    """Its scales are of a token's own values; what remains is rounding, in bfloat16 in the layers left in float.

    A sum in another order can round one value to the next of 255. On `steady` that moves a logit by up to 0.01: seldom.
    """
    scorer = engine("openvino", "int8", path_of(model))
    scorer.load()
    pairs = scorer.prepare(
        [("what is panda?", text) for text in ["hi", "a panda " * 40, "pandas eat bamboo", "x" * 900]]
    )
    pairs += scorer.prepare([(query, text) for query, texts in queries for text in texts[:5]])
    alone = [score_together(scorer, [pair])[0] for pair in pairs]
    together = [logit for at in range(0, len(pairs), 4) for logit in score_together(scorer, pairs[at : at + 4])]
    differences = sorted(abs(a - b) for a, b in zip(alone, together, strict=True))
    assert differences[len(pairs) * 9 // 10] <= near
    assert differences[-1] <= most


@pytest.mark.slow
@pytest.mark.parametrize("form", ENGINES)
def test_int8_leaves_in_float_the_upper_layers_that_a_model_asks_for(form: str, tmp_path: Path) -> None:
    pytest.importorskip({"openvino": "openvino", "onnx": "onnxruntime"}[form])

    write_model(tmp_path, num_hidden_layers=6, layers_in_float=2)
    write_tokenizer(tmp_path, WORDS)
    graphs: Any = import_module(f"rerank_cli.engines.{form}_graph")
    graphs.make_graph(open_cross_encoder(ModelConfig(model=str(tmp_path))), "int8", tmp_path)
    if form == "openvino":
        import openvino

        operations = openvino.Core().read_model(str(tmp_path / MAIN[form])).get_ops()
        constants = [each for each in operations if each.get_type_name() == "Constant"]
        rounded = {each.get_friendly_name() for each in constants if each.get_element_type() == openvino.Type.i8}
        layers = {int(found[1]) for name in rounded if (found := re.search(r"layer\.(\d+)\.", name))}
        assert layers == set(range(4))
    else:
        import onnx

        nodes = onnx.load(str(tmp_path / MAIN[form]), load_external_data=False).graph.node
        assert sum(node.op_type == "MatMulInteger" for node in nodes) == 4 * 6  # and none of the head
        scopes = [node.metadata_props for node in nodes if node.op_type == "MatMul"]
        left = {int(found[1]) for each in scopes if (found := re.search(r"layer\.(\d+)\.\w+\.dense", str(each)))}
        assert left == {4, 5}


def test_what_no_exporter_can_take_is_a_model_error(tiny: Path) -> None:
    pytest.importorskip("openvino")
    from rerank_cli.engines.cross_encoder import open_cross_encoder
    from rerank_cli.engines.torch_graph import exporting

    refused = pytest.raises(ModelError, match=r"steam \(ValueError")
    with refused, exporting(open_cross_encoder(ModelConfig(model=str(tiny))), "steam"):
        raise ValueError("no")


def test_a_graph_that_computes_otherwise_is_refused(tiny: Path) -> None:
    import torch

    from rerank_cli.engines.cross_encoder import open_cross_encoder
    from rerank_cli.engines.torch_graph import LogitsOnly, prove_graph

    encoder = open_cross_encoder(ModelConfig(model=str(tiny)))
    model = LogitsOnly(encoder)

    def without_the_mask(inputs: dict[str, Any]) -> Any:
        arrays = {name: torch.as_tensor(array) for name, array in inputs.items()}
        arrays["attention_mask"] = torch.ones_like(arrays["attention_mask"])
        with torch.inference_mode():
            return model(**arrays)

    with pytest.raises(ModelError, match="compute"):
        prove_graph(encoder, model, without_the_mask)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny reranker, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_reranker(tmp_path / "tiny")


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "rerank" / "graphs").glob("*"))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.slow
def test_the_graph_is_made_once(name: str, tiny: Path, tmp_path: Path) -> None:
    engine(name, "fp32", str(tiny)).load()
    (graph,) = kept(tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in graph.iterdir()}
    engine(name, "fp32", str(tiny)).load()
    assert kept(tmp_path) == [graph]
    assert {path.name: path.stat().st_mtime_ns for path in graph.iterdir()} == times


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.slow
def test_a_damaged_graph_in_the_cache_is_made_anew(name: str, tiny: Path, tmp_path: Path) -> None:
    engine(name, "fp32", str(tiny)).load()
    (graph,) = kept(tmp_path)
    weights = max(graph.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    engine(name, "fp32", str(tiny)).load()
    assert kept(tmp_path) == [graph]
    content[len(content) // 2] ^= 1
    assert weights.read_bytes() == content


@pytest.mark.slow
def test_other_weights_are_another_graph(tiny: Path, tmp_path: Path) -> None:
    engine("openvino", "fp32", str(tiny)).load()
    weights = tiny / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    engine("openvino", "fp32", str(tiny)).load()
    assert len(kept(tmp_path)) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_a_cache_that_can_be_written_the_graph_is_made_each_time(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    engine("openvino", "fp32", str(tiny)).load()
    assert kept(tmp_path) == []


def test_a_file_where_the_cache_should_be_is_no_obstacle(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    engine("openvino", "fp32", str(tiny)).load()
    assert (tmp_path / "cache").read_text() == ""


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("openvino", {"device": "cuda"}, "--device"),
        ("openvino", {"dtype": "fp16"}, "--dtype"),
        ("onnx", {"dtype": "bf16"}, "--dtype"),
        ("onnx", {"device": "mps"}, "--device"),
        ("torch", {"dtype": "int8"}, "--dtype"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_before_loading(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_scorer(replace(ModelConfig(model="mini", engine=name), **options))


def test_auto_takes_openvino_on_a_cpu_where_it_is_installed(path_of: Paths) -> None:
    pytest.importorskip("nncf")
    pytest.importorskip("openvino")
    config = ModelConfig(model=path_of("steady"), device="cpu")
    assert open_scorer(config).identity.engine == "openvino"
    assert open_scorer(replace(config, dtype="int8")).identity.dtype == "int8"


@pytest.mark.slow
def test_only_the_head_is_left_in_float32_by_int8(tiny: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    engine("openvino", "int8", str(tiny)).load()
    (graph,) = kept(tmp_path)
    note = json.loads((graph / "rerank_export.json").read_text())
    assert note["dtype"] == "int8"
    model = openvino.Core().read_model(graph / "openvino_model.xml")
    matrices = [
        op for op in model.get_ordered_ops() if op.get_type_name() == "MatMul" and "linear" in op.get_friendly_name()
    ]
    plain = [op.get_friendly_name() for op in matrices if op.input_value(1).get_node().get_type_name() == "Constant"]
    assert len(matrices) == 2 * 6 + 2  # two layers of six, pooler and classifier
    assert all("pooler" in name or "classifier" in name for name in plain), plain
    assert len(plain) == 2


@pytest.mark.slow
def test_a_graph_that_takes_other_inputs_is_refused(tiny: Path, tmp_path: Path) -> None:
    engine("openvino", "fp32", str(tiny)).load()
    (graph,) = kept(tmp_path)
    for path in graph.iterdir():
        (tiny / path.name).write_bytes(path.read_bytes())
    (tiny / "model.safetensors").unlink()
    engine("openvino", "auto", str(tiny)).load()  # it is an exported model now
    text = (tiny / "config.json").read_text().replace('"type_vocab_size": 2', '"type_vocab_size": 1')
    (tiny / "config.json").write_text(text)
    with pytest.raises(ModelError, match="tokenizer"):
        engine("openvino", "auto", str(tiny)).load()
