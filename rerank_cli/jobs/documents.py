"""The documents of an input for an engine that makes vectors of them: how many differ, and what is new to --vectors.

An input has any number of documents, so beyond MOST_MET those are counted whose hashes end in zeros, and the rest is
inferred: within about 1 %. (Source: Gibbons & Tirthapura, Estimating simple functions on the union of data streams,
SPAA 2001.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from rerank_cli.core.config import FileConfig
from rerank_cli.core.scorer import PreparedPair, Scorer, VectorScorer
from rerank_cli.files.vector_store import BYTES_EACH
from rerank_cli.jobs.store_use import VECTORS, Keys, View
from rerank_cli.jobs.stores import GB, opened_before

MOST_MET = 2**16  # documents that are remembered
MOST_SAMPLED = 128  # pairs that may be scored for the time


@dataclass(frozen=True, slots=True)
class Met:
    """A document: its tokens, the bytes of its vectors in the store, and whether they are there."""

    tokens: int
    size: int
    known: bool


@dataclass(slots=True)
class Documents:
    """Documents of an input, met in `pairs`. `query_tokens` are those of all queries.

    `most_bytes` are those of --vectors; 0 without it. `sample` are pairs of the first documents, each with the tokens
    that it takes after those before it: of its document, and of a query that is new.
    """

    _scorer: VectorScorer
    _keys: Keys
    _view: View[bytes] | None
    most_bytes: int
    pairs: int = 0
    query_tokens: int = 0
    sample: list[tuple[PreparedPair, int]] = field(default_factory=list)
    _met: dict[bytes, Met] = field(default_factory=dict)
    _one_in: int = 1

    @classmethod
    def of(cls, files: FileConfig, scorer: Scorer) -> "Documents | None":
        """Those of a run; None where the engine makes no vectors. Raises as a run where --vectors cannot be used."""
        if not scorer.traits.has_vectors:
            return None
        view = opened_before(VECTORS, files.vectors, scorer)
        most = 0 if files.vectors is None else round(files.cache_gb * GB)
        return cls(cast("VectorScorer", scorer), Keys(scorer.identity), view, most)

    def add(self, texts: Sequence[tuple[str, str]], prepared: Sequence[PreparedPair]) -> None:
        """Count the documents of pairs, prepared from (query, text)."""
        self.pairs += len(prepared)
        query, new = None, {}
        for (asked, _), pair in zip(texts, prepared, strict=True):
            if pair.logit is not None:  # its score is known
                continue
            of_query = 0 if asked == query else self._scorer.query_tokens(pair)
            query = asked
            self.query_tokens += of_query
            content, size = self._scorer.document(pair)
            key = self._keys.of(content)
            if self._is_counted(key) and key not in self._met and key not in new:
                new[key] = pair.cost, size
                if len(self.sample) < MOST_SAMPLED:
                    self.sample.append((pair, pair.cost + of_query))
        known = set() if self._view is None else self._view.store.known(list(new), self._view.number)
        for key, (tokens, size) in new.items():
            self._met[key] = Met(tokens, size + BYTES_EACH, key in known)
        while len(self._met) > MOST_MET:
            self._one_in *= 2
            self._met = {key: met for key, met in self._met.items() if self._is_counted(key)}

    def _is_counted(self, key: bytes) -> bool:
        return int.from_bytes(key[-4:], "big") % self._one_in == 0

    @property
    def count(self) -> int:
        """How many different documents there are."""
        return len(self._met) * self._one_in

    @property
    def known(self) -> int:
        """How many of them have vectors already."""
        return sum(met.known for met in self._met.values()) * self._one_in

    @property
    def size(self) -> int:
        """The bytes that all of them take in the store."""
        return sum(met.size for met in self._met.values()) * self._one_in

    @property
    def new_tokens(self) -> int:
        """The tokens that are computed: of new documents, and of queries."""
        return sum(met.tokens for met in self._met.values() if not met.known) * self._one_in + self.query_tokens

    def as_dict(self) -> dict[str, Any]:
        """Flat figures."""
        return {
            "documents": self.count,
            "documents_known": self.known,
            "vectors_bytes": self.size,
            "pairs_per_document": round(self.pairs / self.count, 2) if self.count else 0.0,
        }
