"""Scores arrive in any order and leave in input order, held for one window at most.

Batches are formed by length, so the pairs of one record are scored at different times. The board holds the scores of
the window in hand by pair number; when the window closes, each record takes its own, in the order of its candidates.
Several records may name the same pair (identical pairs are scored once). The trade refused: emitting each record as
soon as its last score is there. Nothing is durable before its window is, so it would only cost bookkeeping.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class ScoreBoard:
    """The scores of one window's pairs, which are numbered from 0 in input order.

    A score of None means that the pair cannot be scored; it has arrived all the same.
    """

    _scores: list[float | None] = field(default_factory=list)
    _arrived: bytearray = field(default_factory=bytearray)

    def expect(self, pairs: int) -> int:
        """Make room for `pairs` more pairs and return the number of the first."""
        first = len(self._scores)
        self._scores.extend([None] * pairs)
        self._arrived.extend(bytes(pairs))
        return first

    def arrive(self, pairs: Sequence[int], scores: Sequence[float | None]) -> None:
        """Take the scores of some pairs; raises ValueError for a pair scored twice or a wrong number of scores."""
        for pair, score in zip(pairs, scores, strict=True):
            if self._arrived[pair]:
                raise ValueError(f"pair {pair} was scored twice. This is a bug.")
            self._arrived[pair] = 1
            self._scores[pair] = score

    def take(self, pairs: Sequence[int]) -> list[float | None]:
        """The scores of these pairs, in this order; raises ValueError when one has not arrived."""
        if not all(map(self._arrived.__getitem__, pairs)):
            raise ValueError("a pair was never scored. This is a bug.")
        return [self._scores[pair] for pair in pairs]

    def all(self) -> list[float | None]:
        """The scores of all pairs of the window; raises ValueError when one has not arrived."""
        return self.take(range(len(self._scores)))
