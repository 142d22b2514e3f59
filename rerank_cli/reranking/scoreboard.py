"""Restore the input order of scores, for one window at a time.

Batches are sorted by length, so the pairs of a record are scored at different times. The board holds the scores of the
current window by pair number. When the window closes, each record takes its scores in the order of its candidates.
Identical pairs are scored once, so several records can use the same pair. Rejected alternative: emitting each record
after its last score. Nothing is durable before its window is, so it would only add bookkeeping.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rerank_cli.core.scorer import Logit, NoScore

MISSING = NoScore("not scored")  # until a score arrives


@dataclass(slots=True)
class ScoreBoard:
    """The scores of one window's pairs, which are numbered from 0 in input order.

    A `NoScore` has arrived, too: that pair cannot be scored.
    """

    _scores: list[Logit] = field(default_factory=list)
    _arrived: bytearray = field(default_factory=bytearray)

    def expect(self, pairs: int) -> int:
        """Add `pairs` pairs and return the number of the first."""
        first = len(self._scores)
        self._scores.extend([MISSING] * pairs)
        self._arrived.extend(bytes(pairs))
        return first

    def __len__(self) -> int:
        return len(self._scores)

    def arrive(self, pairs: Sequence[int], scores: Sequence[Logit]) -> None:
        """Add the scores of pairs. Raises ValueError for a pair scored twice or a wrong number of scores."""
        for pair, score in zip(pairs, scores, strict=True):
            if self._arrived[pair]:
                raise ValueError(f"pair {pair} was scored twice. This is a bug.")
            self._arrived[pair] = 1
            self._scores[pair] = score

    def take(self, pairs: Sequence[int]) -> list[Logit]:
        """The scores of these pairs, in this order. Raises ValueError when one has not arrived."""
        if not all(map(self._arrived.__getitem__, pairs)):
            raise ValueError("a pair was never scored. This is a bug.")
        return [self._scores[pair] for pair in pairs]

    def all(self) -> list[Logit]:
        """The scores of all pairs of the window. Raises ValueError when one has not arrived."""
        return self.take(range(len(self._scores)))
