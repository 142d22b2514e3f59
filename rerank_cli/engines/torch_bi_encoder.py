"""Bi-encoders on torch: the cosine of two vectors. The computation is in `torch_vectors`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rerank_cli.engines.bi_encoder import open_bi_encoder
from rerank_cli.engines.rows import Row
from rerank_cli.engines.torch_vector_engine import TorchVectorEngine

if TYPE_CHECKING:
    import numpy as np


class TorchBiEncoder(TorchVectorEngine):
    """A bi-encoder in torch."""

    engine = "bi-encoder"
    open_model = staticmethod(open_bi_encoder)
    computation = ("rerank_cli.engines.torch_vectors", "LoadedBiEncoder")

    def numbers_of(self, _row: Row) -> int:
        """One vector."""
        return int(self._text_model.facts.hidden_size or 0)

    def encoded_texts(
        self, texts: Sequence[str], role: str, on_batch: Callable[[int], None] = lambda _count: None
    ) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Unit vectors (texts × hidden) of texts with the `role` "query" or "document".

        `on_batch` is called with the number of texts of each batch. Raises DeviceError when one does not fit into
        memory.
        """
        vectors: np.ndarray[Any, np.dtype[np.float32]] = self.loaded.encoded_texts(texts, role, on_batch)
        return vectors
