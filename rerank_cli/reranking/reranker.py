"""The main loop: entries in, rankings out, in input order, window by window.

    read and prepare  ──▶  plan and score  ──▶  rank            (three threads, each at most a window ahead)

While a window is scored, the next one is read and tokenized, and the previous one is ranked (`results`) and written.
One call of the engine continues from window to window while the next is ready, so that a fast device does not pause
between them. After an OutOfMemory the budget is halved here, for all engines, so that the fake engine tests the code
that CUDA needs.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.plan import BatchPlan, Budget, WindowLimits
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Entry, Mark
from rerank_cli.core.scorer import Batch, Logit, NoScore, OutOfMemory, Scorer, known_and_unknown
from rerank_cli.core.stats import Counters, Progress
from rerank_cli.reranking.ahead import Ahead, run_ahead
from rerank_cli.reranking.counting import count_batch, count_found
from rerank_cli.reranking.planning import plan_pairs
from rerank_cli.reranking.results import RankedWindow, ScoredWindow, WindowRanker
from rerank_cli.reranking.scoreboard import ScoreBoard
from rerank_cli.reranking.windows import Skips, Slice, windows

NO_MEMORY = NoScore("out of memory with this single pair: lower --max-length")


@dataclass(slots=True)
class _Work:
    """A slice that is being scored: its planned batches, of which the last `left` are not scored yet."""

    slice: Slice
    board: ScoreBoard
    counters: Counters
    first: int  # the number of its first pair on the score board
    unknown: list[int]  # pairs without a logit at first
    plans: list[BatchPlan]
    left: int
    padded_left: int = field(init=False)  # tokens of the batches still to come
    share_left: float = 1.0  # of the slice, by those

    def __post_init__(self) -> None:
        self.padded_left = sum(plan.padded for plan in self.plans)

    def plan(self, plans: list[BatchPlan]) -> None:
        """Plan again what is still to come."""
        self.plans, self.left = plans, len(plans)
        self.padded_left = sum(plan.padded for plan in plans)

    def advance(self, progress: Progress, padded: int | None = None) -> None:
        """Show that `padded` tokens of what is still to come are scored, or (None) all of it."""
        share = self.share_left
        if padded is not None:
            share *= padded / self.padded_left
            self.padded_left -= padded
        self.share_left -= share
        progress.advance(self.slice.bytes * share, self.slice.records * share)

    def arrive(self, plan: BatchPlan, logits: Sequence[Logit]) -> None:
        """Add the logits of a batch to the score board."""
        self.board.arrive([self.first + index for index in plan.indices], logits)
        self.left -= 1

    def batch(self, plan: BatchPlan) -> Batch:
        """The prepared pairs of a plan."""
        pairs = self.slice.pairs
        return Batch(tuple([pairs[index] for index in plan.indices]), plan.tokens, plan.padded)

    @property
    def plans_left(self) -> list[BatchPlan]:
        """The batches that are not scored yet, in order."""
        return self.plans[len(self.plans) - self.left :]


@dataclass(slots=True, kw_only=True)
class WindowReranker:
    """Ranks any number of requests; used by commands, cascades and distributed runs.

    `budget` shrinks when the device runs out of memory and stays small; `report` is then called.
    """

    scorer: Scorer
    limits: WindowLimits
    budget: Budget
    write: WriteConfig
    progress: Progress
    report: Report
    candidates_path: str = "$.candidates"  # path of the candidates in a record, for failures
    refuse_cut: bool = False  # records with texts that are too long are failures
    refuse_empty: bool = False  # records without kept candidates are failures: they would have no line
    skips: Skips | None = None  # which requests have nothing to score in this stage of a cascade
    _last: _Work | None = field(default=None, init=False)  # the slice planned last

    def windows(self, entries: Iterator[Entry], start: Mark) -> Iterator[RankedWindow]:
        """Rerank entries window by window. Raises DeviceError or PassingFault when scoring cannot continue."""
        for scored in run_ahead(lambda: self.scored(entries, start), depth=1, name="score"):
            yield self.ranker.rank_window(scored)

    @property
    def ranker(self) -> WindowRanker:
        """What makes results of scores."""
        has_logits = self.scorer.traits.has_logits
        return WindowRanker(self.write, self.scorer.identity, self.candidates_path, self.refuse_empty, has_logits)

    def scored(self, entries: Iterator[Entry], start: Mark) -> Iterator[ScoredWindow]:
        """Score entries window by window, in the thread that asks for the windows."""
        with closing(self.prepared(entries, start)) as slices:
            yield from self.scored_slices(slices)

    def prepared(self, entries: Iterator[Entry], start: Mark) -> Ahead[Slice]:
        """What is to be scored of entries, prepared in another thread from now on."""
        return Ahead(lambda: self._slices(entries, start), 1, "prepare")

    def scored_slices(self, slices: Ahead[Slice]) -> Iterator[ScoredWindow]:
        """Score what is prepared, and yield the windows that close with it."""
        works: deque[_Work] = deque()
        self._last = None
        for slice_ in slices:
            works.append(self._plan(slice_))
            while works:
                yield from self._score(works, slices)

    def _slices(self, entries: Iterator[Entry], start: Mark) -> Iterator[Slice]:
        return windows(
            entries,
            self.scorer.prepare,
            self.limits,
            start,
            refuse_cut=self.refuse_cut,
            candidates_path=self.candidates_path,
            skips=self.skips,
        )

    def _plan(self, slice_: Slice) -> _Work:
        """Plan a slice. It continues the window of the previous slice, unless that closed it."""
        before = self._last
        if before is None or before.slice.closes is not None:
            board, counters = ScoreBoard(), Counters()
        else:
            board, counters = before.board, before.counters
        known, unknown = known_and_unknown(slice_.pairs)
        plans = plan_pairs(slice_.pairs, unknown, self.budget, self.scorer.traits)
        first = board.expect(len(slice_.pairs))
        board.arrive([first + index for index in known], list(known.values()))
        count_found(len(known), counters, self.progress)
        self._last = _Work(slice_, board, counters, first, unknown, plans, len(plans))
        return self._last

    def _score(self, works: deque[_Work], slices: Ahead[Slice]) -> Iterator[ScoredWindow]:
        """Score the planned slices, and those that arrive meanwhile, in one call of the engine, so that it never idles.

        Returns when all are scored, or at a batch that does not fit, after planning the remaining pairs again.
        """
        sent: deque[tuple[_Work, BatchPlan]] = deque()  # batches that the engine has not returned yet
        results = self.scorer.score(self._batches(works, slices, sent))
        yield from self._take_scored(works)
        while True:
            started = time.perf_counter()
            try:
                logits = next(results, None)
            except OutOfMemory:
                self._plan_smaller(*sent[0], works)
                return
            if logits is None:
                yield from self._take_scored(works)  # the last slice may have no pairs
                if works:
                    raise RuntimeError("the engine returned fewer results than batches. This is a bug.")
                return
            work, plan = sent.popleft()
            count_batch(plan, time.perf_counter() - started, work.counters, self.progress)
            work.advance(self.progress, plan.padded)
            work.arrive(plan, logits)
            yield from self._take_scored(works)

    def _batches(
        self, works: deque[_Work], slices: Ahead[Slice], sent: deque[tuple[_Work, BatchPlan]]
    ) -> Iterator[Batch]:
        """The batches of the planned slices, then of each next slice that is ready, so that the engine never waits."""
        waiting = deque(works)
        while waiting:
            work = waiting.popleft()
            for plan in work.plans_left:
                sent.append((work, plan))
                yield work.batch(plan)
            if not waiting and slices.is_ready():
                waiting.append(self._plan(next(slices)))
                works.append(waiting[0])

    def _take_scored(self, works: deque[_Work]) -> Iterator[ScoredWindow]:
        """Remove the slices that are scored, and yield the windows that close with them, in order."""
        while works and not works[0].left:
            work = works.popleft()
            work.advance(self.progress)
            if work.slice.closes is not None:
                yield ScoredWindow(work.slice.closes, work.board, work.counters, self.budget)

    def _plan_smaller(self, work: _Work, too_large: BatchPlan, works: deque[_Work]) -> None:
        """After a batch that did not fit: halve the budget and plan the remaining pairs again."""
        left = [index for plan in work.plans_left[1:] for index in plan.indices]
        if len(too_large.indices) == 1:
            work.arrive(too_large, [NO_MEMORY])
            self.report(f"out of memory with one pair of {too_large.padded} tokens: its record fails")
        else:
            self.budget = self.budget.halved(too_large.padded, too_large.square)
            self.report(
                f"out of memory with a batch of {too_large.padded} tokens: continuing with {self.budget.tokens}"
            )
            left.extend(too_large.indices)
        work.counters.oom_splits += 1
        for each in works:
            indices = sorted(left) if each is work else each.unknown
            each.plan(plan_pairs(each.slice.pairs, indices, self.budget, self.scorer.traits))
