"""The main loop: entries in, rankings out, in input order, window by window.

    read and prepare  ──▶  plan and score  ──▶  rank            (three threads, each at most a window ahead)

While this window is scored, the next one is read and tokenized and the one before is ranked and written; one call of
the engine goes on from window to window as long as the next is at hand, so that a fast device does not pause between
them. What runs out of memory is halved here, once for all engines, so that the fake engine exercises the code that
CUDA needs.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.errors import DeviceError
from rerank_cli.core.plan import BatchPlan, Budget, WindowLimits, plan_batches
from rerank_cli.core.protocols import Report
from rerank_cli.core.ranking import Ranking, rank
from rerank_cli.core.records import Entry, Failure, Mark, Request, failed
from rerank_cli.core.scorer import Batch, OutOfMemory, Scorer
from rerank_cli.core.stats import Counters, Stats
from rerank_cli.reranking.ahead import Ahead, run_ahead
from rerank_cli.reranking.scoreboard import ScoreBoard
from rerank_cli.reranking.windows import Numbered, Slice, Window, windows

MAX_NOT_FINITE = 0.01  # of a window's pairs: beyond, the device or the dtype is at fault, not the record

Result = tuple[Request, Ranking] | Failure


@dataclass(frozen=True, slots=True)
class Done:
    """A finished window: its results in input order, what it counted, where it ends, and the budget after it."""

    results: list[Result]
    counters: Counters
    end: Mark
    budget: Budget


@dataclass(frozen=True, slots=True)
class _Scored:
    window: Window
    board: ScoreBoard
    counters: Counters
    budget: Budget


@dataclass(slots=True)
class _Work:
    """A slice on its way through the engine: its batches as planned, of which the last `left` are still to come."""

    slice: Slice
    board: ScoreBoard
    counters: Counters
    first: int  # the number of its first pair on the board
    costs: list[int]
    plans: list[BatchPlan]
    left: int

    def arrive(self, plan: BatchPlan, logits: Sequence[float | None]) -> None:
        """Put a batch's logits on the board."""
        self.board.arrive([self.first + index for index in plan.indices], logits)
        self.left -= 1

    def batch(self, plan: BatchPlan) -> Batch:
        """The prepared pairs of a plan."""
        pairs = self.slice.pairs
        return Batch(tuple([pairs[index] for index in plan.indices]), plan.tokens, plan.padded)


@dataclass(slots=True)
class Reranker:
    """Request -> Ranking, for any number of requests: what commands, cascades and scale-out compose.

    `budget` shrinks when the device runs out of memory and stays small; `report` gets a sentence when that happens.
    """

    scorer: Scorer
    limits: WindowLimits
    budget: Budget
    write: WriteConfig
    stats: Stats
    report: Report
    candidates_path: str = "$.candidates"  # where in a record the candidates are, for failures
    refuse_cut: bool = False  # records with texts that do not fit are failures
    refuse_empty: bool = False  # records of which no candidate is kept are failures: they would leave no line
    _last: _Work | None = None  # the slice begun last

    def windows(self, entries: Iterator[Entry], start: Mark) -> Iterator[Done]:
        """Rerank entries window by window. Raises DeviceError or PassingFault when scoring cannot go on."""
        for scored in run_ahead(lambda: self._scored(entries, start), depth=1, name="score"):
            yield self._done(scored)

    def _scored(self, entries: Iterator[Entry], start: Mark) -> Iterator[_Scored]:
        with closing(Ahead(lambda: self._windows(entries, start), 1, "prepare")) as slices:
            begun: deque[_Work] = deque()
            self._last = None
            for slice_ in slices:
                begun.append(self._begin(slice_))
                while begun:
                    yield from self._score(begun, slices)

    def _windows(self, entries: Iterator[Entry], start: Mark) -> Iterator[Slice]:
        return windows(entries, self.scorer.prepare, self.limits, start, self.refuse_cut, self.candidates_path)

    def _begin(self, slice_: Slice) -> _Work:
        """Plan a slice; it goes on with the window of the slice before it, unless that closed one."""
        before = self._last
        if before is None or before.slice.closes is not None:
            board, counters = ScoreBoard(), Counters()
        else:
            board, counters = before.board, before.counters
        costs = [pair.cost for pair in slice_.pairs]
        plans = plan_batches(costs, self.budget, self.scorer.traits.multiple)
        self._last = _Work(slice_, board, counters, board.expect(len(costs)), costs, plans, len(plans))
        return self._last

    def _score(self, begun: deque[_Work], slices: Ahead[Slice]) -> Iterator[_Scored]:
        """Score what is begun and what comes to hand meanwhile, in one call of the engine, so that it never idles.

        Ends when all is done, or stops short of a batch that does not fit, with all that is left planned anew.
        """
        handed: deque[tuple[_Work, BatchPlan]] = deque()
        results = self.scorer.score(self._batches(begun, slices, handed))
        yield from self._finished(begun)
        while True:
            started = time.perf_counter()
            try:
                logits = next(results, None)
            except OutOfMemory:
                self._make_smaller(*handed[0], begun)
                return
            if logits is None:
                yield from self._finished(begun)  # a slice without pairs, come to hand last
                if begun:
                    raise RuntimeError("the engine gave fewer results than there are batches. This is a bug.")
                return
            work, plan = handed.popleft()
            self._count(plan, time.perf_counter() - started, work.counters)
            work.arrive(plan, logits)
            yield from self._finished(begun)

    def _batches(
        self, begun: deque[_Work], slices: Ahead[Slice], handed: deque[tuple[_Work, BatchPlan]]
    ) -> Iterator[Batch]:
        """The batches of what is begun, then of each next slice that is at hand: the engine is not to wait for one."""
        waiting = deque(begun)
        while waiting:
            work = waiting.popleft()
            for plan in work.plans[len(work.plans) - work.left :]:
                handed.append((work, plan))
                yield work.batch(plan)
            if not waiting and slices.at_hand():
                waiting.append(self._begin(next(slices)))
                begun.append(waiting[0])

    def _finished(self, begun: deque[_Work]) -> Iterator[_Scored]:
        """The windows that are wholly scored, in order."""
        while begun and not begun[0].left:
            work = begun.popleft()
            if work.slice.closes is not None:
                yield _Scored(work.slice.closes, work.board, work.counters, self.budget)

    def _count(self, plan: BatchPlan, seconds: float, counters: Counters) -> None:
        counters.batches += 1
        counters.tokens += plan.tokens
        counters.padded_tokens += plan.padded
        counters.busy_s += seconds
        self.stats.batch_scored(len(plan.indices), plan.tokens, plan.padded, seconds)

    def _make_smaller(self, work: _Work, too_large: BatchPlan, begun: deque[_Work]) -> None:
        """After a batch that did not fit: halve the budget and plan all that is left under it."""
        rest = [index for plan in work.plans[len(work.plans) - work.left + 1 :] for index in plan.indices]
        if len(too_large.indices) == 1:
            work.arrive(too_large, [None])
            self.report(f"out of memory with one pair of {too_large.padded} tokens: its record goes to the errors")
        else:
            self.budget = self.budget.halved(too_large.padded, too_large.square)
            self.report(f"out of memory with {too_large.padded} tokens in a batch: going on with {self.budget.tokens}")
            rest.extend(too_large.indices)
        work.counters.oom_splits += 1
        for each in begun:
            indices = sorted(rest) if each is work else None
            each.plans = plan_batches(each.costs, self.budget, self.scorer.traits.multiple, indices)
            each.left = len(each.plans)

    def _done(self, scored: _Scored) -> Done:
        window, counters = scored.window, scored.counters
        self._check_finite(scored.board)
        results = [self._result(entry, scored.board, counters) for entry in window.entries]
        counters.records = len(results)
        counters.failed = counters.records - counters.scored
        counters.blank, counters.duplicate_pairs, counters.windows = window.blank, window.duplicates, 1
        return Done(results, counters, window.end, scored.budget)

    def _check_finite(self, board: ScoreBoard) -> None:
        scores = [score for score in board.all() if score is not None]
        bad = len(scores) - sum(map(math.isfinite, scores))
        if bad > MAX_NOT_FINITE * len(scores):
            identity = self.scorer.identity
            raise DeviceError(
                f"{bad} of {len(scores)} logits are not finite ({identity.model}, {identity.dtype}, {identity.device})",
                "Narrow dtypes overflow with some models: start anew with --dtype fp32 (or bf16) and --overwrite; "
                "in fp32 the model itself is at fault.",
            )

    def _result(self, entry: Numbered | Failure, board: ScoreBoard, counters: Counters) -> Result:
        if isinstance(entry, Failure):
            return entry
        request = entry.request
        logits = []
        best = {}
        for position, logit in enumerate(board.take(entry.pairs)):
            if logit is not None and position in entry.chunks:
                logit, best[position] = _best_part(board, entry, position)
            if logit is None or not math.isfinite(logit):
                return failed(request, self._why(logit), f"{self.candidates_path}[{position}]")
            logits.append(logit)
        ranking = self._ranked(entry, logits, best)
        if self.refuse_empty and not ranking.indices:
            reason = "no candidate reaches --min-score, so the record would leave no line in the output"
            return failed(request, reason, self.candidates_path)
        counters.scored += 1
        counters.chunked += len(entry.chunks)
        counters.chunks += sum(map(len, entry.chunks.values()))
        counters.pairs += len(logits)
        counters.truncated += len(entry.truncated)
        counters.empty_texts += request.texts.count("")
        return request, ranking

    def _ranked(self, entry: Numbered, logits: list[float], best: Mapping[int, tuple[int, int]]) -> Ranking:
        """A request's ranking; `best` are the spans of the best parts, by position."""
        write, request = self.write, entry.request
        return rank(
            logits,
            top_k=write.top_k,
            min_score=write.min_score,
            score=write.score,
            truncated=entry.truncated,
            chunks={at: within for at, span in best.items() if (within := _within(request, at, span)) is not None},
            tokens=entry.tokens,
        )

    def _why(self, logit: float | None) -> str:
        if logit is None:
            return "out of memory with this one pair: lower --max-length"
        return f"the logit is {logit} in {self.scorer.identity.dtype}: try --dtype fp32 or bf16"


def _best_part(board: ScoreBoard, entry: Numbered, position: int) -> tuple[float | None, tuple[int, int]]:
    """The best logit of a candidate's parts, the first of equals, and that part's span; one that is not finite wins."""
    first, spans = entry.pairs[position], entry.chunks[position]
    logits = board.take(range(first, first + len(spans)))
    bad = next((at for at, logit in enumerate(logits) if logit is None or not math.isfinite(logit)), None)
    at = max(range(len(logits)), key=lambda at: logits[at] or 0.0) if bad is None else bad
    return logits[at], spans[at]


def _within(request: Request, position: int, span: tuple[int, int]) -> tuple[int, int] | None:
    """A span of a document as one of the candidate's own text; None where a template left that out."""
    if not request.fields:
        return span
    place = request.fields[position]
    if place is None:
        return None
    start, end = place
    return min(max(span[0], start), end) - start, min(max(span[1], start), end) - start
