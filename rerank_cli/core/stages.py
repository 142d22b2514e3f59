"""The stages of a cascade: what each gave a record, which candidates it keeps, and the order that follows.

A candidate is ranked by the last stage that scored it, then by its logit there. Scores of two stages are never
compared. `Fusion` joins the last stage with the one before, for the candidates that both scored.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RRF_K = 60  # Cormack, Clarke and Büttcher, SIGIR 2009


@dataclass(frozen=True, slots=True)
class StageScores:
    """What a stage gave the candidates that it scored, at these `positions` of the input's list, in input order.

    `logits` are raw float32 ones; scores of another kind where `has_logits` is False. `truncated` and `chunks` are as
    in `Ranking`, `tokens` is what scoring took. `given`: the numbers are scores of the input, as they stand there.
    """

    positions: tuple[int, ...]
    logits: tuple[float, ...]
    truncated: frozenset[int] = frozenset()
    chunks: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    tokens: int = 0
    has_logits: bool = True
    given: bool = False

    def order(self) -> list[int]:
        """Places in `positions`, best first; equal logits keep the input order."""
        return sorted(range(len(self.logits)), key=self.logits.__getitem__, reverse=True)

    def best(self, keep: int | None) -> tuple[int, ...]:
        """The positions of the best candidates, in input order.

        >>> StageScores((0, 2, 5, 7), (0.5, 3.0, 0.5, 2.0)).best(3)
        (0, 2, 7)
        """
        return self.positions if keep is None else tuple(sorted([self.positions[n] for n in self.order()[:keep]]))

    def of(self, positions: Sequence[int]) -> list[float]:
        """The logits of candidates that it scored."""
        known = dict(zip(self.positions, self.logits, strict=True))
        return [known[position] for position in positions]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the scores of the last stage and of the one before become one.

    Without a `weight`: reciprocal rank fusion, the sum of 1 / (60 + rank), ranks from 1. With one: `weight` times the
    last stage's score plus the rest of 1 times that of the stage before. Both are first brought to 0 to 1 by the least
    and the greatest logit of the record's candidates that both scored; equal ones become 0.
    """

    weight: float | None = None

    def __str__(self) -> str:
        return "rrf" if self.weight is None else f"minmax:{self.weight!r}"

    def fused(self, last: StageScores, before: StageScores) -> list[float]:
        """The fused scores of the candidates of the last stage, in its order of positions.

        >>> [round(x, 5) for x in Fusion().fused(StageScores((0, 1), (5.0, 7.0)), StageScores((0, 1), (0.3, 0.2)))]
        [0.03252, 0.03252]
        >>> Fusion(0.75).fused(StageScores((0, 1), (5.0, 7.0)), StageScores((0, 1), (0.3, 0.2)))
        [0.25, 0.75]
        """
        one, other = list(last.logits), before.of(last.positions)
        if self.weight is None:
            pairs = zip(_ranks(one), _ranks(other), strict=True)
            return [1 / (RRF_K + rank) + 1 / (RRF_K + earlier) for rank, earlier in pairs]
        scaled = zip(_scaled(one), _scaled(other), strict=True)
        return [self.weight * each + (1 - self.weight) * earlier for each, earlier in scaled]


def _ranks(values: Sequence[float]) -> list[int]:
    """The rank of each value, from 1; of equal ones the first is better."""
    ranks = [0] * len(values)
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__, reverse=True), 1):
        ranks[place] = rank
    return ranks


def _scaled(values: Sequence[float]) -> list[float]:
    """Values from 0 to 1, by the least and the greatest."""
    if not values:
        return []
    least, most = min(values), max(values)
    if least == most:
        return [0.0] * len(values)
    if math.isinf(most - least):  # numbers near the limits of float64
        return _scaled([value / 2 for value in values])
    return [(value - least) / (most - least) for value in values]
