"""Vectors of texts that do not depend on the company that a text is computed in.

The rounding of a matrix product depends on its size, so the vectors of a text would change in the last digits with the
number and the length of the texts next to it. Here every batch has one of a few fixed shapes, by the length of the text
alone: rows × tokens, both filled up, or one row as it is. So a vector depends on its text, and may be kept for other
windows (docs/experiments.md, E42 and E44).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from rerank_cli.core.errors import DeviceError
from rerank_cli.core.scorer import Shelf
from rerank_cli.engines.lanes import side_by_side
from rerank_cli.engines.rows import Row
from rerank_cli.engines.torch_device import is_out_of_memory, raise_if_lost

SHAPE_TOKENS = {"cpu": (256, 64), "cuda": (8192, 8192), "mps": (4096, 4096)}  # of a batch of documents, of queries
SHORTEST = 8  # lengths are multiples of this, and of more from LONG on
LONG = 64
STEPS = 4  # lengths in an octave: with more there is less to fill up, and there are more batches that are not full
KEPT_BYTES = 512 * 2**20  # of rows with their vectors
OVERHEAD = 800  # bytes of the objects of a row
SMALLER = "Use --device cpu, a smaller --max-length, or a GPU with more memory."

Rows = list[Row]
Encode = Callable[[dict[str, torch.Tensor], Rows], list[torch.Tensor]]


def filled_length(length: int, positions: int) -> int:
    """The length to which a row is filled up, at most the positions of the model.

    >>> [filled_length(length, 512) for length in (1, 9, 64, 65, 129, 257, 500)]
    [8, 16, 64, 80, 160, 320, 512]
    """
    step = SHORTEST
    if length > LONG:
        step = max(step, (1 << (length - 1).bit_length()) // 2 // STEPS)
    return max(length, min(-(-length // step) * step, positions))


class RowEncoder:
    """The vectors of rows, computed once each as long as they are kept.

    `encode` makes them of the arrays of a batch; it is called in as many threads as `lanes` says, each of which
    computes with the number of threads that comes second. `shape` is that of the vectors of a row, with -1 for their
    number.
    """

    def __init__(
        self,
        encode: Encode,
        device: torch.device,
        *,
        positions: int,
        pad_id: int,
        lanes: tuple[int, int],
        shape: tuple[int, ...],
    ) -> None:
        self._encode, self._device, self._positions, self._pad_id = encode, device, positions, pad_id
        self._lanes, self._threads = lanes
        self._shape = shape
        self._kept: OrderedDict[Row, torch.Tensor] = OrderedDict()
        self._bytes = 0
        self._shelf: Shelf | None = None
        self.encoded = 0  # rows

    def use_shelf(self, shelf: Shelf) -> None:
        """Take the vectors of documents from a shelf, and add what is computed.

        All vectors of documents are rounded to float16 then, so that those of a shelf are the same.
        """
        self._shelf = shelf
        self.forget()

    def forget(self) -> None:
        """Drop what is kept."""
        self._kept.clear()
        self._bytes = 0

    def vectors(
        self, rows: Iterable[Row], on_batch: Callable[[int], None] = lambda _count: None, *, keep: bool = True
    ) -> dict[Row, torch.Tensor]:
        """The vectors of rows. `on_batch` is called with the number of rows of each batch. `keep`: for later calls.

        Raises DeviceError when a batch does not fit into memory.
        """
        found: dict[Row, torch.Tensor] = {}
        missing: dict[Row, None] = {}
        for row in rows:
            if row in self._kept:
                self._kept.move_to_end(row)
                found[row] = self._kept[row]
            else:
                missing[row] = None
        for row, vectors in self._on_shelf(missing).items():
            found[row] = vectors
            del missing[row]
            if keep:
                self._keep([row], [vectors])
        batches = list(self._batches(missing))
        for batch, computed in zip(batches, self._computed(batches), strict=True):
            made = self._to_shelf(batch, computed)
            found.update(zip(batch, made, strict=True))
            if keep:
                self._keep(batch, made)
            on_batch(len(batch))
        return found

    def _on_shelf(self, rows: Iterable[Row]) -> dict[Row, torch.Tensor]:
        """The vectors of those documents among rows that are on the shelf."""
        if self._shelf is None:
            return {}
        documents = {row.content: row for row in rows if row.document}
        return {documents[of]: self._restored(numbers) for of, numbers in self._shelf.find(list(documents)).items()}

    def _restored(self, numbers: bytes) -> torch.Tensor:
        vectors = torch.from_numpy(np.frombuffer(numbers, dtype="<f2").astype(np.float16))
        return vectors.to(self._device).float().reshape(self._shape)

    def _to_shelf(self, batch: Rows, made: list[torch.Tensor]) -> list[torch.Tensor]:
        """The vectors of rows, those of documents as they come back from the shelf, to which they are added."""
        if self._shelf is None:
            return made
        rounded = [each.half() if row.document else each for row, each in zip(batch, made, strict=True)]
        self._shelf.add(
            [
                (row.content, each.cpu().numpy().astype("<f2").tobytes())
                for row, each in zip(batch, rounded, strict=True)
                if row.document and bool(torch.isfinite(each).all())
            ]
        )
        return [each.float() for each in rounded]

    def _batches(self, rows: Iterable[Row]) -> Iterator[Rows]:
        """Rows of one shape each, as many as fit into it."""
        by_shape: dict[tuple[int, int], Rows] = {}
        for row in rows:
            by_shape.setdefault(self._shape_of(row), []).append(row)
        for (_, size), alike in sorted(by_shape.items(), reverse=True):
            for start in range(0, len(alike), size):
                yield alike[start : start + size]

    def _shape_of(self, row: Row) -> tuple[int, int]:
        """The length and the number of rows of a batch with this row. A row that is alone is not filled up.

        On a CPU few tokens are enough: there are few queries in a window, and few new documents in a later run.
        """
        documents, queries = SHAPE_TOKENS[self._device.type]
        length = filled_length(len(row), self._positions)
        size = (documents if row.document else queries) // length
        return (length, size) if size > 1 else (len(row), 1)

    def _computed(self, batches: list[Rows]) -> Iterator[list[torch.Tensor]]:
        memory = DeviceError(f"{self._device}: out of memory for a batch of texts", SMALLER)
        return side_by_side(self._compute, self._lanes, iter(batches), refuse=lambda _: memory)

    @torch.inference_mode()
    def _compute(self, batch: Rows) -> list[torch.Tensor] | None:
        if self._device.type == "cpu":
            torch.set_num_threads(self._threads)  # a setting of each thread
        try:
            made = self._encode(self._inputs(batch), batch)
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                return None
            raise_if_lost(fault)
            raise
        self.encoded += len(batch)
        return made

    def _inputs(self, batch: Rows) -> dict[str, torch.Tensor]:
        """Ids and mask (rows × tokens, int64) of the fixed shape; rows that are filled up attend to one token."""
        shape = self._shape_of(batch[0])[::-1]
        ids, mask = np.full(shape, self._pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        mask[:, 0] = 1
        for place, row in enumerate(batch):
            ids[place, : len(row)] = np.frombuffer(row.ids, dtype=np.int32)
            mask[place, : row.attended] = 1
        arrays = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        return {name: array.to(self._device) for name, array in arrays.items()}

    def _keep(self, batch: Rows, made: list[torch.Tensor]) -> None:
        for row, vectors in zip(batch, made, strict=True):
            self._kept[row] = vectors
            self._bytes += _size(row, vectors)
        while self._bytes > KEPT_BYTES:
            self._bytes -= _size(*self._kept.popitem(last=False))


def _size(row: Row, vectors: torch.Tensor) -> int:
    """The bytes that a row takes, with its vectors."""
    return vectors.nbytes + len(row.ids) + OVERHEAD
