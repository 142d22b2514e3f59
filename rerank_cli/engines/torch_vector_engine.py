"""Engines on torch that make vectors of each text, query and document one by one, and compare these."""

from abc import ABC, abstractmethod
from dataclasses import replace

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.scorer import PreparedPair, Shelf
from rerank_cli.engines.rows import SHAPES, Row
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder
from rerank_cli.models.folder import ModelFolder

KEPT_AS = "float16"  # vectors on a shelf
KEPT_BYTES = 2  # a number


class TorchVectorEngine(TorchCrossEncoder, ABC):
    """Such an engine. A subclass says how many numbers the vectors of a document have."""

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        super().__init__(config, found)
        # Texts are encoded in fixed shapes. tests/oracle compares the bits for these types.
        invariant = self.identity.device == "cpu" and self.identity.dtype in ("fp32", "bf16")
        self.traits = replace(self.traits, batch_invariant=invariant, has_vectors=True)
        self.identity = replace(self.identity, versions={**self.identity.versions, "shapes": SHAPES})
        if config.vectors:
            self.identity = replace(self.identity, vectors=KEPT_AS)
        self._shelf: Shelf | None = None

    def use_shelf(self, shelf: Shelf) -> None:
        """Keep vectors of documents on a shelf; see VectorScorer."""
        self._shelf = shelf
        if self.loaded is not None:
            self.loaded.encoder.use_shelf(shelf)

    def load(self) -> None:
        """Load the weights onto the device, then self-test; once. Raises ModelError or DeviceError."""
        loaded = self.loaded
        super().load()
        if loaded is None and self._shelf is not None:  # not before the self-test, whose scores are not rounded
            self.loaded.encoder.use_shelf(self._shelf)

    def document(self, pair: PreparedPair) -> tuple[bytes, int]:
        """What the model reads of the document of a prepared pair, and the bytes of its vectors on a shelf."""
        row: Row = pair.payload.document
        return row.content, self.numbers_of(row) * KEPT_BYTES

    def query_tokens(self, pair: PreparedPair) -> int:
        """The tokens of the query of a prepared pair."""
        return len(pair.payload.query)

    def forget(self) -> None:
        """Drop the vectors that are kept in memory."""
        self.loaded.encoder.forget()

    @abstractmethod
    def numbers_of(self, row: Row) -> int:
        """How many numbers the vectors of a document have."""
