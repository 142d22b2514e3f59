"""A run without results: `rerank score --dry-run` reads, tokenizes and plans, and reports what a run would meet.

It goes the way of a run as far as the device, so its windows, batches and padding are those that the run will have.
Then it scores a few batches, for the time that the run will take.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import ExitStatus, ModelAbsent
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Mark
from rerank_cli.core.scorer import (
    Batch,
    PreparedPair,
    RemoteCost,
    RemoteScorer,
    Scorer,
    Traits,
    budgets_of,
    known_and_unknown,
)
from rerank_cli.core.stats import Clock, Counters, Stats
from rerank_cli.engines.choice import expected_engine
from rerank_cli.formats.registry import open_format, open_inputs
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.documents import Documents
from rerank_cli.jobs.estimate import Estimate, PlannedShapes, estimate, estimate_vectors
from rerank_cli.jobs.opening import opened_engine, opening_sentence
from rerank_cli.jobs.preflight import check_first_records, check_paths
from rerank_cli.jobs.sampling import records_to_score
from rerank_cli.jobs.stores import known_before
from rerank_cli.reranking.counting import count_batch, count_found, counters_of
from rerank_cli.reranking.planning import plan_pairs
from rerank_cli.reranking.windows import Slice, windows

FATES = {"truncate": "cut", "chunk": "scored in parts", "error": "failures"}
COST_WITHOUT_MODEL = (
    "What the default model costs can be known before: `rerank help speed` has a worked sum, and `rerank bench "
    "--random-weights xlmr-large --engines torch:fp32 --peers none --pairs 48 --rounds 1` "
    "measures its architecture on this machine."
)
BINS = 8  # below the cut, and at most as many above it


@dataclass(slots=True)
class Remote:
    """What a server would be asked."""

    scorer: RemoteScorer
    cost: RemoteCost = field(default_factory=RemoteCost)

    @property
    def unit(self) -> str:
        """What the server bills."""
        return self.scorer.billed_unit

    @property
    def seconds(self) -> float | None:
        """The time of all requests at the rate that is allowed."""
        return self.scorer.seconds_for(self.cost.requests)

    @classmethod
    def of(cls, engine: Scorer) -> "Remote | None":
        """Of an engine that asks a server."""
        return cls(cast("RemoteScorer", engine)) if engine.traits.is_remote else None

    def as_dict(self) -> dict[str, Any]:
        """Flat figures."""
        return {"requests": self.cost.requests, "units": self.cost.units, "unit": self.unit or None, "truncated": None}


@dataclass(slots=True)
class DryRun:
    """What a run would meet. `lengths` counts pairs by their tokens before any cut; `counters` as in a run.

    `max_length` is 0 where it is not known.
    """

    format: str
    max_length: int
    batch_tokens: int
    window_tokens: int
    fate: str  # of pairs longer than max_length
    counters: Counters = field(default_factory=Counters)
    lengths: Counter[int] = field(default_factory=Counter)
    has_cache: bool = False  # whether --score-cache was given
    remote: "Remote | None" = None  # of an engine that asks a server
    documents: Documents | None = None  # of an engine that makes vectors of them
    estimate: Estimate | None = None  # None where there is nothing to score

    def add(self, texts: Sequence[tuple[str, str]], prepared: Sequence[PreparedPair]) -> None:
        """Count the lengths and the documents of pairs, prepared from (query, text)."""
        self.lengths.update(pair.uncut or pair.cost for pair in prepared)
        if self.documents is not None:
            self.documents.add(texts, prepared)

    @property
    def status(self) -> ExitStatus:
        """OK, or SOME_FAILED when a record would fail."""
        return ExitStatus.SOME_FAILED if self.counters.failed else ExitStatus.OK

    def percentile(self, share: float) -> int:
        """The length that this share of the pairs does not exceed (nearest rank); 0 without pairs."""
        left = share * sum(self.lengths.values())
        for length, count in sorted(self.lengths.items()):
            left -= count
            if left <= 0:
                return length
        return 0

    @property
    def estimated_s(self) -> float | None:
        """Seconds that scoring will take; None where that is not known."""
        if self.remote is not None:
            return self.remote.seconds
        return self.estimate.seconds if self.estimate is not None else None if self.counters.batches else 0.0

    def bins(self) -> list[tuple[int, int, int]]:
        """Lengths in ranges, (from, to, pairs): equally wide, none across `max_length`, the last as wide as needed."""
        longest = max(self.lengths, default=0)
        limit = min(longest, self.max_length or longest)
        cut = longest > limit
        width = max(1, -(-limit // BINS))
        edges = [min(low + width, limit) for low in range(0, limit, width)]
        if cut:
            above = [self.max_length + width * number for number in range(1, BINS)]
            edges += [*(edge for edge in above if edge < longest), longest]
        ranges = zip([1, *(edge + 1 for edge in edges)], edges, strict=False)
        return [(low, high, sum(self.lengths[n] for n in range(low, high + 1))) for low, high in ranges]

    def as_dict(self) -> dict[str, Any]:
        """Flat figures."""
        count = self.counters
        return {
            **{name: value for name, value in count.as_dict().items() if name not in ("busy_s", "oom_splits")},
            "format": self.format,
            "max_length": self.max_length,
            "batch_tokens": self.batch_tokens,
            "window_tokens": self.window_tokens,
            "padding_share": round(count.padding_share, 4),
            "truncated_share": round(count.truncated / count.pairs, 4) if count.pairs else 0.0,
            "median_tokens": self.percentile(0.5),
            "p95_tokens": self.percentile(0.95),
            "max_tokens": max(self.lengths, default=0),
            **(self.documents.as_dict() if self.documents is not None else {}),
            **(self.remote.as_dict() if self.remote is not None else {}),
            "estimated_s": None if (seconds := self.estimated_s) is None else round(seconds, 3),
        }


def dry_run(config: RunConfig, stats: Stats, report: Report, announce: Report, warn: Report) -> DryRun:
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
    announce(opening_sentence(config, inputs, source.count(), expected_engine(config.model), verb="planning"))
    stats.doing = "loading the tokenizer"
    try:
        engine = opened_engine(config, report)
    except ModelAbsent as fault:
        raise ModelAbsent(fault.message, f"{fault.advice} {COST_WITHOUT_MODEL}") from None
    scorer = known_before(config.files, engine, report)
    budgets = budgets_of(config, scorer.traits)
    found = DryRun(
        format.name,
        scorer.identity.max_length,
        budgets["batch_tokens"],
        budgets["window_tokens"],
        FATES[config.model.long_docs],
        has_cache=config.files.score_cache is not None,
        documents=Documents.of(config.files, engine),
        remote=Remote.of(engine),
    )
    stats.bytes_total = inputs.size

    def prepare(pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        prepared = scorer.prepare(pairs)
        found.add(pairs, prepared)
        return prepared

    slices = windows(
        entries,
        prepare,
        WindowLimits(found.window_tokens, bytes=source.window_bytes),
        Mark(),
        refuse_cut=config.model.long_docs == "error",
        candidates_path=format.candidates_path,
    )
    planned = _plan(slices, scorer.traits, found, stats)
    _report_reading(format, report, warn)
    if planned.batches and found.remote is None:
        stats.doing = "scoring a few batches for the time"
        engine.load()
        found.estimate = _estimate(engine, planned, found.documents, stats.clock)
    scorer.close()
    return found


def _estimate(engine: Scorer, planned: PlannedShapes, documents: Documents | None, clock: Clock) -> Estimate:
    return estimate(engine, planned, clock) if documents is None else estimate_vectors(engine, documents, clock)


def _report_reading(format: Format, report: Report, warn: Report) -> None:
    for note in format.notes:
        report(note)
    for warning in format.warnings:
        warn(warning)


def _plan(slices: Iterator[Slice], traits: Traits, found: DryRun, stats: Stats) -> PlannedShapes:
    """Plan the batches of all windows, and count."""
    planned = PlannedShapes()
    for slice_ in slices:
        known, unknown = known_and_unknown(slice_.pairs)
        count_found(len(known), found.counters, stats)
        for plan in plan_pairs(slice_.pairs, unknown, Budget(found.batch_tokens), traits):
            count_batch(plan, 0.0, found.counters, stats)
            planned.add(plan, slice_.pairs)
            if found.remote is not None:
                pairs = tuple([slice_.pairs[index] for index in plan.indices])
                found.remote.cost += found.remote.scorer.cost_of(Batch(pairs, plan.tokens, plan.padded))
        if (window := slice_.closes) is not None:
            counters = counters_of(window, window.entries)
            found.counters = found.counters + counters
            stats.done = stats.done + counters
            stats.bytes_done = window.end.disk
    return planned
