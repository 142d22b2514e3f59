"""Which engines there are, and which of them `auto` takes.

An engine is named in SCORERS and imported only when it is asked for, so that commands which score nothing never pay
for torch.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.scorer import Scorer
from rerank_cli.models.find import find_model, refuse_empty
from rerank_cli.models.libraries import silence_libraries

DTYPES = ("auto", "fp32", "fp16", "bf16", "int8")
DEVICES = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?")
SCORERS = {
    "torch": "rerank_cli.engines.torch_cross_encoder:TorchCrossEncoder",
    "openvino": "rerank_cli.engines.openvino_cross_encoder:OpenVinoCrossEncoder",
    "onnx": "rerank_cli.engines.onnx_cross_encoder:OnnxCrossEncoder",
    "bi-encoder": "rerank_cli.engines.torch_bi_encoder:TorchBiEncoder",
    "fake": "rerank_cli.engines.fake:FakeScorer",
}
PROVEN_ON_OPENVINO = ("bert", "xlm-roberta")  # architectures that `auto` takes there: tests compare them with torch
NEEDS = {"openvino": ("openvino",), "onnx": ("onnxruntime",)}  # beyond what rerank itself needs


def open_scorer(config: ModelConfig) -> Scorer:
    """The engine that `config` asks for, not yet loaded.

    Raises ConfigError for an unknown or absent engine, ModelError when the model cannot be found.
    """
    refuse_empty(config)
    if config.engine not in ("auto", *SCORERS):
        raise ConfigError(f"--engine {config.engine}: unknown", f"Use one of auto, {', '.join(sorted(SCORERS))}.")
    if config.dtype not in DTYPES:
        raise ConfigError(f"--dtype {config.dtype}: unknown", f"Use one of {', '.join(DTYPES)}.")
    if not DEVICES.fullmatch(config.device):
        raise ConfigError(f"--device {config.device}: unknown", "Use auto, cpu, cuda, cuda:1 or mps.")
    silence_libraries(config.offline)
    name = config.engine if config.engine != "auto" else _fitting(config)
    missing = [package for package in NEEDS.get(name, ()) if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"--engine {name}: {', '.join(missing)} is not installed", f"pip install 'rerank-cli[{name}]'"
        )
    module, _, attribute = SCORERS[name].partition(":")
    made: Scorer = getattr(import_module(module), attribute)(config)
    return made


def _fitting(config: ModelConfig) -> str:
    """What `auto` means: the engine a folder was exported for; on CPUs OpenVINO, where it can be used; else torch.

    Raises what finding the model raises.
    """
    if config.model.partition(":")[0] == "fake":
        return "fake"
    folder = find_model(config)
    if folder.graph is not None:
        return folder.graph.format
    if folder.encoding is not None:
        return "bi-encoder"
    here = all(find_spec(package) for package in (*NEEDS["openvino"], "nncf"))
    fits = config.dtype in ("auto", "fp32", "bf16", "int8") and folder.config.get("model_type") in PROVEN_ON_OPENVINO
    if not here or not fits or config.device not in ("auto", "cpu"):
        return "torch"
    if config.dtype == "bf16" and not import_module("rerank_cli.engines.openvino_runtime").computes_bfloat16():
        return "torch"  # which emulates it
    return "torch" if config.device == "auto" and _has_accelerator() else "openvino"


def _has_accelerator() -> bool:
    """Whether torch would choose another device than the CPU."""
    torch: Any = import_module("torch")
    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())
