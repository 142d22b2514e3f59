"""A text model loaded in torch, and the computation of its batches: cpu, cuda, mps.

The body runs in the chosen dtype, the head always in float32, because half-precision logits of good candidates collide.
On CUDA one batch is in flight: while the device computes it, Python builds the next one, and logits are fetched one
batch later. On a CPU several batches are computed at once. Attention is that of transformers, SDPA if the architecture
supports it (but see `torch_plain_attention`). Rows of equal length get no mask, which allows the fastest SDPA kernel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rerank_cli.core.scorer import Batch, OutOfMemory
from rerank_cli.engines.lanes import lanes_for, side_by_side
from rerank_cli.engines.torch_device import TORCH_DTYPES, is_out_of_memory, raise_if_lost
from rerank_cli.engines.torch_packed_linear import pack_linear_layers
from rerank_cli.engines.torch_plain_attention import use_plain_attention
from rerank_cli.models.labels import logit_of
from rerank_cli.models.load import load_cross_encoder
from rerank_cli.models.text_model import TextModel
from rerank_cli.models.through_transformers import load_config


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


class LoadedCrossEncoder:
    """The weights of a cross-encoder on a device: lanes on a CPU, one batch in flight on a CUDA device."""

    def __init__(self, text_model: TextModel[Any], device: str, dtype: str, threads: int) -> None:
        """Load the weights. Raises ModelError, and MemoryError when they do not fit."""
        self.device, self.dtype = torch.device(device), TORCH_DTYPES[dtype]
        self.text_model = text_model
        torch.set_num_threads(threads)
        self._lanes = lanes_for(threads) if self.device.type == "cpu" else 1
        self._lane_threads = threads // self._lanes
        model = self.load_weights()
        if self.device.type == "cpu":
            pack_linear_layers(model.base_model)
            if self.dtype is torch.bfloat16:
                use_plain_attention(getattr(model, "body", model))
        try:
            self.model = model.to(self.device).eval()
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                raise MemoryError from None
            raise

    def load_weights(self) -> Any:
        """The model on the CPU."""
        folder = self.text_model.folder
        return load_cross_encoder(folder, load_config(folder), self.dtype)

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
                logits = self.logits(batch)
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
            return list(self.logits(batch).tolist())
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                return None
            raise

    def logits(self, batch: Batch) -> torch.Tensor:
        """A float32 logit for each pair of the batch, on the device."""
        logits: torch.Tensor = self.model(**self.inputs(batch), return_dict=True).logits
        return logit_of(logits.float(), self.text_model.folder.label).flatten()

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Padded int64 tensors (rows × longest), without a mask if all rows are equally long."""
        names, padded = self.text_model.arrays(batch, masked=False)
        return dict(zip(names, self._on_device(padded), strict=True))

    def _on_device(self, padded: "np.ndarray[Any, np.dtype[np.int64]]") -> torch.Tensor:
        """Copy all tensors of a batch to the device at once."""
        host = torch.from_numpy(padded)
        if self.device.type == "cuda":
            return host.pin_memory().to(self.device, non_blocking=True)
        return host.to(self.device)
