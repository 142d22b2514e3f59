"""From logits to an order: best first, ties by input position, cut by top-k and threshold.

The order is by the raw float32 logit. A score is for people: `sigmoid(logit)` in float64, which still tells 17 from 18
apart, where a half-precision sigmoid makes both 1.0 and the order a matter of luck.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rerank_cli.core.config import ScoreKind


@dataclass(frozen=True, slots=True)
class Ranking:
    """A request's candidates, best first.

    `indices` are positions in the input's list, from 0; `logits` and `scores` stand in the same order. `truncated`
    holds the input positions of candidates of which the model saw only a part; `chunks` gives, for candidates that were
    scored in parts, the characters of the best part. `tokens` is what scoring all of the request took.
    """

    indices: tuple[int, ...]
    logits: tuple[float, ...]
    scores: tuple[float, ...]
    truncated: frozenset[int] = frozenset()
    chunks: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    tokens: int = 0

    def first(self, count: int) -> "Ranking":
        """The best `count` candidates alone."""
        return replace(self, indices=self.indices[:count], logits=self.logits[:count], scores=self.scores[:count])


def as_float32(value: float) -> float:
    """The nearest float32, as a Python float, which holds each float32 exactly.

    Beyond the range of float32 it is infinite, as a cast in C has it: so evaluators read a run.

    >>> as_float32(0.1), as_float32(3.4e38), as_float32(-1e39)
    (0.10000000149011612, 3.3999999521443642e+38, -inf)
    """
    return array("f", (value,))[0]


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-x) in float64, without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)


def rank(
    logits: Sequence[float],
    *,
    top_k: int | None = None,
    min_score: float | None = None,
    score: ScoreKind = "sigmoid",
    truncated: frozenset[int] = frozenset(),
    chunks: Mapping[int, tuple[int, int]] | None = None,
    tokens: int = 0,
) -> Ranking:
    """Order candidates by float32 `logits` (one per candidate, in input order).

    Keeps at most `top_k`, and of those only the ones whose score, in units of `score`, is at least `min_score`.
    Raises ValueError on a logit that is not finite: a sort with a NaN gives a wrong order and no error.
    """
    if not all(map(math.isfinite, logits)):
        raise ValueError("cannot rank logits that are not finite. This is a bug: they are failures of their record.")
    order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:top_k]
    kept = [logits[index] for index in order]
    scores = kept if score == "logit" else list(map(sigmoid, kept))
    if min_score is not None:
        count = sum(value >= min_score for value in scores)
        order, kept, scores = order[:count], kept[:count], scores[:count]
    cut = truncated & frozenset(order) if truncated else truncated
    return Ranking(tuple(order), tuple(kept), tuple(scores), cut, chunks or {}, tokens)
