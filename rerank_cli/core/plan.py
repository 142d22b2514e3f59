"""Which pairs are scored together: windows of records, then batches inside a window.

Pairs of a window are sorted by cost and cut under a token budget, which leaves little padding. The window bounds memory
and keeps the output in input order. Plans are lists of integers, so they can be printed and tested without a device.
Rejected alternative: sorting the complete file. It pads less, but needs unbounded memory and loses the order.

    >>> [batch.indices for batch in plan_batches([3, 9, 4, 8], Budget(tokens=18), multiple=1)]
    [(1, 3), (2, 0)]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

MAX_SQUARE = 2**27  # rows × length²: two rows of 8192 tokens, or 128 of 1024


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a batch: `tokens` (padding included) and `square`, the sum of length² (memory of attention).

    A single pair is always allowed, since it cannot be divided here.
    """

    tokens: int
    square: int = MAX_SQUARE

    def halved(self, tokens: int, square: int) -> "Budget":
        """The budget after a batch that cost `tokens` and `square` ran out of memory."""
        return replace(self, tokens=max(1, min(self.tokens, tokens // 2)), square=max(1, min(self.square, square // 2)))


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch: positions of its pairs, and its cost in tokens without (`tokens`) and with (`padded`) padding."""

    indices: tuple[int, ...]
    tokens: int
    padded: int
    square: int


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """A window closes when it reaches `tokens`, `records` or `bytes`. Time never closes a window.

    Where only `keep` candidates of a record go on to the last stage of a cascade, its tokens count in that proportion.
    So the last stage gets windows of the usual size. `closes`: False for a later stage, which has the windows of the
    first.
    """

    tokens: int
    records: int = 4096
    bytes: int = 32 * 1024 * 1024
    keep: int | None = None
    closes: bool = True

    def counted(self, tokens: int, candidates: int) -> int:
        """The tokens that a record of so many candidates counts.

        >>> WindowLimits(100, keep=20).counted(1000, 100), WindowLimits(100, keep=20).counted(1000, 10)
        (200, 1000)
        """
        if self.keep is None or candidates <= self.keep:
            return tokens
        return -(-tokens * self.keep // candidates)

    def overflows(self, tokens: int, records: int, bytes_: int) -> bool:
        """Whether a window with these sums is too large. (A single record is always allowed.)"""
        return tokens > self.tokens or records > self.records or bytes_ > self.bytes


def plan_batches(
    costs: Sequence[int], budget: Budget, multiple: int, indices: Sequence[int] | None = None
) -> list[BatchPlan]:
    """Cut pairs into batches, longest first. No batch exceeds the budget, unless it is a single pair.

    `costs` are tokens per pair; `indices` selects pairs to plan (default: all). An engine that pads pays for every row
    the length of the longest one, rounded up to a `multiple`. An engine that packs (`multiple` 0) pays the sum of its
    rows. Equal costs keep their order, so the same window always gives the same batches.
    """
    order = sorted(range(len(costs)) if indices is None else indices, key=costs.__getitem__, reverse=True)
    plans: list[BatchPlan] = []
    start = 0
    while start < len(order):
        end = _batch_end(costs, order, start, budget, multiple)
        plans.append(_batch(costs, tuple(order[start:end]), multiple))
        start = end
    return plans


def plan_by_query(costs: Sequence[int], queries: Sequence[str], indices: Sequence[int]) -> list[BatchPlan]:
    """One batch a query, in the order in which queries are met. `costs` and `queries` are those of each pair.

    >>> [batch.indices for batch in plan_by_query([3, 9, 4], ["a", "b", "a"], range(3))]
    [(0, 2), (1,)]
    """
    groups: dict[str, list[int]] = {}
    for index in indices:
        groups.setdefault(queries[index], []).append(index)
    return [_batch(costs, tuple(group), 0) for group in groups.values()]


def _batch_end(costs: Sequence[int], order: Sequence[int], start: int, budget: Budget, multiple: int) -> int:
    if multiple:
        longest = _filled_up(costs[order[start]], multiple)
        rows = min(budget.tokens // max(1, longest), budget.square // max(1, longest * longest))
        return min(len(order), start + max(1, rows))
    tokens = square = 0
    for end in range(start, len(order)):
        tokens += costs[order[end]]
        square += costs[order[end]] ** 2
        if end > start and (tokens > budget.tokens or square > budget.square):
            return end
    return len(order)


def _batch(costs: Sequence[int], indices: tuple[int, ...], multiple: int) -> BatchPlan:
    rows = [costs[index] for index in indices]
    if multiple:
        longest = _filled_up(rows[0], multiple)
        return BatchPlan(indices, sum(rows), longest * len(rows), longest * longest * len(rows))
    return BatchPlan(indices, sum(rows), sum(rows), sum(cost * cost for cost in rows))


def _filled_up(tokens: int, multiple: int) -> int:
    return -(-tokens // multiple) * multiple
