"""The engines: one row each with its requirements and features.

Options, the choice of an engine, the export, the benchmark and the engine itself read the row before the engine is
imported. So this module imports no engine; `choice` opens one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from rerank_cli.core.dtypes import DTYPES
from rerank_cli.core.installation import installation

ENGINE_DTYPES = ("auto", *DTYPES)  # values of --dtype
DEVICES = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?")  # values of --device


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphs:
    """The graphs of an engine, written by `rerank export` or the first run.

    `packages` are needed for the conversion, besides those of the engine. `stored` maps the dtype of the computation to
    the dtypes of a graph's weights that support it, the preferred one first. `noted` are the libraries whose versions
    an exported folder names.
    """

    maker: str  # module of `make_graph`
    packages: tuple[str, ...]
    stored: Mapping[str, tuple[str, ...]]
    noted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The requirements and features of an engine.

    `module` is in this wing, and `scorer` is its class. `packages` are needed besides those of rerank; the `extra` of
    rerank-cli installs them, and those for conversions. `dtypes` are supported on every device. `benchmarked` has the
    dtypes that `rerank bench` compares by default, by device. `compared_with_torch` lists the architectures whose
    scores are tested against torch: `--engine auto` uses the engine for these only.
    """

    module: str
    scorer: str
    dtypes: tuple[str, ...]
    devices: tuple[str, ...] = ("cpu", "cuda", "mps")
    on_cuda: str = "fp32"  # what --dtype auto means there; elsewhere it is fp32
    packages: tuple[str, ...] = ()
    extra: str = ""
    benchmarked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compared_with_torch: tuple[str, ...] = ()
    graphs: Graphs | None = None

    def default_dtype(self, device: str) -> str:
        """What --dtype auto means on a device."""
        return self.on_cuda if device.startswith("cuda") else "fp32"

    @property
    def export_packages(self) -> tuple[str, ...]:
        """The packages to convert a model and to compute on its graph."""
        return self.packages if self.graphs is None else (*self.packages, *self.graphs.packages)

    @property
    def installation(self) -> str:
        """The command that installs what the engine needs."""
        return installation(self.extra)


ENGINES = {
    "torch": Engine(
        module="torch_cross_encoder",
        scorer="TorchCrossEncoder",
        dtypes=("fp32", "fp16", "bf16"),
        on_cuda="fp16",
        benchmarked={"cpu": ("fp32", "bf16"), "cuda": ("fp16", "bf16")},
    ),
    "openvino": Engine(
        module="openvino_cross_encoder",
        scorer="OpenVinoCrossEncoder",
        dtypes=("fp32", "bf16", "int8"),
        devices=("cpu",),
        packages=("openvino",),
        extra="openvino",
        benchmarked={"cpu": ("fp32", "bf16", "int8")},
        compared_with_torch=("bert", "modernbert", "xlm-roberta"),
        graphs=Graphs(
            maker="rerank_cli.engines.openvino_graph",
            packages=("nncf",),
            stored={"fp32": ("fp32", "fp16"), "bf16": ("fp32", "fp16"), "int8": ("int8",)},
            noted=("openvino", "nncf", "torch", "transformers"),
        ),
    ),
    "onnx": Engine(
        module="onnx_cross_encoder",
        scorer="OnnxCrossEncoder",
        dtypes=("fp32", "fp16", "int8"),
        devices=("cpu", "cuda"),
        on_cuda="fp16",
        packages=("onnxruntime",),
        extra="onnx",
        benchmarked={"cpu": ("fp32", "int8")},
        graphs=Graphs(
            maker="rerank_cli.engines.onnx_graph",
            packages=("onnx", "onnxscript"),
            stored={"fp32": ("fp32",), "fp16": ("fp16",), "int8": ("int8",)},
            noted=("onnxruntime", "onnx", "torch", "transformers"),
        ),
    ),
    "bi-encoder": Engine(
        module="torch_bi_encoder", scorer="TorchBiEncoder", dtypes=("fp32", "fp16", "bf16"), on_cuda="fp16"
    ),
    "yes-no": Engine(
        module="torch_yes_no",
        scorer="TorchYesNo",
        dtypes=("fp32", "fp16", "bf16"),
        on_cuda="bf16",
        benchmarked={"cpu": ("fp32", "bf16"), "cuda": ("bf16",)},
    ),
    "late-interaction": Engine(
        module="torch_late_interaction",
        scorer="TorchLateInteraction",
        dtypes=("fp32", "fp16", "bf16"),
        on_cuda="fp16",
        benchmarked={"cpu": ("fp32", "bf16"), "cuda": ("fp16", "bf16")},
    ),
    "http": Engine(
        module="remote_reranker", scorer="RemoteReranker", dtypes=("fp32",), packages=("httpx2",), extra="http"
    ),
    "fake": Engine(module="fake", scorer="FakeScorer", dtypes=("fp32",)),
}
FOR_TESTS = frozenset({"fake"})  # engines that help, completion and messages do not offer
OFFERED = tuple(name for name in ENGINES if name not in FOR_TESTS)
# formats of `rerank export`
GRAPHS = {name: engine.graphs for name, engine in ENGINES.items() if engine.graphs is not None}


def not_installed(packages: Iterable[str]) -> list[str]:
    """Those packages that are not installed; none is imported."""
    return [package for package in packages if find_spec(package) is None]
