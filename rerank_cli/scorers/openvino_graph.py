"""Make OpenVINO's graph of a cross-encoder from its torch model, once.

int8 stores each weight in eight bits with one scale per row of its matrix (nncf's data-free compression), except those
of the head: near the top of a list it decides the order. (OpenVINO 2026.4 also gives garbage for a compressed layer
with one output, when it computes in bfloat16 on two streams.)
"""

import logging
import sys
from pathlib import Path
from typing import Any

import torch

from rerank_cli.scorers.cross_encoder import CrossEncoder
from rerank_cli.scorers.graph_files import MAIN
from rerank_cli.scorers.torch_graph import LogitsOnly, example_inputs, exporting, prove_graph, quietly

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402


def make_graph(encoder: CrossEncoder, dtype: str, target: Path) -> None:
    """Write the graph into the folder `target`: weights as `dtype` ("fp32", "fp16" or "int8").

    Raises ModelError when the model cannot be loaded or traced, or the graph does not compute the same.
    """
    model = LogitsOnly(encoder)
    with exporting(encoder, "openvino"):
        with quietly(), torch.inference_mode():
            graph = openvino.convert_model(model, example_input=example_inputs(encoder))
        exact = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        prove_graph(encoder, model, lambda inputs: exact(inputs)[0])
        if dtype == "int8":
            graph = _compressed(graph, model.body)
        openvino.save_model(graph, str(target / MAIN["openvino"]), compress_to_fp16=dtype == "fp16")


def _compressed(graph: Any, body: str) -> Any:
    import nncf

    nncf.set_log_level(logging.ERROR)
    head = nncf.IgnoredScope(patterns=[rf"__module\._model\.(?!{body}\b).*", r".*\bpooler\b.*"], validate=False)
    with quietly():
        return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM, ignored_scope=head)
