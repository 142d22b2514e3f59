"""A model loaded in torch that reads query and document one by one, and a score of what it makes of them.

Each text is encoded once, in a batch of fixed shape (`torch_rows`), and each pair is compared alone. So a score has the
same bits whatever its batch, and the vectors of a text serve all its pairs, in later windows too.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from rerank_cli.core.scorer import Batch
from rerank_cli.engines.lanes import side_by_side
from rerank_cli.engines.rows import Row
from rerank_cli.engines.torch_device import is_out_of_memory, raise_if_lost
from rerank_cli.engines.torch_model import LoadedCrossEncoder
from rerank_cli.engines.torch_rows import RowEncoder, Rows

AHEAD_TOKENS = 2**17  # of batches whose texts are encoded together


class LoadedTextPairs(LoadedCrossEncoder, ABC):
    """The weights of such a model. A subclass says what it makes of a text, and how two are compared."""

    def __init__(self, *arguments: Any) -> None:
        """Load the weights. Raises ModelError, and MemoryError when they do not fit."""
        super().__init__(*arguments)
        self.encoder = RowEncoder(
            self.encode,
            self.device,
            positions=self.text_model.lengths.positions,
            pad_id=self.text_model.pad_id,
            lanes=(self._lanes, self._lane_threads),
            shape=self.shape,
        )

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """That of what is kept of a row, with -1 for what depends on the row."""

    @abstractmethod
    def encode(self, inputs: dict[str, torch.Tensor], rows: Rows) -> list[torch.Tensor]:
        """What is kept of each row of a batch: tensors of float32 of their own, on the device."""

    @abstractmethod
    def similarity(self, query: torch.Tensor, document: torch.Tensor) -> torch.Tensor:
        """The score of a pair, a float32, from what is kept of its texts."""

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield the scores of each batch, in order. Raises DeviceError when texts do not fit into memory."""
        for group in _groups(batches):
            pairs = [pair.payload for batch in group for pair in batch.pairs]
            kept = self.encoder.vectors(row for pair in pairs for row in (pair.document, pair.query))
            yield from side_by_side(partial(self._scores, kept), self._lanes, iter(group))

    @torch.inference_mode()
    def _scores(self, kept: dict[Row, torch.Tensor], batch: Batch) -> list[float] | None:
        if self.device.type == "cpu":
            torch.set_num_threads(self._lane_threads)
        pairs = [pair.payload for pair in batch.pairs]
        try:
            scores = [self.similarity(kept[pair.query], kept[pair.document]) for pair in pairs]
            return list(torch.stack(scores).tolist())
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                return None
            raise_if_lost(fault)
            raise


def _groups(batches: Iterator[Batch]) -> Iterator[list[Batch]]:
    """Batches in groups of at most AHEAD_TOKENS, or of one that has more."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if sum(each.padded for each in group) >= AHEAD_TOKENS:
            yield group
            group = []
    if group:
        yield group
