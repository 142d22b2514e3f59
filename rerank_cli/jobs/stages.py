"""The stages of a run: one engine, or those of a cascade, each with its stores and its budget.

A run without --stage is a run of one stage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rerank_cli.core.config import ModelConfig, RunConfig, StageConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Entry, Mark
from rerank_cli.core.scorer import Identity, Scorer, budgets_of
from rerank_cli.core.stats import StageProgress, Stats
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.opening import name_of_stage, of_a_stage, opened_engine, with_models
from rerank_cli.jobs.stores import Stores
from rerank_cli.reranking.cascade import Cascade, Keeping
from rerank_cli.reranking.reranker import WindowReranker
from rerank_cli.reranking.results import RankedWindow


class Reranking(Protocol):
    """What ranks entries window by window: a WindowReranker or a Cascade."""

    def windows(self, entries: Iterator[Entry], start: Mark) -> Iterator[RankedWindow]:
        """The ranked windows of entries."""


def keeping_of(config: RunConfig) -> Keeping:
    """What stages before the last keep."""
    before = config.stages[:-1]
    given = bool(before) and before[0].model is None
    return Keeping(tuple([stage.keep for stage in before]), given, config.write.fusion is not None)


def first_limits(tokens: int, keeping: Keeping, window_bytes: int) -> WindowLimits:
    """The limits of the windows of a run, whose first stage with a model has windows of so many tokens."""
    kept = [keep for keep in keeping.keep[int(keeping.given) :] if keep is not None]
    return WindowLimits(tokens, bytes=window_bytes, keep=min(kept, default=None))


@dataclass(slots=True)
class RunStage:
    """A stage with a model: its options, its engine, and its stores once the run begins."""

    config: RunConfig  # with the model of this stage
    scorer: Scorer
    keep: int | None
    stores: Stores | None = None
    used: Scorer | None = None  # the engine with its stores

    @property
    def identity(self) -> Identity:
        """Of the engine."""
        return self.scorer.identity

    @property
    def opened(self) -> Scorer:
        """The engine with its stores, once the run has begun."""
        assert self.used is not None
        return self.used

    @property
    def opened_stores(self) -> Stores:
        """Its stores, which are open."""
        assert self.stores is not None
        return self.stores


@dataclass(slots=True)
class Stages:
    """The stages of a run with a model."""

    config: RunConfig
    stages: list[RunStage]
    resolved: list[dict[str, Any]] = field(default_factory=list)  # of each stage, as noted in the journal

    @classmethod
    def opened(cls, config: RunConfig, report: Report, given: Scorer | None = None) -> "Stages":
        """Open the engines; none is loaded. `given` is that of a run with one stage, if it is open already.

        Raises what `opened_engine` raises, and says of which stage.
        """
        if len(config.stages) < 2:
            return cls(config, [RunStage(config, given or opened_engine(config, report), None)])
        stages, found = with_models(config), []
        for number, stage in enumerate(stages):
            with of_a_stage(name_of_stage(config, number)):
                found.append(_opened(config, stage, report, is_last=stage is stages[-1]))
        _refuse_vectors(config, found)
        return cls(config, found)

    @property
    def last(self) -> RunStage:
        """The stage that ranks."""
        return self.stages[-1]

    def load(self) -> None:
        """Load the models, one after the other. Raises ModelError or DeviceError, which says of which stage."""
        for number, stage in enumerate(self.stages):
            with of_a_stage(name_of_stage(self.config, number)):
                stage.scorer.load()

    def open_stores(self, warn: Report, *, continues: bool) -> None:
        """Open the stores of all stages. Raises as StoreOfRun."""
        for stage in self.stages:
            stage.stores = Stores(stage.config.files, warn, continues=continues)

    def start(self) -> None:
        """Begin a new run: what stores are seen, and the budgets of each device."""
        for stage in self.stages:
            stores = stage.opened_stores
            stage.used = stores.start(stage.scorer)
            self.resolved.append({**budgets_of(self.config, stage.scorer.traits), **stores.resolved()})

    def resume(self, resolved: list[dict[str, Any]]) -> None:
        """Continue a run with what its journal says of each stage."""
        self.resolved = resolved
        for stage, noted in zip(self.stages, resolved, strict=True):
            stage.used = stage.opened_stores.resume(stage.scorer, noted)

    @property
    def cache_changes(self) -> int:
        """1 if the run continues with other kept entries than it began with, else 0."""
        return max(stage.opened_stores.changes for stage in self.stages)

    def finish(self) -> int:
        """Store the last entries and close the stores; returns 1 if entries were lost meanwhile, else 0."""
        return max(stage.opened_stores.finish() for stage in self.stages)

    def close(self) -> None:
        """Release the devices."""
        for stage in self.stages:
            stage.scorer.close()

    def budgets(self) -> tuple[Budget, ...]:
        """The budgets of the stages of a run that has learned nothing."""
        return tuple([Budget(resolved["batch_tokens"]) for resolved in self.resolved])

    def reranking(
        self, format: Format, budgets: Sequence[Budget], window_bytes: int, stats: Stats, report: Report
    ) -> Reranking:
        """What ranks the records of a format, with these budgets of the stages."""
        made = [
            WindowReranker(
                scorer=stage.opened,
                limits=self.limits(number, window_bytes),
                budget=budget,
                write=self.config.write,
                progress=StageProgress(stats, number == 0, stage is self.last) if len(budgets) > 1 else stats,
                report=_of_stage(name_of_stage(self.config, number), report),
                candidates_path=format.candidates_path,
                refuse_cut=stage.config.model.long_docs == "error",
                refuse_empty=format.needs_candidates,
            )
            for number, (stage, budget) in enumerate(zip(self.stages, budgets, strict=True))
        ]
        return Cascade(tuple(made), keeping_of(self.config)) if len(self.config.stages) > 1 else made[0]

    def limits(self, number: int, window_bytes: int) -> WindowLimits:
        """The limits of the windows of a stage: those of the first are the windows of all."""
        tokens = self.resolved[number]["window_tokens"]
        if number:
            return WindowLimits(tokens, closes=False)
        return first_limits(tokens, keeping_of(self.config), window_bytes)


def _opened(config: RunConfig, stage: StageConfig, report: Report, *, is_last: bool) -> RunStage:
    """Open the engine of a stage of a cascade; --vectors is for those that make vectors."""
    files = replace(config.files, vectors=None)
    write = config.write if is_last else replace(config.write, score_chosen=False)
    of_stage = replace(config, model=stage.model or ModelConfig(), files=files, write=write)
    scorer = opened_engine(of_stage, report)
    of_stage = replace(of_stage, write=config.write, files=config.files if scorer.traits.has_vectors else files)
    return RunStage(of_stage, scorer, stage.keep)


def _refuse_vectors(config: RunConfig, stages: Sequence[RunStage]) -> None:
    """Raises ConfigError for --vectors where no stage makes any."""
    if config.files.vectors is not None and all(stage.config.files.vectors is None for stage in stages):
        raise ConfigError(
            f"--vectors {config.files.vectors}: no stage makes vectors of documents",
            "Leave it out, or add a stage with a bi-encoder or a late-interaction model.",
        )


def _of_stage(name: str, report: Report) -> Report:
    """The report of a stage, which says its name where there are several."""
    return (lambda sentence: report(f"{name}: {sentence}")) if name else report
