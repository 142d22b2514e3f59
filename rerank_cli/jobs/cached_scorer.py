"""An engine with a score cache around it: a pair whose logit is known is not computed again.

The input of a pair is its token ids after truncation. So two texts that are truncated to the same input have one entry.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rerank_cli.core.scorer import Batch, Logit, PreparedPair, Scorer
from rerank_cli.jobs.store_use import Keys, StoreUse


class CachedScorer:
    """A Scorer around another one. Pairs are prepared in another thread than they are scored."""

    def __init__(self, scorer: Scorer, cache: StoreUse[float]) -> None:
        self._scorer, self._cache = scorer, cache
        self.identity, self.traits, self.notes = scorer.identity, scorer.traits, scorer.notes
        self._keys = Keys(self.identity)

    def load(self) -> None:
        """Load the engine."""
        self._scorer.load()

    def content(self, pair: PreparedPair) -> bytes:
        """That of the engine."""
        return self._scorer.content(pair)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Prepare pairs, each with its key and with its logit where that is known."""
        prepared = self._scorer.prepare(pairs)
        keys = [[self._keys.of(self._scorer.content(part)) for part in pair.parts] for pair in prepared]
        known = self._cache.find([key for each in keys for key in each])
        made = []
        for pair, each in zip(prepared, keys, strict=True):
            first, *more = (
                replace(part, key=key, logit=known.get(key)) for part, key in zip(pair.parts, each, strict=True)
            )
            made.append(replace(first, more=tuple(more)) if more else first)
        return made

    def score(self, batches: Iterator[Batch]) -> Iterator[Sequence[Logit]]:
        """Score batches, and store their logits."""
        sent: deque[Batch] = deque()

        def noted() -> Iterator[Batch]:
            for batch in batches:
                sent.append(batch)
                yield batch

        for logits in self._scorer.score(noted()):
            pairs = sent.popleft().pairs
            self._cache.add(
                (pair.key, logit)
                for pair, logit in zip(pairs, logits, strict=True)
                if isinstance(logit, float) and math.isfinite(logit)
            )
            yield logits

    def close(self) -> None:
        """Store what is left, and release the device."""
        self._cache.store()
        self._scorer.close()
