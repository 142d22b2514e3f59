"""Cross-encoders on onnxruntime: fp32 and int8 on CPUs, fp16 and fp32 on CUDA with onnxruntime-gpu.

The graph comes from `rerank export`, or is written to the user's cache by the first run. int8 rounds the activations of
a batch with one scale, so the logit of a pair depends on its batch. OpenVINO's int8 does not.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, DeviceError, ModelError, PassingFault
from rerank_cli.core.scorer import Batch, PreparedPair, Traits
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.graphs import announce_graph, computed_dtype, graph_note
from rerank_cli.engines.lanes import lanes_for, side_by_side
from rerank_cli.engines.machine import has_no_gpu, has_vnni, physical_cores
from rerank_cli.engines.registry import ENGINES, GRAPHS, not_installed
from rerank_cli.engines.self_test import prove
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.graph_files import ExportedGraph, kept_graph, scratch_folder
from rerank_cli.models.libraries import in_short

TRAITS = {
    "cpu": Traits(multiple=1, batch_tokens=1024, window_batches=32),
    "cuda": Traits(multiple=1, batch_tokens=32768, window_batches=16),
}
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ENGINE, GRAPH = ENGINES["onnx"], GRAPHS["onnx"]
OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate memory", "out of memory")


def _supports_cuda() -> bool:
    """Whether the installed onnxruntime is one for CUDA."""
    onnxruntime: Any = import_module("onnxruntime")
    return PROVIDERS["cuda"] in onnxruntime.get_available_providers()


class OnnxCrossEncoder:
    """A cross-encoder in onnxruntime, on a CPU or a CUDA device."""

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        device, _, self._number = config.device.partition(":")
        if device == "auto":
            device = "cpu" if has_no_gpu() or not _supports_cuda() else "cuda"
        if device not in PROVIDERS:
            raise ConfigError(f"--device {device}: not supported by the onnx engine", "Use cpu or cuda.")
        if device == "cuda" and not _supports_cuda():
            raise DeviceError("--device cuda: the installed onnxruntime is for CPUs only", "Install onnxruntime-gpu.")
        self._device = device
        self._text_model = open_cross_encoder(config, found)
        folder = self._text_model.folder
        folder.refuse_graph("onnx")
        self.notes = self._text_model.notes
        self.traits = TRAITS[device]
        self._dtype = computed_dtype(folder, config.dtype, GRAPH.stored, ENGINE.default_dtype(device))
        self._threads = config.threads or physical_cores()
        self._lanes = lanes_for(self._threads) if device == "cpu" else 1
        libraries = ["onnxruntime"]
        if folder.graph is None:
            if missing := not_installed(GRAPH.packages):
                raise ConfigError(f"--engine onnx: {', '.join(missing)} not installed", ENGINE.installation)
            libraries += ["torch", *GRAPH.packages]
        self.identity = self._text_model.identity("onnx", self._device_name(), self._dtype, self._threads, libraries)
        self._note = graph_note(self._text_model, "onnx", self._dtype, self.identity.versions)
        announce_graph(self._text_model, self._note)
        self._session: Any = None

    def _device_name(self) -> str:
        """The class of hardware."""
        if self._device == "cpu":
            return "cpu" if self._dtype != "int8" or has_vnni() else "cpu without VNNI"
        import torch

        return torch.cuda.get_device_name(int(self._number or 0)) if torch.cuda.is_available() else self._device

    def load(self) -> None:
        """Open a session on the graph, converting the model first if needed, then self-test; once."""
        if self._session is not None:
            return
        self._text_model.open()
        onnxruntime: Any = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = (
            self._threads - self._lanes + 1
        )  # each lane is a thread, and they share the others
        options.log_severity_level = 3
        provider = (PROVIDERS[self._device], {"device_id": self._number} if self._number else {})
        with scratch_folder() as scratch:
            graph = self._text_model.folder.graph or self._made_graph(scratch)
            try:
                session = onnxruntime.InferenceSession(str(graph.main), options, providers=[provider])
            except Exception as fault:  # the library has many exceptions of its own
                raise ModelError(
                    f"{graph.main}: cannot be opened ({in_short(fault)})",
                    "Export the model again, or use --engine torch.",
                ) from None
        if session.get_providers()[0] != provider[0]:  # it falls back to the CPU and only logs that
            raise DeviceError(
                f"--device {self._device}: onnxruntime cannot use it", "Check CUDA and cuDNN, or use cpu."
            )
        session.disable_fallback()
        takes = [value.name for value in session.get_inputs()]
        if sorted(takes) != sorted(self._text_model.inputs):
            raise ModelError(
                f"{graph.main}: inputs {', '.join(takes)}, but the tokenizer has {', '.join(self._text_model.inputs)}",
                "Export the model again: the tokenizer belongs to another model.",
            )
        self._session = session
        prove(
            self,
            self._text_model.folder.path,
            DeviceError(f"{self._device}: out of memory for the model", "Use --dtype int8 or fp16."),
        )

    def _made_graph(self, scratch: Path | None) -> ExportedGraph:
        def make(target: Path) -> None:
            import_module(GRAPH.maker).make_graph(self._text_model, self._dtype, target)

        folder = self._text_model.folder
        return kept_graph(self._note, make, scratch, folder.verify, folder.name)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Tokenize (query, document) pairs on the CPU; one prepared pair each, in the same order."""
        return self._text_model.prepare(pairs)

    def content(self, pair: PreparedPair) -> bytes:
        """The token ids of a prepared pair."""
        return self._text_model.content(pair)

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield the float32 logits of each batch, in order.

        Raises OutOfMemory with the first batch that does not fit.
        """
        return side_by_side(self._compute, self._lanes, batches)

    def _compute(self, batch: Batch) -> list[float] | None:
        """The logits of a batch; None when it does not fit into memory. Several threads can use the session."""
        names, padded = self._text_model.arrays(batch, masked=True)
        try:
            (logits,) = self._session.run(None, dict(zip(names, padded, strict=True)))
        except Exception as fault:  # the library has many exceptions of its own
            if any(words in str(fault) for words in OUT_OF_MEMORY):
                return None
            if "CUDA failure" in str(fault):
                raise PassingFault(
                    f"the device was lost: {in_short(fault)}", "Run the same command with --resume."
                ) from fault
            raise
        return [float(logit) for logit in logits.reshape(-1)]

    def close(self) -> None:
        """Drop the session."""
        self._session = None
