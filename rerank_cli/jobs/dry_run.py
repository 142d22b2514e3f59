"""A run without results: `rerank score --dry-run` reads, tokenizes and plans, and reports what a run would meet.

It goes the way of a run as far as the device, so its windows, batches and padding are those that the run will have.
Then it scores a few batches, for the time that the run will take.

Which candidates a stage of a cascade keeps is known only by its scores. Here it keeps as many, evenly spaced in the
input, so that their lengths are those of the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import ExitStatus, ModelAbsent
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Entry, Failure, Mark, Request
from rerank_cli.core.scorer import Batch, PreparedPair, Scorer, budgets_of, known_and_unknown
from rerank_cli.core.stats import Clock, Stats
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.registry import open_format, open_inputs
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.documents import Documents
from rerank_cli.jobs.estimate import PlannedShapes, estimate, estimate_vectors
from rerank_cli.jobs.opening import expected_engines, opening_sentence
from rerank_cli.jobs.planned_run import DryRun, Remote
from rerank_cli.jobs.preflight import check_first_records, check_paths
from rerank_cli.jobs.sampling import Sample, Whole, records_to_score
from rerank_cli.jobs.stages import RunStage, Stages, first_limits, keeping_of
from rerank_cli.jobs.stores import known_before
from rerank_cli.reranking.cascade import Keeping, begin, passed_on, positions_of
from rerank_cli.reranking.counting import count_batch, count_found, counters_of
from rerank_cli.reranking.planning import plan_pairs
from rerank_cli.reranking.windows import NumberedRequest, Skips, Slice, Window, windows

FATES = {"truncate": "cut", "chunk": "scored in parts", "error": "failures"}
COST_WITHOUT_MODEL = (
    "What the default model costs can be known before: `rerank help speed` has a worked sum, and `rerank bench "
    "--random-weights xlmr-large --engines torch:fp32 --peers none --pairs 48 --rounds 1` "
    "measures its architecture on this machine."
)


@dataclass(slots=True)
class StagedDryRun:
    """What a cascade would meet: each stage with a model, and the last one if it scored all pairs `alone`."""

    stages: list[DryRun]
    keeping: Keeping
    alone: DryRun

    @property
    def status(self) -> ExitStatus:
        """OK, or SOME_FAILED when a record would fail."""
        return max((stage.status for stage in self.stages), default=ExitStatus.OK)

    @property
    def estimated_s(self) -> float | None:
        """Seconds that scoring will take in all stages; None where that of one is not known."""
        seconds = [stage.estimated_s for stage in self.stages]
        return None if None in seconds else sum(each for each in seconds if each is not None)

    def as_dict(self) -> dict[str, Any]:
        """Flat figures, then those of each stage."""
        seconds, alone = self.estimated_s, self.alone.estimated_s
        return {
            "records": self.stages[0].counters.records,
            "failed": self.stages[-1].counters.failed,
            "estimated_s": None if seconds is None else round(seconds, 3),
            "estimated_s_last_stage_alone": None if alone is None else round(alone, 3),
            "stages": [stage.as_dict() for stage in self.stages],
            "last_stage_alone": self.alone.as_dict(),
        }


@dataclass(slots=True)
class _Look:
    """A look at what one engine would be given. `found` is what the look finds."""

    stage: RunStage
    scorer: Scorer
    found: DryRun
    candidates_path: str
    limits: WindowLimits
    skips: Skips | None = None
    planned: PlannedShapes = field(default_factory=PlannedShapes)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Prepare pairs, and count them."""
        prepared = self.scorer.prepare(pairs)
        self.found.add(pairs, prepared)
        return prepared

    def windows(self, entries: Iterator[Entry], start: Mark, stats: Stats | None = None) -> Iterator[Window]:
        """Plan the batches of entries, window by window. `stats` get the progress."""
        slices = windows(
            entries,
            self.prepare,
            self.limits,
            start,
            refuse_cut=self.stage.config.model.long_docs == "error",
            candidates_path=self.candidates_path,
            skips=self.skips,
            weigh=self.scorer.prepare,
        )
        for slice_ in slices:
            self._plan(slice_, stats)
            if (window := slice_.closes) is not None:
                counters = counters_of(window, window.entries)
                self.found.counters = self.found.counters + counters
                if stats is not None:
                    stats.done = stats.done + counters
                    stats.bytes_done = window.end.disk
                yield window

    def _plan(self, slice_: Slice, stats: Stats | None) -> None:
        found, traits = self.found, self.scorer.traits
        stats = stats or Stats(lambda: 0.0)
        found.scored_pairs += len(slice_.pairs)
        known, unknown = known_and_unknown(slice_.pairs)
        count_found(len(known), found.counters, stats)
        for plan in plan_pairs(slice_.pairs, unknown, Budget(found.batch_tokens), traits):
            count_batch(plan, 0.0, found.counters, stats)
            self.planned.add(plan, slice_.pairs)
            if found.remote is not None:
                pairs = tuple([slice_.pairs[index] for index in plan.indices])
                found.remote.cost += found.remote.scorer.cost_of(Batch(pairs, plan.tokens, plan.padded))

    def estimate(self, clock: Clock) -> None:
        """Load the model and score a few batches for the time."""
        found, engine = self.found, self.stage.scorer
        if not self.planned.batches or found.remote is not None:
            return
        engine.load()
        if found.documents is None:
            found.estimate = estimate(engine, self.planned, clock)
        else:
            found.estimate = estimate_vectors(engine, found.documents, clock)


def dry_run(config: RunConfig, stats: Stats, report: Report, announce: Report, warn: Report) -> DryRun | StagedDryRun:
    """Go through the input as a run would. `stats` may be watched, `announce` gets what will happen, `warn` warnings.

    Raises what reading, finding and loading the model raise.
    """
    stats.doing = "reading the first records"
    inputs = open_inputs(config.read)
    check_paths(config)  # refuses what a run would refuse
    format = open_format(config.read, replace(config.write, scored=True), inputs)
    source = records_to_score(format, inputs, config.read)
    if source.note:
        report(source.note)
    entries = check_first_records(source.after(None, 0), format.name, config.read)
    _announce(config, inputs, source, announce)
    stats.doing = "loading the tokenizer"
    try:
        stages = Stages.opened(config, report)
    except ModelAbsent as fault:
        raise ModelAbsent(fault.message, f"{fault.advice} {COST_WITHOUT_MODEL}") from None
    looks = [_look(stages, number, format, source.window_bytes, report) for number in range(len(stages.stages))]
    stats.bytes_total = inputs.size
    if len(config.stages) > 1:
        last = len(looks) - 1
        alone = _look(stages, last, format, source.window_bytes, report, alone=True)
        found: DryRun | StagedDryRun = _through_stages(entries, looks, alone, keeping_of(config), stats)
    else:
        for _ in looks[0].windows(entries, Mark(), stats):
            pass
        found = looks[0].found
    _report_reading(format, report, warn)
    stats.doing = "scoring a few batches for the time"
    for look in looks:
        look.estimate(stats.clock)
    if isinstance(found, StagedDryRun):
        found.alone.estimate = _scaled(looks[-1], alone)
    stages.close()
    return found


def _announce(config: RunConfig, inputs: Inputs, source: Whole | Sample, announce: Report) -> None:
    announce(opening_sentence(config, inputs, source.count(), expected_engines(config)[-1], verb="planning"))


def _look(
    stages: Stages, number: int, format: Format, window_bytes: int, report: Report, *, alone: bool = False
) -> _Look:
    """A look at a stage; `alone`: as if it scored all pairs."""
    stage, keeping = stages.stages[number], keeping_of(stages.config)
    config, engine = stage.config, stage.scorer
    scorer = known_before(config.files, engine, report)
    budgets = budgets_of(config, scorer.traits)
    found = DryRun(
        format.name,
        scorer.identity.max_length,
        budgets["batch_tokens"],
        budgets["window_tokens"],
        scorer.identity.model,
        FATES[config.model.long_docs],
        has_cache=config.files.score_cache is not None,
        documents=Documents.of(config.files, engine),
        remote=Remote.of(engine),
    )
    limits = WindowLimits(found.window_tokens, closes=False)
    look = _Look(stage, scorer, found, format.candidates_path, limits)
    if number == 0 and not alone:
        look.limits = first_limits(found.window_tokens, keeping, window_bytes)
        if len(stages.stages) > 1:
            look.skips = lambda request: keeping.skips(int(keeping.given), request)
    return look


def _through_stages(
    entries: Iterator[Entry], looks: list[_Look], alone: _Look, keeping: Keeping, stats: Stats
) -> StagedDryRun:
    """Plan all windows of a cascade."""
    start = Mark()
    begun = (begin(entry, keeping) if isinstance(entry, Request) else entry for entry in entries)
    for window in looks[0].windows(begun, start, stats):
        whole = [_whole(entry) for entry in window.entries]
        for _ in alone.windows(iter(whole), start):
            pass
        later = window
        for number, look in enumerate(looks[1:], int(keeping.given)):
            kept = [_kept(entry, keeping, number) for entry in later.entries]
            for each in look.windows(iter(kept), start):
                later = each
        start = window.end
    return StagedDryRun([look.found for look in looks], keeping, alone.found)


def _whole(entry: NumberedRequest | Failure) -> Entry:
    """All candidates of a record for the last stage."""
    if isinstance(entry, Failure) or entry.request.passed is None:
        return entry if isinstance(entry, Failure) else entry.request
    return entry.request.passed.request


def _kept(entry: NumberedRequest | Failure, keeping: Keeping, number: int) -> Entry:
    """What stage `number` might keep of a record: as many candidates as it does, evenly spaced."""
    if isinstance(entry, Failure):
        return entry
    request = entry.request
    assert request.passed is not None
    positions, stages = tuple(positions_of(request)), request.passed.stages
    keep = keeping.keep[number]
    if not keeping.skips(number, request) and keep is not None and keep < len(positions):
        positions = tuple([positions[place * len(positions) // keep] for place in range(keep)])
    following = passed_on(request, positions, (*stages, None))
    skipped = number + 1 < len(keeping.keep) and keeping.skips(number + 1, following)
    return passed_on(request, positions, (*stages, None), texts=not skipped)


def _scaled(last: _Look, alone: _Look) -> Any:
    """The time of the last stage alone, by its time in the cascade."""
    found = last.found.estimate
    if found is None or found.seconds is None or not last.planned.padded:
        return found
    return replace(found, seconds=found.seconds * alone.planned.padded / last.planned.padded)


def _report_reading(format: Format, report: Report, warn: Report) -> None:
    for note in format.notes:
        report(note)
    for warning in format.warnings:
        warn(warning)
