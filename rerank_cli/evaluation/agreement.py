"""The agreement of two scorings of the same candidates: of their logits, and of their orders.

>>> kendall_tau([3.0, 2.0, 1.0], [3.0, 1.0, 2.0])
0.3333333333333333
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import starmap
from typing import Any

TOP = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of logits with reference logits; `std` is the standard deviation of the reference, the unit of
    drift.

    `kendall_tau` and `top_10` are means over the queries where they are defined (None: nowhere): tau-b of the two
    orders, and the share of the reference's top ten in the other's top ten (with more than ten candidates).
    """

    queries: int
    pairs: int
    std: float
    max_delta: float
    mean_delta: float
    kendall_tau: float | None
    top_10: float | None

    @property
    def max_drift(self) -> float | None:
        """The largest difference of a logit, in standard deviations; None if that is zero."""
        return self.max_delta / self.std if self.std else None

    @property
    def mean_drift(self) -> float | None:
        """The mean difference of a logit, in standard deviations; None if that is zero."""
        return self.mean_delta / self.std if self.std else None

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, drifts included."""
        return {**asdict(self), "max_drift": self.max_drift, "mean_drift": self.mean_drift}


def agreement(reference: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> Agreement:
    """Compare logits: one list per query, candidates in the same order.

    Raises ValueError if lengths differ, or for NaN.
    """
    if [len(logits) for logits in reference] != [len(logits) for logits in other]:
        raise ValueError("the two scorings are not of the same candidates")
    flat = [logit for logits in reference for logit in logits]
    deltas = [abs(x - y) for a, b in zip(reference, other, strict=True) for x, y in zip(a, b, strict=True)]
    if not flat:
        raise ValueError("no candidates to compare")
    if not all(map(math.isfinite, deltas)):
        raise ValueError("logits are not finite")
    queries = list(zip(reference, other, strict=True))
    taus = [tau for tau in starmap(kendall_tau, queries) if tau is not None]
    overlaps = [overlap(a, b) for a, b in queries if len(a) > TOP]
    return Agreement(
        queries=len(reference),
        pairs=len(flat),
        std=statistics.pstdev(flat),
        max_delta=max(deltas),
        mean_delta=statistics.fmean(deltas),
        kendall_tau=statistics.fmean(taus) if taus else None,
        top_10=statistics.fmean(overlaps) if overlaps else None,
    )


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b (1945) of two scorings; None if one of them has only ties."""
    agreeing = tied_a = tied_b = 0
    for i in range(len(a)):
        for j in range(i):
            x, y = (a[i] > a[j]) - (a[i] < a[j]), (b[i] > b[j]) - (b[i] < b[j])
            agreeing += x * y
            tied_a += x == 0
            tied_b += y == 0
    pairs = len(a) * (len(a) - 1) // 2
    size = math.sqrt((pairs - tied_a) * (pairs - tied_b))
    return agreeing / size if size else None


def overlap(a: Sequence[float], b: Sequence[float], k: int = TOP) -> float:
    """The share of the top k of `a` (all, if fewer) that is in the top k of `b`; ties by position."""
    best_a, best_b = (set(sorted(range(len(x)), key=lambda i: (-x[i], i))[:k]) for x in (a, b))
    return len(best_a & best_b) / len(best_a)
