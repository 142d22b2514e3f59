"""Convert the torch model of a cross-encoder to an ONNX graph.

int8 stores weights in eight bits with a scale per output channel, except for the head, and upper layers that a model
excludes. Activations are rounded at run time (onnxruntime's dynamic quantization). Weights are signed if the CPU has
VNNI, else unsigned: x86 without VNNI adds products with signed bytes in 16 bits, which saturate.
"""

import re
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import onnxruntime
import torch

from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.engines.machine import has_vnni
from rerank_cli.engines.torch_device import TORCH_DTYPES
from rerank_cli.engines.torch_graph import LogitsOnly, example_inputs, exporting, prove_graph
from rerank_cli.models.graph_files import MAIN
from rerank_cli.models.libraries import quietly

TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2, "int8": 0.5}  # relative to the largest logit, on random tokens


def make_graph(encoder: CrossEncoder, dtype: str, target: Path) -> None:
    """Write the graph into the folder `target`: weights as `dtype` ("fp32", "fp16" or "int8"), the head in float32.

    Raises ModelError when the model cannot be loaded or traced, or the graph computes other logits.
    """
    model = LogitsOnly(encoder, TORCH_DTYPES["fp32" if dtype == "int8" else dtype])
    rows, longest = torch.export.Dim("rows"), torch.export.Dim("longest")
    examples = example_inputs(encoder)
    with exporting(encoder, "onnx"), TemporaryDirectory(dir=target, prefix="float-") as between:
        plain = (Path(between) if dtype == "int8" else target) / MAIN["onnx"]
        with quietly(), torch.inference_mode():
            torch.onnx.export(
                model,
                args=(),
                f=str(plain),
                kwargs=examples,
                output_names=["logits"],
                dynamic_shapes={name: {0: rows, 1: longest} for name in examples},
                dynamo=True,
                external_data=True,
                verbose=False,
            )
        if dtype == "int8":
            with quietly():
                _quantize(plain, target / MAIN["onnx"], model.in_float)
        session = onnxruntime.InferenceSession(str(target / MAIN["onnx"]), providers=["CPUExecutionProvider"])
        prove_graph(encoder, model, lambda inputs: session.run(None, inputs)[0], TOLERANCE[dtype])


def _quantize(plain: Path, target: Path, in_float: list[str]) -> None:
    import onnx
    from onnx import external_data_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(str(plain))
    graph.graph.ClearField("value_info")  # shapes that torch's exporter notes and its optimizer then changes
    external_data_helper.uuid = SimpleNamespace(uuid1=uuid.uuid4)  # the original opens a socket to get an address
    scopes = {
        node.name: each.value
        for node in graph.graph.node
        for each in node.metadata_props
        if each.key == "pkg.torch.onnx.name_scopes"
    }
    spared = [name for name, scope in scopes.items() if re.match("|".join(in_float), scope)]
    quantize_dynamic(
        graph,
        target,
        nodes_to_exclude=[*spared, *(f"{name}_MatMul" for name in spared)],  # the head's Gemm becomes a MatMul first
        per_channel=True,
        weight_type=QuantType.QInt8 if has_vnni() else QuantType.QUInt8,
        op_types_to_quantize=["MatMul", "Gemm"],
        use_external_data_format=True,
    )
