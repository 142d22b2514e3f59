"""Cross-encoders of the sequence-classification family on torch: cpu, cuda, mps.

The body runs in the chosen dtype, the head always in float32, because half-precision logits of good candidates collide.
On CUDA one batch is in flight: while the device computes it, Python builds the next one, and logits are fetched one
batch later. On a CPU several batches are computed at once. Attention is that of transformers, SDPA if the architecture
supports it (but see `torch_plain_attention`). Rows of equal length get no mask, which allows the fastest SDPA kernel.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, DeviceError
from rerank_cli.core.scorer import Batch, OutOfMemory, PreparedPair
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.lanes import lanes_for, side_by_side
from rerank_cli.engines.registry import ENGINES
from rerank_cli.engines.self_test import prove
from rerank_cli.engines.torch_device import TORCH_DTYPES, TRAITS, choose_device, is_out_of_memory, raise_if_lost
from rerank_cli.engines.torch_packed_linear import pack_linear_layers
from rerank_cli.engines.torch_plain_attention import use_plain_attention
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.load import keep_head_in_float32, load_model
from rerank_cli.models.text_model import TextModel


@dataclass(slots=True)
class _InFlight:
    """A batch that the device is computing; `logits` are on the host after the event `done`."""

    logits: torch.Tensor
    done: torch.cuda.Event

    def fetch(self) -> list[float]:
        """Wait for the logits. Raises PassingFault when the device was lost."""
        try:
            self.done.synchronize()
        except RuntimeError as fault:
            raise_if_lost(fault)
            raise
        return list(self.logits.tolist())


class TorchCrossEncoder:
    """A cross-encoder in torch: lanes on a CPU, one batch in flight on a CUDA device."""

    engine = "torch"
    open_model: Callable[[ModelConfig, ModelFolder | None], TextModel[Any]] = staticmethod(open_cross_encoder)

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        if config.dtype not in ("auto", *ENGINES[self.engine].dtypes):
            raise ConfigError(
                f"--dtype {config.dtype}: not supported by the {self.engine} engine", "Use auto, fp32, fp16 or bf16."
            )
        self.device = choose_device(config.device)
        dtype = config.dtype if config.dtype != "auto" else "fp16" if self.device.type == "cuda" else "fp32"
        self._dtype = TORCH_DTYPES[dtype]
        self._text_model = self.open_model(config, found)
        self._text_model.folder.refuse_graph(self.engine)
        self.notes = self._text_model.notes
        self.traits = TRAITS[self.device.type]
        threads = config.threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        self._lanes = lanes_for(threads) if self.device.type == "cpu" else 1
        self._lane_threads = threads // self._lanes
        self._model: Any = None
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        self.identity = self._text_model.identity(self.engine, name, dtype, threads, ["torch"])

    def load(self) -> None:
        """Load the weights onto the device, then self-test; once. Raises ModelError or DeviceError."""
        if self._model is not None:
            return
        model = self._load_weights()
        if self.device.type == "cpu":
            pack_linear_layers(model.base_model)
            if self._dtype is torch.bfloat16:
                use_plain_attention(model)
        memory = DeviceError(
            f"{self.identity.device}: out of memory for the model", "Use --dtype fp16 or --device cpu."
        )
        try:
            self._model = model.to(self.device).eval()
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                raise memory from None
            raise
        prove(self, self._text_model.folder.path, memory)

    def _load_weights(self) -> Any:
        """The model on the CPU."""
        folder = self._text_model.folder
        model = load_model(folder, self._text_model.config, self._dtype)
        keep_head_in_float32(model, folder)
        return model

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Tokenize (query, document) pairs on the CPU; one prepared pair each, in the same order."""
        return self._text_model.prepare(pairs)

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield the float32 logits of each batch, in order. Raises OutOfMemory with the first batch that does not fit.

        Raises PassingFault when the device is lost.
        """
        if self.device.type == "cuda":
            return self._one_in_flight(batches)
        return side_by_side(self._compute, self._lanes, batches)

    def _one_in_flight(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        before: _InFlight | None = None
        for batch in batches:
            current = self._launch(batch)
            if before is not None:
                yield before.fetch()
                before = None
            if current is None:  # outside the except block, the tensors of the failed batch are freed
                torch.cuda.empty_cache()
                raise OutOfMemory(batch)
            before = current
        if before is not None:
            yield before.fetch()

    @torch.inference_mode()
    def _launch(self, batch: Batch) -> _InFlight | None:
        """Start a batch; None when it does not fit into memory."""
        try:
            with torch.cuda.device(self.device):  # events are recorded on the current device's stream
                logits = self._logits(batch)
                host = torch.empty(logits.shape, dtype=torch.float32, pin_memory=True)
                host.copy_(logits, non_blocking=True)
                done = torch.cuda.Event()  # type: ignore[no-untyped-call]
                done.record()
            return _InFlight(host, done)
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                return None
            raise_if_lost(fault)
            raise

    @torch.inference_mode()
    def _compute(self, batch: Batch) -> list[float] | None:
        """The logits of a batch, computed in this thread; None when it does not fit into memory."""
        torch.set_num_threads(self._lane_threads)  # a setting of each thread
        try:
            return list(self._logits(batch).tolist())
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                return None
            raise

    def _logits(self, batch: Batch) -> torch.Tensor:
        """A float32 logit for each pair of the batch, on the device."""
        logits: torch.Tensor = self._model(**self._inputs(batch), return_dict=True).logits
        return logits.float().flatten()

    def _inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Padded int64 tensors (rows × longest), without a mask if all rows are equally long."""
        names, padded = self._text_model.arrays(batch, masked=False)
        return dict(zip(names, self._on_device(padded), strict=True))

    def _on_device(self, padded: "np.ndarray[Any, np.dtype[np.int64]]") -> torch.Tensor:
        """Copy all tensors of a batch to the device at once."""
        host = torch.from_numpy(padded)
        if self.device.type == "cuda":
            return host.pin_memory().to(self.device, non_blocking=True)
        return host.to(self.device)

    def close(self) -> None:
        """Drop the model."""
        self._model = None
