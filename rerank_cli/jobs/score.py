"""One run of `rerank score`, from a resolved configuration to a finished output.

Cheap checks come first: options, paths and the first records before the model is looked for, and existing files at the
output before its weights are loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import ExitStatus, Interrupted
from rerank_cli.core.plan import Budget
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Failure, Mark
from rerank_cli.core.scorer import Identity, Scorer
from rerank_cli.core.stats import Clock, Stats
from rerank_cli.files.existing import Action
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.journal import Commit
from rerank_cli.files.output import Output, open_output
from rerank_cli.files.stream_output import StreamOutput
from rerank_cli.formats.registry import failure_line, open_format, open_inputs
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.accounting import Accounts
from rerank_cli.jobs.fingerprint import fingerprint
from rerank_cli.jobs.opening import announce_engine, announce_run
from rerank_cli.jobs.preflight import check_first_records, check_paths, refuse_table_of_lines
from rerank_cli.jobs.resume import Beginning, continuing_sentence, find_beginning, what_is_kept
from rerank_cli.jobs.said import Said, on_failed, on_finished, on_input, on_nothing, on_truncated
from rerank_cli.jobs.sampling import Sample, Whole, records_to_score
from rerank_cli.jobs.stages import Stages
from rerank_cli.jobs.statistics import document_of, write_stats
from rerank_cli.reranking.results import RankedWindow


@dataclass(slots=True)
class Run:
    """A run: its configuration, its live counters (`stats`), and its final statistics (`document`).

    `report` gets sentences for the user, `announce` the one that says what will happen, `warn` those on what may be
    wrong with the result.
    """

    config: RunConfig
    report: Report
    stats: Stats
    scorer: Scorer | None = None  # of one stage, where it is open already
    stages: Stages | None = None  # open ones
    document: dict[str, Any] | None = None  # None if there was nothing to do
    announce: Report | None = None  # None: as `report`
    warn: Report | None = None  # the same
    _accounts: Accounts = field(init=False)
    said: Said = field(init=False)
    _fingerprint: dict[str, Any] | None = None
    _source: Whole | Sample = field(init=False)
    _records: int | None = None  # in the input, where that is known before it is read

    def __post_init__(self) -> None:
        self._accounts = Accounts(self.stats, self.config.error_limit)
        self.said = Said(self.report, self.warn or self.report)

    @classmethod
    def of(
        cls, config: RunConfig, report: Report, clock: Clock, announce: Report | None = None, warn: Report | None = None
    ) -> "Run":
        """A new run. `clock` returns seconds."""
        return cls(config, report, Stats(clock), announce=announce, warn=warn)

    def execute(self) -> ExitStatus:
        """Score the input and write the output. Returns OK or SOME_FAILED.

        Raises RerankError for every other ending, and Interrupted.
        """
        config = self.config
        self.stats.doing = "reading the first records"
        inputs = open_inputs(config.read)
        paths = check_paths(config)
        format = open_format(config.read, replace(config.write, scored=True), inputs)
        refuse_table_of_lines(config, paths, format.name)
        self._source = records_to_score(format, inputs, config.read)
        self.said.note(on_input(config, format.name, self._source, inputs, paths))
        output = open_output(config.files, paths)
        try:
            beginning = Beginning(Action.START)
            if isinstance(output, FileOutput):
                beginning = find_beginning(output, inputs, config, lambda: self._fingerprint_of(format), self.report)
            if beginning.action is Action.NOTHING:
                self.said.note(on_finished(beginning.document or {}, config.files))
                if config.files.stats is not None and beginning.document is not None:
                    write_stats(config.files.stats, beginning.document)
                return ExitStatus.OK
            status = self._score(format, inputs, output, beginning)
            if self.stages is not None and self.scorer is None:
                self.stages.close()  # not after an error: its thread may still use it
            return status
        except Interrupted as stop:
            stop.advice = what_is_kept(output, inputs, self._records)
            raise
        finally:
            output.close()

    def _fingerprint_of(self, format: Format) -> dict[str, Any]:
        if self._fingerprint is None:
            hashes = {**format.hashes, **self._source.hashes}
            identities = [stage.identity for stage in self._open_stages().stages]
            self._fingerprint = fingerprint(self.config, format.name, identities, hashes)
        return self._fingerprint

    def _open_stages(self) -> Stages:
        if self.stages is None:
            self.stats.doing = "loading the model"
            self.stages = Stages.opened(self.config, self.report, self.scorer)
        return self.stages

    def _score(
        self, format: Format, inputs: Inputs, output: StreamOutput | FileOutput, beginning: Beginning
    ) -> ExitStatus:
        """Score to the end of the input and make the output final."""
        stages = self._open_stages
        if beginning.action is Action.CONTINUE and isinstance(output, FileOutput):
            sizes = self._report_opening(inputs, continues=True)
            if output.found is not None:  # to be seen while the model is loaded
                self._accounts.begin(output.found.commit.counters, beginning.place or Mark(), *sizes)
            self._load().resume(output.found.header["resolved"]["stages"] if output.found else [])
            commit = output.resume()
            entries = self._source.after(beginning.place, commit.counters.records)
            self.report(continuing_sentence(commit.counters.records))
        else:
            entries = check_first_records(self._source.after(None, 0), format.name, self.config.read)
            self.said.note(format.first_notes)
            sizes = self._report_opening(inputs, continues=False)
            self._load().start()
            commit = output.start(self._fingerprint_of(format), {"stages": stages().resolved})
        self._accounts.begin(commit.counters, beginning.place or Mark(), *sizes)
        self.stats.done.cache_changes += stages().cache_changes
        budgets = commit.budgets or stages().budgets()
        _write_header(format.header, output, commit, self._accounts.end, budgets)
        reranking = stages().reranking(format, budgets, self._source.window_bytes, self.stats, self.report)
        for window in reranking.windows(self._accounts.counted(entries), self._accounts.end):
            self._commit(window, format, output)
        return self._finish(format, inputs, output)

    def _report_opening(self, inputs: Inputs, *, continues: bool) -> tuple[int | None, int | None]:
        """Report what will happen, before libraries are loaded; returns what progress is a share of (`sizes_of`).

        The engine is opened before the stores: it may refuse them.
        """
        self._records = self._source.count()
        announce = self.announce or self.report
        opened = self.scorer if self.stages is None else self.stages.last.scorer
        expected = announce_run(self.config, inputs, self._records, opened, announce)
        stages = self._open_stages()
        announce_engine(expected, stages.last.identity, announce)
        stages.open_stores(self.said.warn_one, continues=continues)
        return self._source.sizes(self._records)

    def _load(self) -> Stages:
        (stages := self._open_stages()).load()
        self.stats.doing = "scoring the first batch"
        return stages

    def _commit(self, window: RankedWindow, format: Format, output: Output) -> None:
        """Write and commit the results of a window."""
        self._accounts.records_written += _write_results(window, format, output)
        self._accounts.check_limit([each for each in window.results if isinstance(each, Failure)], window.counters)
        output.commit(self.stats.total + window.counters, window.end, window.budgets)
        self._accounts.add(window.counters, window.end)

    def _finish(self, format: Format, inputs: Inputs, output: Output) -> ExitStatus:
        self._accounts.check()
        stages = self._open_stages()
        self.stats.done.cache_changes += stages.finish()
        _say_at_the_end(self, inputs, format, stages.last.identity)
        self.document = document_of(
            self.config,
            self.stats,
            stages=stages,
            end=self._source.end(self._accounts.end),
            fingerprint=self._fingerprint_of(format),
            warnings=self.said.warnings,
        )
        output.finish(self.document)
        return ExitStatus.SOME_FAILED if self.stats.total.failed else ExitStatus.OK


def _say_at_the_end(run: Run, inputs: Inputs, format: Format, identity: Identity) -> None:
    """Say what the input and the result turned out to be."""
    said, config, total = run.said, run.config, run.stats.total
    said.note([*inputs.notes, *format.notes])
    (said.warn_of if inputs.resumable else said.note)(on_nothing(inputs, total, config.read))
    said.note(on_truncated(total, identity, config.model))
    said.warn_of([*format.warnings, *on_failed(total, format.unmatched)])


def _write_results(window: RankedWindow, format: Format, output: Output) -> int:
    """Write the results of a window. Returns how many records those are."""
    written = 0
    for result in window.results:
        if isinstance(result, Failure):
            output.fail(failure_line(result))
        else:
            output.write(format.write(*result))
        written += 1
    return written


def _write_header(header: bytes, output: Output, commit: Commit, end: Mark, budgets: Sequence[Budget]) -> None:
    """Write and commit the header of a new output, if the format has one."""
    if header and not commit.output.size:
        output.write(header)
        output.commit(commit.counters, end, tuple(budgets))
