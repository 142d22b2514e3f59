"""From the logits of a window to its results: the ranking of each record, or its failure."""

import math
from dataclasses import dataclass, replace

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.errors import DeviceError
from rerank_cli.core.plan import Budget
from rerank_cli.core.ranking import Ranking, rank
from rerank_cli.core.records import Failure, Mark, Request, failed
from rerank_cli.core.scorer import Identity, Logit, NoScore
from rerank_cli.core.staged_ranking import rank_stages
from rerank_cli.core.stages import StageScores
from rerank_cli.core.stats import Counters
from rerank_cli.reranking.counting import counters_of
from rerank_cli.reranking.scoreboard import ScoreBoard
from rerank_cli.reranking.windows import NumberedRequest, Window

MAX_NOT_FINITE = 0.01  # share of a window's pairs; with more, the device or the dtype is at fault, not the records

Result = tuple[Request, Ranking] | Failure


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """A window with all its logits; `counters` are those of its batches, `budget` is the budget after it."""

    window: Window
    board: ScoreBoard
    counters: Counters
    budget: Budget


@dataclass(frozen=True, slots=True)
class RankedWindow:
    """A ranked window: its results in input order, its counters, its end, and the budget of each stage after it."""

    results: list[Result]
    counters: Counters
    end: Mark
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class WindowRanker:
    """Ranks the records of scored windows.

    `candidates_path`: the path of the candidates in a record, for failures. `refuse_empty`: records without kept
    candidates are failures, since they would have no line.
    """

    write: WriteConfig
    identity: Identity  # of the engine, for messages
    candidates_path: str
    refuse_empty: bool
    has_logits: bool = True  # of the engine's traits

    def rank_window(self, scored: ScoredWindow) -> RankedWindow:
        """The results of a window. Raises DeviceError when more than MAX_NOT_FINITE of its logits are not finite."""
        window, board = scored.window, scored.board
        self.check_finite(board)
        results = [self._result(entry, board) for entry in window.entries]
        return RankedWindow(results, scored.counters + counters_of(window, results), window.end, (scored.budget,))

    def check_finite(self, board: ScoreBoard) -> None:
        """Raises DeviceError when more than MAX_NOT_FINITE of the logits of a window are not finite."""
        scores = [score for score in board.all() if not isinstance(score, NoScore)]
        bad = len(scores) - sum(map(math.isfinite, scores))
        if bad > MAX_NOT_FINITE * len(scores):
            identity = self.identity
            raise DeviceError(
                f"{bad} of {len(scores)} logits are not finite ({identity.model}, {identity.dtype}, {identity.device})",
                "Run again with --dtype fp32 (or bf16) and --overwrite: fp16 overflows with some models. "
                "If it is fp32 already, the model is at fault.",
            )

    def scores_of(self, entry: NumberedRequest, board: ScoreBoard) -> StageScores | Failure:
        """What the engine gave the candidates of a request, by their positions in the input; the failure without it."""
        request = entry.request
        logits = []
        best_spans = {}
        for place, logit in enumerate(board.take(entry.pairs)):
            if place in entry.chunks and not isinstance(logit, NoScore):
                logit, best_spans[place] = _best_chunk(board, entry, place)
            if isinstance(logit, NoScore) or not math.isfinite(logit):
                return failed(
                    request, self._why_not_ranked(logit), f"{self.candidates_path}[{request.position(place)}]"
                )
            logits.append(logit)
        spans = {place: _span_in_text(request, place, span) for place, span in best_spans.items()}
        return StageScores(
            tuple(range(len(logits))) if request.passed is None else request.passed.positions,
            tuple(logits),
            frozenset([request.position(place) for place in entry.truncated]),
            {request.position(place): span for place, span in spans.items() if span is not None},
            entry.tokens,
            self.has_logits,
        )

    def _result(self, entry: NumberedRequest | Failure, board: ScoreBoard) -> Result:
        if isinstance(entry, Failure):
            return entry
        scores = self.scores_of(entry, board)
        if isinstance(scores, Failure):
            return scores
        return self.result_of(entry.request, scores)

    def result_of(self, request: Request, scores: StageScores) -> Result:
        """The ranking of a request by its scores; a failure where nothing of it would be written."""
        ranking = self._ranking(request, scores)
        if self.refuse_empty and not ranking.indices:
            reason = "no candidate reaches --min-score, so the record would have no line in the output"
            return failed(request, reason, self.candidates_path)
        return (request if request.passed is None else request.passed.request), ranking

    def _ranking(self, request: Request, scores: StageScores) -> Ranking:
        write = self.write
        if request.queries:  # texts of different queries are not ranked
            write = replace(write, top_k=None, min_score=None)
        if request.passed is not None:
            return rank_stages((*request.passed.stages, scores), write)
        return rank(
            scores.logits,
            top_k=write.top_k,
            min_score=write.min_score,
            score=write.score,
            digits=write.digits,
            truncated=scores.truncated,
            chunks=scores.chunks,
            tokens=scores.tokens,
            has_logits=self.has_logits,
        )

    def _why_not_ranked(self, logit: Logit) -> str:
        if isinstance(logit, NoScore):
            return logit.reason
        return f"the logit is {logit} in {self.identity.dtype}: try --dtype fp32 or bf16"


def _best_chunk(board: ScoreBoard, entry: NumberedRequest, position: int) -> tuple[Logit, tuple[int, int]]:
    """The best logit of a candidate's chunks (the first of equals) and its span. One that cannot be ranked wins."""
    first, spans = entry.pairs[position], entry.chunks[position]
    best, at = -math.inf, 0
    for number, logit in enumerate(board.take(range(first, first + len(spans)))):
        if isinstance(logit, NoScore) or not math.isfinite(logit):
            return logit, spans[number]
        if logit > best:
            best, at = logit, number
    return best, spans[at]


def _span_in_text(request: Request, position: int, span: tuple[int, int]) -> tuple[int, int] | None:
    """A span of a document as a span of the candidate's own text; None if a template left the text out."""
    if not request.fields:
        return span
    place = request.fields[position]
    if place is None:
        return None
    start, end = place
    return min(max(span[0], start), end) - start, min(max(span[1], start), end) - start
