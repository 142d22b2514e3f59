"""The main loop: entries in, rankings out, in input order, window by window.

    read and prepare  ──▶  plan and score  ──▶  rank            (three threads, each at most a window ahead)

While this window is scored, the next one is read and tokenized and the one before is ranked and written. What runs out
of memory is halved here, once for all engines, so that the fake engine exercises the code that CUDA needs.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rerank_cli.ahead import run_ahead
from rerank_cli.config import WriteConfig
from rerank_cli.errors import DeviceError
from rerank_cli.plan import BatchPlan, Budget, WindowLimits, plan_batches
from rerank_cli.ranking import Ranking, rank
from rerank_cli.records import Entry, Failure, Mark, Request, failed
from rerank_cli.reorder import ScoreBoard
from rerank_cli.scorers import Batch, OutOfMemory, PreparedPair, Scorer
from rerank_cli.stats import Counters, Stats
from rerank_cli.windows import Numbered, Slice, Window, windows

MAX_NOT_FINITE = 0.01  # of a window's pairs: beyond, the device or the dtype is at fault, not the record

Result = tuple[Request, Ranking] | Failure
Tell = Callable[[str], None]


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
class Reranker:
    """Request -> Ranking, for any number of requests: what commands, cascades and scale-out compose.

    `budget` shrinks when the device runs out of memory and stays small; `tell` gets a sentence when that happens.
    """

    scorer: Scorer
    limits: WindowLimits
    budget: Budget
    write: WriteConfig
    stats: Stats
    tell: Tell
    candidates_path: str = "$.candidates"  # where in a record the candidates are, for failures

    def windows(self, entries: Iterator[Entry], start: Mark) -> Iterator[Done]:
        """Rerank entries window by window. Raises DeviceError or PassingFault when scoring cannot go on."""
        for scored in run_ahead(lambda: self._scored(entries, start), depth=1, name="score"):
            yield self._done(scored)

    def _scored(self, entries: Iterator[Entry], start: Mark) -> Iterator[_Scored]:
        board, counters = ScoreBoard(), Counters()
        for slice_ in run_ahead(lambda: windows(entries, self.scorer.prepare, self.limits, start), 1, "prepare"):
            self._score(slice_, board, counters)
            if slice_.closes is not None:
                yield _Scored(slice_.closes, board, counters, self.budget)
                board, counters = ScoreBoard(), Counters()

    def _score(self, slice_: Slice, board: ScoreBoard, counters: Counters) -> None:
        """Score a slice's pairs under the budget, halving it as often as the device asks for."""
        pairs, first = slice_.pairs, board.expect(len(slice_.pairs))
        costs = [pair.cost for pair in pairs]
        plans = plan_batches(costs, self.budget, self.scorer.traits.padded)
        while plans:
            done = 0
            for plan, logits in self._until_out_of_memory(plans, pairs, counters):
                board.arrive([first + index for index in plan.indices], logits)
                done += 1
            if done == len(plans):
                return
            too_large, rest = plans[done], [index for plan in plans[done + 1 :] for index in plan.indices]
            if len(too_large.indices) == 1:
                board.arrive([first + too_large.indices[0]], [None])
                self.tell(f"out of memory with one pair of {too_large.padded} tokens: its record goes to the errors")
            else:
                self._halve(too_large)
                rest.extend(too_large.indices)
            counters.oom_splits += 1
            plans = plan_batches(costs, self.budget, self.scorer.traits.padded, sorted(rest))

    def _until_out_of_memory(
        self, plans: list[BatchPlan], pairs: list[PreparedPair], counters: Counters
    ) -> Iterator[tuple[BatchPlan, list[float]]]:
        """Yield batches with their logits; stop short of the one that does not fit."""
        batches = (Batch(tuple([pairs[i] for i in plan.indices]), plan.tokens, plan.padded) for plan in plans)
        results = self.scorer.score(batches)
        for plan in plans:
            started = time.perf_counter()
            try:
                logits = next(results)
            except OutOfMemory:
                return
            seconds = time.perf_counter() - started
            counters.batches += 1
            counters.tokens += plan.tokens
            counters.padded_tokens += plan.padded
            counters.busy_s += seconds
            self.stats.batch_scored(len(plan.indices), plan.tokens, plan.padded, seconds)
            yield plan, logits

    def _halve(self, plan: BatchPlan) -> None:
        self.budget = self.budget.halved(plan.padded, plan.square)
        self.tell(f"out of memory with {plan.padded} tokens in a batch: going on with {self.budget.tokens}")

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
        for position, logit in enumerate(board.take(entry.pairs)):
            if logit is None or not math.isfinite(logit):
                return failed(request, self._why(logit), f"{self.candidates_path}[{position}]")
            logits.append(logit)
        counters.scored += 1
        counters.pairs += len(logits)
        counters.truncated += len(entry.truncated)
        counters.empty_texts += request.texts.count("")
        write = self.write
        ranking = rank(
            logits, top_k=write.top_k, min_score=write.min_score, score=write.score, truncated=entry.truncated
        )
        return request, ranking

    def _why(self, logit: float | None) -> str:
        if logit is None:
            return "out of memory with this one pair: lower --max-length"
        return f"the logit is {logit} in {self.scorer.identity.dtype}: try --dtype fp32 or bf16"
