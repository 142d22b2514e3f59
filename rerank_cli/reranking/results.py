"""From a window's logits to its results: the ranking of each record, or why it failed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.errors import DeviceError
from rerank_cli.core.plan import Budget
from rerank_cli.core.ranking import Ranking, rank
from rerank_cli.core.records import Failure, Mark, Request, failed
from rerank_cli.core.scorer import Identity
from rerank_cli.core.stats import Counters
from rerank_cli.reranking.counting import counters_of
from rerank_cli.reranking.scoreboard import ScoreBoard
from rerank_cli.reranking.windows import NumberedRequest, Window

MAX_NOT_FINITE = 0.01  # of a window's pairs: beyond, the device or the dtype is at fault, not the record

Result = tuple[Request, Ranking] | Failure


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """A window with all its logits; `counters` are of its batches, `budget` is the one after it."""

    window: Window
    board: ScoreBoard
    counters: Counters
    budget: Budget


@dataclass(frozen=True, slots=True)
class RankedWindow:
    """A finished window: its results in input order, what it counted, where it ends, and the budget after it."""

    results: list[Result]
    counters: Counters
    end: Mark
    budget: Budget


@dataclass(frozen=True, slots=True)
class WindowRanker:
    """Ranks the records of scored windows.

    `candidates_path`: where in a record its candidates are, for failures. `refuse_empty`: records of which no candidate
    is kept are failures, since they would leave no line.
    """

    write: WriteConfig
    identity: Identity  # of the engine that scored them, for messages
    candidates_path: str
    refuse_empty: bool

    def rank_window(self, scored: ScoredWindow) -> RankedWindow:
        """The results of a window. Raises DeviceError when more than MAX_NOT_FINITE of its logits are not finite."""
        window, board = scored.window, scored.board
        self._check_finite(board)
        results = [self._result(entry, board) for entry in window.entries]
        return RankedWindow(results, scored.counters + counters_of(window, results), window.end, scored.budget)

    def _check_finite(self, board: ScoreBoard) -> None:
        scores = [score for score in board.all() if score is not None]
        bad = len(scores) - sum(map(math.isfinite, scores))
        if bad > MAX_NOT_FINITE * len(scores):
            identity = self.identity
            raise DeviceError(
                f"{bad} of {len(scores)} logits are not finite ({identity.model}, {identity.dtype}, {identity.device})",
                "Narrow dtypes overflow with some models: start anew with --dtype fp32 (or bf16) and --overwrite; "
                "in fp32 the model itself is at fault.",
            )

    def _result(self, entry: NumberedRequest | Failure, board: ScoreBoard) -> Result:
        if isinstance(entry, Failure):
            return entry
        request = entry.request
        logits = []
        best_spans = {}
        for position, logit in enumerate(board.take(entry.pairs)):
            if logit is not None and position in entry.chunks:
                logit, best_spans[position] = _best_chunk(board, entry, position)
            if logit is None or not math.isfinite(logit):
                return failed(request, self._why_not_ranked(logit), f"{self.candidates_path}[{position}]")
            logits.append(logit)
        ranking = self._ranking(entry, logits, best_spans)
        if self.refuse_empty and not ranking.indices:
            reason = "no candidate reaches --min-score, so the record would leave no line in the output"
            return failed(request, reason, self.candidates_path)
        return request, ranking

    def _ranking(
        self, entry: NumberedRequest, logits: list[float], best_spans: Mapping[int, tuple[int, int]]
    ) -> Ranking:
        """A request's ranking; `best_spans` are the spans of the best chunks, by position."""
        write, request = self.write, entry.request
        ranked = not request.queries  # else of different queries, of which none is better than another
        spans = {position: _span_in_text(request, position, span) for position, span in best_spans.items()}
        return rank(
            logits,
            top_k=write.top_k if ranked else None,
            min_score=write.min_score if ranked else None,
            score=write.score,
            digits=write.digits,
            truncated=entry.truncated,
            chunks={position: span for position, span in spans.items() if span is not None},
            tokens=entry.tokens,
        )

    def _why_not_ranked(self, logit: float | None) -> str:
        if logit is None:
            return "out of memory with this one pair: lower --max-length"
        return f"the logit is {logit} in {self.identity.dtype}: try --dtype fp32 or bf16"


def _best_chunk(board: ScoreBoard, entry: NumberedRequest, position: int) -> tuple[float | None, tuple[int, int]]:
    """The best logit of a candidate's chunks, the first of equals, and its span; one that is not finite wins."""
    first, spans = entry.pairs[position], entry.chunks[position]
    logits = board.take(range(first, first + len(spans)))
    bad = next((at for at, logit in enumerate(logits) if logit is None or not math.isfinite(logit)), None)
    at = max(range(len(logits)), key=lambda at: logits[at] or 0.0) if bad is None else bad
    return logits[at], spans[at]


def _span_in_text(request: Request, position: int, span: tuple[int, int]) -> tuple[int, int] | None:
    """A span of a document as one of the candidate's own text; None where a template left that out."""
    if not request.fields:
        return span
    place = request.fields[position]
    if place is None:
        return None
    start, end = place
    return min(max(span[0], start), end) - start, min(max(span[1], start), end) - start
