"""Cross-encoders of the sequence-classification family on torch.

Constructing one imports no torch, where the device is known without it: a run with nothing to do needs none. The
computation is in `torch_model`.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, DeviceError
from rerank_cli.core.scorer import Batch, PreparedPair, Traits
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.machine import default_threads, device_name, has_no_gpu
from rerank_cli.engines.memory import refuse_what_cannot_fit, refuse_what_is_not_free
from rerank_cli.engines.registry import ENGINES
from rerank_cli.engines.self_test import prove
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.text_model import TextModel

TRAITS = {
    "cpu": Traits(multiple=1, batch_tokens=1024, window_batches=32),
    "cuda": Traits(multiple=1, batch_tokens=32768, window_batches=16),
    "mps": Traits(multiple=1, batch_tokens=8192, window_batches=16),
}


class TorchCrossEncoder:
    """A cross-encoder in torch; `loaded` is the model on its device."""

    engine = "torch"
    open_model: Callable[[ModelConfig, ModelFolder | None], TextModel[Any]] = staticmethod(open_cross_encoder)
    computation = ("rerank_cli.engines.torch_model", "LoadedCrossEncoder")

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        if config.dtype not in ("auto", *ENGINES[self.engine].dtypes):
            raise ConfigError(
                f"--dtype {config.dtype}: not supported by the {self.engine} engine", "Use auto, fp32, fp16 or bf16."
            )
        self._device = torch_device(config.device)
        kind = self._device.partition(":")[0]
        default = ENGINES[self.engine].default_dtype(self._device)
        self._dtype = default if config.dtype == "auto" else config.dtype
        self._text_model = self.open_model(config, found)
        self._text_model.folder.refuse_graph(self.engine)
        if self._device == "cpu":
            refuse_what_cannot_fit(self._text_model.folder, self._dtype)
        self.notes = self._text_model.notes
        self.traits = TRAITS[kind]
        self._threads = config.threads or default_threads()
        name = device_name(self._device) if kind == "cuda" else kind
        self.identity = self._text_model.identity(self.engine, name, self._dtype, self._threads, ["torch"])
        self.loaded: Any = None

    def load(self) -> None:
        """Load the weights onto the device, then self-test; once. Raises ModelError or DeviceError."""
        if self.loaded is not None:
            return
        if self._device.startswith("cuda"):
            refuse_what_is_not_free(self._text_model.folder, self._dtype, self._device)
        self._text_model.open()
        module, name = self.computation
        advice = "Use --dtype fp16 or --device cpu."
        if self._device == "cpu":
            advice = "Use a smaller model, --engine openvino --dtype int8, or a machine with more memory."
        memory = DeviceError(f"{self.identity.device}: out of memory for the model", advice)
        load = getattr(import_module(module), name)
        try:
            self.loaded = load(self._text_model, self._device, self._dtype, self._threads)
        except MemoryError:
            raise memory from None
        prove(self, self._text_model.folder.path, memory)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Tokenize (query, document) pairs on the CPU; one prepared pair each, in the same order."""
        return self._text_model.prepare(pairs)

    def content(self, pair: PreparedPair) -> bytes:
        """The token ids of a prepared pair."""
        return self._text_model.content(pair)

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield the float32 logits of each batch, in order. Raises OutOfMemory with the first batch that does not fit.

        Raises PassingFault when the device is lost.
        """
        logits: Iterator[list[float]] = self.loaded.score(batches)
        return logits

    def close(self) -> None:
        """Drop the model."""
        self.loaded = None


def torch_device(wanted: str) -> str:
    """Resolve --device as torch does; torch is imported unless the answer is the CPU in any case.

    Raises DeviceError for a missing device.
    """
    if wanted == "cpu" or (wanted == "auto" and has_no_gpu()):
        return "cpu"
    return str(import_module("rerank_cli.engines.torch_device").choose_device(wanted))
