"""The shelf of a run (`core.scorer.Shelf`): vectors of documents in a store that stays across runs."""

from collections.abc import Sequence

from rerank_cli.core.scorer import Identity
from rerank_cli.jobs.store_use import Keys, StoreUse


class VectorShelf:
    """Such a shelf; one without a store is always empty. `found` and `computed` count documents."""

    def __init__(self, identity: Identity, store: StoreUse[bytes] | None) -> None:
        self._keys, self._store = Keys(identity), store
        self.found = self.computed = 0

    def find(self, documents: Sequence[bytes]) -> dict[bytes, bytes]:
        """The vectors of those documents that are kept."""
        if self._store is None:
            return {}
        by_key = {self._keys.of(document): document for document in documents}
        found = self._store.find(list(by_key))
        self.found += len(found)
        return {by_key[key]: vectors for key, vectors in found.items()}

    def add(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep the vectors of documents."""
        self.computed += len(vectors)
        if self._store is not None:
            self._store.add((self._keys.of(document), numbers) for document, numbers in vectors)
