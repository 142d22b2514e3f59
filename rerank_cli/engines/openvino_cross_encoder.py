"""Cross-encoders on OpenVINO, for CPUs: fp32, bf16 and int8.

The graph comes from `rerank export`, or is written to the user's cache by the first run. int8 means weights in eight
bits, and activations rounded to eight bits at run time, in groups of a token's values with a scale each. There is no
calibration, and the logit of a pair does not depend on its batch. Rejected alternative: nncf's static quantization. It
may be faster, but its logits drifted many times as far in measurements (docs/experiments.md, E16).
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, DeviceError, ModelError
from rerank_cli.core.scorer import Batch, OutOfMemory, PreparedPair, Traits
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.graphs import announce_graph, computed_dtype, graph_note, refuse_old_export
from rerank_cli.engines.machine import physical_cores
from rerank_cli.engines.memory import refuse_what_cannot_fit
from rerank_cli.engines.registry import ENGINES, GRAPHS, not_installed
from rerank_cli.engines.self_test import prove
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.graph_files import ExportedGraph, kept_graph, scratch_folder
from rerank_cli.models.libraries import in_short

# Rows are padded to multiples of eight: each new shape costs OpenVINO some milliseconds once (docs/experiments.md,
# E14).
TRAITS = Traits(multiple=8, batch_tokens=1024, window_batches=32)
ENGINE, GRAPH = ENGINES["openvino"], GRAPHS["openvino"]
RUNTIME = "rerank_cli.engines.openvino_runtime"  # imports the library
OUT_OF_MEMORY = ("bad_alloc", "bad alloc", "out of memory", "Cannot allocate memory")


class OpenVinoCrossEncoder:
    """A cross-encoder in OpenVINO, on a CPU, one batch at a time."""

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        if config.device not in ("auto", "cpu"):
            raise ConfigError(
                f"--device {config.device}: the openvino engine supports CPUs only",
                "Use --device cpu, or --engine torch.",
            )
        self._text_model = open_cross_encoder(config, found)
        folder = self._text_model.folder
        folder.refuse_graph("openvino")
        refuse_old_export(folder)
        self.notes = self._text_model.notes
        self.traits = TRAITS
        self._dtype = computed_dtype(folder, config.dtype, GRAPH.stored, ENGINE.default_dtype("cpu"))
        refuse_what_cannot_fit(folder, self._dtype)
        self._threads = config.threads or physical_cores()
        libraries = ["openvino"]
        if folder.graph is None:
            libraries.append("torch")
            if self._dtype == "int8":
                if missing := not_installed(GRAPH.packages):
                    raise ConfigError(f"--dtype int8: {', '.join(missing)} is not installed", ENGINE.installation)
                libraries += GRAPH.packages
        native = self._dtype != "fp32" and bool(import_module(RUNTIME).computes_bfloat16())
        if self._dtype == "bf16" and not native:
            raise DeviceError(
                "--dtype bf16: this CPU has no bfloat16 instructions", "Use fp32 or int8; --engine torch emulates bf16."
            )
        self._half = native  # with int8: softmax and norms
        cpu = "cpu with bfloat16" if self._half and self._dtype == "int8" else "cpu"
        self.identity = self._text_model.identity("openvino", cpu, self._dtype, self._threads, libraries)
        self._note = graph_note(self._text_model, "openvino", GRAPH.stored[self._dtype][0], self.identity.versions)
        announce_graph(self._text_model, self._note)
        self._request: Any = None

    def load(self) -> None:
        """Compile the graph, converting the model first if needed, then self-test; once."""
        if self._request is not None:
            return
        self._text_model.open()
        runtime: Any = import_module(RUNTIME)
        settings = runtime.settings_for(self._text_model.facts, self._dtype, self._half, self._threads)
        with scratch_folder() as scratch:
            graph = self._text_model.folder.graph or self._made_graph(scratch)
            try:
                compiled = runtime.compiled(graph.main, settings)
            except RuntimeError as fault:
                raise ModelError(
                    f"{graph.main}: cannot be compiled ({in_short(fault)})",
                    "Export the model again, or use --engine torch.",
                ) from None
        takes = [port.any_name for port in compiled.inputs]
        if sorted(takes) != sorted(self._text_model.inputs):
            raise ModelError(
                f"{graph.main}: inputs {', '.join(takes)}, but the tokenizer has {', '.join(self._text_model.inputs)}",
                "Export the model again: the tokenizer belongs to another model.",
            )
        self._request = compiled.create_infer_request()
        prove(self, self._text_model.folder.path, DeviceError("cpu: out of memory for the model", "Use --dtype int8."))

    def _made_graph(self, scratch: Path | None) -> ExportedGraph:
        def make(target: Path) -> None:
            import_module(GRAPH.maker).make_graph(self._text_model, GRAPH.stored[self._dtype][0], target)

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
        for batch in batches:
            names, padded = self._text_model.arrays(batch, masked=True, multiple=TRAITS.multiple)
            logits = self._compute(dict(zip(names, padded, strict=True)))
            if logits is None:
                raise OutOfMemory(batch)
            yield logits

    def _compute(self, inputs: dict[str, Any]) -> list[float] | None:
        """The logits of a batch; None when it does not fit into memory."""
        try:
            return [float(logit) for logit in self._request.infer(inputs, share_inputs=True)[0].reshape(-1)]
        except RuntimeError as fault:
            if any(words in str(fault) for words in OUT_OF_MEMORY):
                return None
            raise

    def close(self) -> None:
        """Drop the model."""
        self._request = None
