"""Convert the torch model of a cross-encoder to an OpenVINO graph.

int8 stores each weight in eight bits with one scale per row of its matrix (nncf's data-free compression). The head, and
upper layers that a model excludes, stay in float: they decide the order of close candidates. (OpenVINO 2026.4 also
returns wrong results for a compressed layer with one output in bfloat16 on two streams.)
"""

from functools import partial
from pathlib import Path
from typing import Any

import openvino
import torch

from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.engines.machine import physical_cores
from rerank_cli.engines.openvino_runtime import compiled, computes_bfloat16, settings_for
from rerank_cli.engines.torch_graph import LogitsOnly, example_inputs, exporting, prove_graph
from rerank_cli.models.graph_files import MAIN
from rerank_cli.models.libraries import quiet_nncf, quietly

TOLERANCE = {  # relative to the largest logit; random tokens and one-token texts are far from the training data
    ("fp32", False): 1e-3,
    ("fp16", False): 2e-2,
    ("int8", False): 0.5,
    ("fp32", True): 0.5,
    ("fp16", True): 0.5,
    ("int8", True): 0.5,
}


def make_graph(encoder: CrossEncoder, dtype: str, target: Path) -> None:
    """Write the graph into the folder `target`: weights as `dtype` ("fp32", "fp16" or "int8").

    Raises ModelError when the model cannot be loaded or traced, or the graph computes other logits.
    """
    model = LogitsOnly(encoder)
    written = target / MAIN["openvino"]
    with exporting(encoder, "openvino"):
        with quietly(), torch.inference_mode():
            graph = openvino.convert_model(model, example_input=example_inputs(encoder))
        if dtype == "int8":
            graph = _compress_weights(graph, model.in_float)
        openvino.save_model(graph, str(written), compress_to_fp16=dtype == "fp16")
        del graph
        for half in (False, True) if computes_bfloat16() else (False,):
            settings = settings_for(encoder.facts, dtype, half, physical_cores())
            graph_here = compiled(written, settings)
            prove_graph(encoder, model, partial(_logits, graph_here), TOLERANCE[dtype, half])
            del graph_here


def _logits(graph: Any, inputs: dict[str, Any]) -> Any:
    return graph(inputs)[0]


def _compress_weights(graph: Any, in_float: list[str]) -> Any:
    import nncf

    quiet_nncf()
    spared = nncf.IgnoredScope(patterns=in_float, validate=False)
    with quietly():
        return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM, ignored_scope=spared)
