"""A cascade: each stage scores what the one before kept, inside the windows of the first.

    first stage: window w + 1    ──▶  kept candidates  ──▶  last stage: window w    ──▶  ranking

Windows follow from the records alone, so a resumed run finds the same ones. Inside a window, which candidates go on
follows from scores, so the batches of a later stage are composed there. The engines take turns: while one scores, what
another needs next is tokenized. Rejected alternative: both at once. On one device that is no faster, it needs the
memory of both, and no stage knows how long it took.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Entry, Failure, Mark, Passed, Request
from rerank_cli.core.stages import StageScores
from rerank_cli.core.stats import Counters, StageCounters
from rerank_cli.reranking.ahead import Ahead, run_ahead
from rerank_cli.reranking.counting import counters_of, counters_of_chunks
from rerank_cli.reranking.reranker import WindowReranker
from rerank_cli.reranking.results import RankedWindow, Result, ScoredWindow
from rerank_cli.reranking.scoreboard import ScoreBoard
from rerank_cli.reranking.windows import NumberedRequest, Slice, Window


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many candidates each stage before the last keeps (None: all), in order.

    `given`: the first of those stages is the scores of the input. `fuses`: the last stage is fused with the one before,
    which is not skipped then.
    """

    keep: tuple[int | None, ...]
    given: bool = False
    fuses: bool = False

    def skips(self, number: int, request: Request) -> bool:
        """Whether stage `number` (from 0) would change nothing for a request: it keeps all of its candidates.

        Texts with a query each are not ranked against each other, so all of them go on.
        """
        if request.queries:
            return True
        keep = self.keep[number]
        changes = keep is not None and keep < len(positions_of(request))
        return not changes and not (self.fuses and number == len(self.keep) - 1)


def positions_of(request: Request) -> Sequence[int]:
    """The positions of the candidates that a stage gets."""
    return range(len(request.texts)) if request.passed is None else request.passed.positions


def passed_on(
    request: Request, positions: tuple[int, ...], stages: tuple[StageScores | None, ...], *, texts: bool = True
) -> Request:
    """The request for the next stage: these candidates of it, or, without `texts`, nothing to score."""
    whole = request if request.passed is None else request.passed.request
    number = len(stages)
    composed = whole.composed[number] if whole.composed else whole
    chosen = positions if texts else ()
    return replace(
        whole,
        query=composed.query,
        texts=tuple([composed.texts[position] for position in chosen]),
        fields=tuple([composed.fields[position] for position in chosen]) if composed.fields else (),
        queries=tuple([whole.queries[position] for position in chosen]) if whole.queries else (),
        passed=Passed(whole, positions, stages),
    )


def begin(request: Request, keeping: Keeping) -> Request:
    """The request for the first stage with a model."""
    positions = tuple(range(len(request.texts)))
    if not keeping.given:
        return passed_on(request, positions, ())
    if request.queries:
        return passed_on(request, positions, (None,))
    scores = StageScores(positions, request.scores, has_logits=False, given=True)
    return passed_on(request, scores.best(keeping.keep[0]), (scores,))


@dataclass(slots=True)
class _Staged:
    """A window after a stage, and what stages took for it so far; it begins at `start`."""

    scored: ScoredWindow
    start: Mark
    counters: Counters = field(default_factory=Counters)
    budgets: tuple[Budget, ...] = ()

    @property
    def entries(self) -> list[NumberedRequest | Failure]:
        return self.scored.window.entries

    def after(self, scored: ScoredWindow) -> "_Staged":
        """The window after the next stage."""
        window, board = scored.window, scored.board
        counts = scored.counters
        stage = StageCounters(
            records=sum(isinstance(entry, NumberedRequest) and bool(entry.pairs) for entry in window.entries),
            pairs=len(board),
            batches=counts.batches,
            tokens=counts.tokens,
            padded_tokens=counts.padded_tokens,
            cached=counts.cached,
            busy_s=counts.busy_s,
        )
        added = self.counters + counts + counters_of_chunks(window)
        added.stages = (*self.counters.stages, stage)
        added.duplicate_pairs += window.duplicates
        return _Staged(scored, self.start, added, (*self.budgets, scored.budget))


@dataclass(frozen=True, slots=True)
class Cascade:
    """Ranks requests in stages. `stages` are those with a model; the last one ranks."""

    stages: tuple[WindowReranker, ...]
    keeping: Keeping

    def __post_init__(self) -> None:
        if len(self.stages) > 1:
            first = int(self.keeping.given)
            self.stages[0].skips = lambda request: self.keeping.skips(first, request)

    def windows(self, entries: Iterator[Entry], start: Mark) -> Iterator[RankedWindow]:
        """Rerank entries window by window. Raises DeviceError or PassingFault when scoring cannot continue."""
        ranker = self.stages[-1].ranker
        for staged in run_ahead(lambda: self._scored(entries, start), depth=1, name="score"):
            window = staged.scored.window
            ranked = ranker.rank_window(staged.scored)
            yield RankedWindow(
                ranked.results,
                staged.counters + _counted(window, ranked.results),
                window.end,
                staged.budgets,
            )

    def _scored(self, entries: Iterator[Entry], start: Mark) -> Iterator[_Staged]:
        windows = self._of_first(entries, start)
        for number in range(1, len(self.stages)):
            windows = self._of_later(number, windows)
        yield from windows

    def _of_first(self, entries: Iterator[Entry], start: Mark) -> Iterator[_Staged]:
        begun = (begin(entry, self.keeping) if isinstance(entry, Request) else entry for entry in entries)
        for scored in self.stages[0].scored(begun, start):
            yield _Staged(scored, start).after(scored)
            start = scored.window.end

    def _of_later(self, number: int, windows: Iterator[_Staged]) -> Iterator[_Staged]:
        """The windows after stage `number`. One is prepared while the stage before scores the next."""
        before: tuple[_Staged, Ahead[Slice]] | None = None
        try:
            for staged in windows:
                if before is not None:
                    yield self._score(number, *before)
                before = staged, self.stages[number].prepared(self._passed_on(number, staged), staged.start)
            if before is not None:
                yield self._score(number, *before)
                before = None
        finally:
            if before is not None:
                before[1].close()

    def _passed_on(self, number: int, staged: _Staged) -> Iterator[Entry]:
        """The entries of a window for stage `number`: what the stage before kept, and all failures."""
        ranker, earlier = self.stages[number - 1].ranker, number - 1 + int(self.keeping.given)
        ranker.check_finite(staged.scored.board)
        for entry in staged.entries:
            if isinstance(entry, Failure):
                yield entry
                continue
            request, scores = entry.request, None
            assert request.passed is not None
            kept: tuple[int, ...] = request.passed.positions
            if not self.keeping.skips(earlier, request):
                found = ranker.scores_of(entry, staged.scored.board)
                if isinstance(found, Failure):
                    yield found
                    continue
                scores, kept = found, found.best(self.keeping.keep[earlier])
            following = passed_on(request, kept, (*request.passed.stages, scores))
            is_last = number == len(self.stages) - 1
            if not is_last and self.keeping.skips(earlier + 1, following):
                following = passed_on(request, kept, (*request.passed.stages, scores), texts=False)
            yield following

    def _score(self, number: int, staged: _Staged, slices: Ahead[Slice]) -> _Staged:
        stage, earlier = self.stages[number], staged.scored.window
        with closing(slices):
            scored = next(stage.scored_slices(slices), None)
        window = Window([], 0, 0, earlier.end) if scored is None else scored.window
        window = replace(window, blank=earlier.blank, end=earlier.end)
        if scored is None:  # nothing but blank lines
            return staged.after(ScoredWindow(window, ScoreBoard(), Counters(), stage.budget))
        return staged.after(replace(scored, window=window))


def _counted(window: Window, results: Sequence[Result]) -> Counters:
    """The counters of the records of a window after its last stage."""
    counters = counters_of(window, results)
    counters.pairs = counters.truncated = counters.empty_texts = 0
    counters.chunked = counters.chunks = counters.duplicate_pairs = 0  # counted a stage
    for entry, result in zip(window.entries, results, strict=True):
        if isinstance(entry, Failure) or isinstance(result, Failure) or entry.request.passed is None:
            continue
        passed = entry.request.passed
        models = [stage for stage in passed.stages if stage is not None and not stage.given]
        scored = models[0].positions if models else passed.positions
        counters.pairs += len(scored)
        counters.empty_texts += sum(not passed.request.texts[position] for position in scored)
        counters.truncated += len(entry.truncated)
        later = set(passed.positions)
        for stage in reversed(models):
            counters.truncated += len(stage.truncated - later)
            later |= set(stage.positions)
    return counters
