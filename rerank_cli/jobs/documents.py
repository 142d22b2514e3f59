"""What --vectors would keep of an input: its documents, their size, and how many pairs each serves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from rerank_cli.core.config import FileConfig
from rerank_cli.core.scorer import PreparedPair, Scorer, VectorScorer
from rerank_cli.files.vector_store import BYTES_EACH
from rerank_cli.jobs.store_use import VECTORS, Keys, View
from rerank_cli.jobs.stores import opened_before


@dataclass(slots=True)
class Documents:
    """Documents of an input, met in `pairs`. `known` have vectors already; all of them take `size` bytes."""

    _scorer: VectorScorer
    _keys: Keys
    _view: View[bytes] | None
    pairs: int = 0
    known: int = 0
    size: int = 0
    _met: set[bytes] = field(default_factory=set)

    @classmethod
    def of(cls, files: FileConfig, scorer: Scorer) -> "Documents | None":
        """Those of a run with --vectors; None without it. Raises as a run would where the folder cannot be used."""
        if files.vectors is None:
            return None
        view = opened_before(VECTORS, files.vectors, scorer)
        return cls(cast("VectorScorer", scorer), Keys(scorer.identity), view)

    def add(self, prepared: Sequence[PreparedPair]) -> None:
        """Count the documents of pairs."""
        self.pairs += len(prepared)
        new = []
        for pair in prepared:
            content, size = self._scorer.document(pair)
            key = self._keys.of(content)
            if key not in self._met:
                self._met.add(key)
                self.size += size + BYTES_EACH
                new.append(key)
        if self._view is not None and self._view.number:
            self.known += len(self._view.store.find(new, self._view.number)[0])

    @property
    def count(self) -> int:
        """How many different documents there are."""
        return len(self._met)

    def as_dict(self) -> dict[str, Any]:
        """Flat figures."""
        return {
            "documents": self.count,
            "documents_known": self.known,
            "vectors_bytes": self.size,
            "pairs_per_document": round(self.pairs / self.count, 2) if self.count else 0.0,
        }
