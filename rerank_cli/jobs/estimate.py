"""How long a run will take here: a few batches of the plan's median shape are scored, and the plan is as long as that.

The median is by work: half of the padded tokens are in batches with texts as long or shorter. Attention costs longer
texts more than their tokens say, so the estimate is good where lengths do not differ by an order of magnitude.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rerank_cli.core.plan import BatchPlan
from rerank_cli.core.scorer import Batch, OutOfMemory, PreparedPair, Scorer
from rerank_cli.core.stats import Clock
from rerank_cli.jobs.documents import Documents

ENOUGH_S = 3.0  # of scoring
MOST_BATCHES = 8
TOGETHER = 16  # documents


@dataclass(slots=True)
class PlannedShapes:
    """The batches of a plan by their shape (rows, tokens of the longest pair), and a pair of each cost."""

    shapes: Counter[tuple[int, int]] = field(default_factory=Counter)
    pairs: dict[int, PreparedPair] = field(default_factory=dict)
    batches: int = 0
    padded: int = 0

    def add(self, plan: BatchPlan, pairs: Sequence[PreparedPair]) -> None:
        """Count a batch of the plan; its indices are those of `pairs`."""
        rows = len(plan.indices)
        self.shapes[rows, -(-plan.padded // rows)] += 1
        self.batches += 1
        self.padded += plan.padded
        for index in plan.indices:
            self.pairs.setdefault(pairs[index].cost, pairs[index])

    def median_batch(self) -> Batch:
        """A batch of the median shape, of pairs that were met; of nearly its cost where the engine packs."""
        left = self.padded / 2
        for (rows, longest), count in sorted(self.shapes.items(), key=lambda shape: (shape[0][1], shape[0][0])):
            left -= rows * longest * count
            if left <= 0:
                break
        nearest = min(self.pairs, key=lambda cost: (abs(cost - longest), cost))
        return Batch((self.pairs[nearest],) * rows, nearest * rows, longest * rows)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that scoring will take, and the batches that say so; None where the device could not hold one."""

    seconds: float | None
    batches: int
    rows: int
    tokens: int  # of each row
    documents: bool = False  # rows are documents of which vectors were made, each once


def estimate(scorer: Scorer, planned: PlannedShapes, clock: Clock) -> Estimate:
    """Score batches of the median shape: one to warm up, then more for ENOUGH_S. The scorer is loaded."""
    batch = planned.median_batch()
    rows, tokens = len(batch.pairs), batch.padded // len(batch.pairs)
    try:
        seconds, count = _time(scorer, batch, 1, clock)
        if seconds < ENOUGH_S and planned.batches > 1:
            seconds, count = _time(scorer, batch, min(MOST_BATCHES, planned.batches), clock)
    except OutOfMemory:
        return Estimate(None, 0, rows, tokens)
    return Estimate(seconds / count * planned.padded / batch.padded, count, rows, tokens)


def estimate_vectors(scorer: Scorer, documents: Documents, clock: Clock) -> Estimate:
    """Make vectors of the first documents and their queries, one to warm up. The scorer is loaded."""
    first, *more = documents.sample
    timed = more or [first]
    _time(scorer, Batch.of([first[0]]), 1, clock)
    started, tokens, count = clock(), 0, 0
    for start in range(0, len(timed), TOGETHER):
        together = timed[start : start + TOGETHER]
        _time(scorer, Batch.of([pair for pair, _ in together]), 1, clock)
        tokens += sum(each for _, each in together)
        count += len(together)
        if clock() - started > ENOUGH_S:
            break
    seconds = (clock() - started) / tokens * documents.new_tokens
    return Estimate(seconds, 1, count, round(sum(pair.cost for pair, _ in timed[:count]) / count), documents=True)


def _time(scorer: Scorer, batch: Batch, most: int, clock: Clock) -> tuple[float, int]:
    """Seconds that up to `most` batches take, none of which is begun after ENOUGH_S, and how many they were."""
    started = clock()

    def feed() -> Iterator[Batch]:
        for number in range(most):
            if number and clock() - started > ENOUGH_S:
                return
            yield batch

    count = sum(1 for _ in scorer.score(feed()))
    return clock() - started, count
