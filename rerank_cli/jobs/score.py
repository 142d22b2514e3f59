"""One run of `rerank score`, from a resolved configuration to a finished output.

The order of the steps is the order in which mistakes are cheap: options, paths and the first records are judged before
the model is looked for, and the files found at the output before its weights are loaded.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rerank_cli import __version__
from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import AccountingError, ExitStatus, InputError, Interrupted
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Blank, Entry, Failure, Mark
from rerank_cli.core.scorer import Scorer, resolved
from rerank_cli.core.stats import Clock, Stats
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.machine import peak_memory, python_version
from rerank_cli.files.existing import Action, decide, existing_at, finished_meta, refuse_others, why_not_continued
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.journal import Commit
from rerank_cli.files.output import OF_FILES, Output
from rerank_cli.files.paths import Paths, is_file
from rerank_cli.files.stream_output import StreamOutput
from rerank_cli.formats.registry import failure_line, open_format, read_entries
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.fingerprint import fingerprint, readable
from rerank_cli.jobs.preflight import refuse_foreign, refuse_same_files, refuse_table_of_lines
from rerank_cli.jobs.statistics import write_stats
from rerank_cli.reranking.reranker import Done, Reranker

STOPPED = "; what was committed is kept, the same command with --resume continues"


@dataclass(slots=True)
class Run:
    """A run: what it was asked, what may be watched while it goes on (`stats`), and what it came to (`document`).

    `report` gets sentences for the user.
    """

    config: RunConfig
    report: Report
    stats: Stats
    scorer: Scorer | None = None
    document: dict[str, Any] | None = None  # of this run; None where there was nothing to do
    _read: int = 0  # records that came out of the reader, for the accounting check
    _handed_over: int = 0  # records that went to the output or the errors file
    _end: Mark = field(default_factory=Mark)
    _told: set[str] = field(default_factory=set)  # notes on the input
    _earlier: dict[str, Any] | None = None  # the document of the finished run that was found

    @classmethod
    def of(cls, config: RunConfig, report: Report, clock: Clock) -> "Run":
        """A run not yet begun. `clock` gives seconds."""
        return cls(config, report, Stats(clock))

    @property
    def errors_name(self) -> str:
        """Where failed records go, for a sentence."""
        files = self.config.files
        return files.errors or (f"{files.output}.errors.jsonl" if is_file(files.output) else "above")

    def execute(self) -> ExitStatus:
        """Do it. Returns OK or SOME_FAILED; raises RerankError for every other ending, and Interrupted."""
        config = self.config
        inputs = Inputs(config.read.sources)
        refuse_same_files(config)
        shape = open_format(config.read, replace(config.write, scored=True), inputs)
        refuse_table_of_lines(config, shape.name)
        if config.read.format == "auto" and shape.name != "native":
            self.report(f"the records are read as {shape.name} (--format {shape.name})")
        theirs = self.scorer
        output = self._opened_output(inputs)
        try:
            action, start = self._choose(output, inputs, shape)
            if action is Action.NOTHING:
                if config.files.stats is not None and self._earlier is not None:
                    write_stats(config.files.stats, self._earlier)
                return ExitStatus.OK
            status = self._score(shape, inputs, output, action, start)
            self._close_scorer(theirs)
            return status
        except Interrupted as stop:
            stop.advice = STOPPED if isinstance(output, FileOutput) and inputs.resumable else ""
            raise
        finally:
            output.close()

    def _opened_output(self, inputs: Inputs) -> StreamOutput | FileOutput:
        files = self.config.files
        if not is_file(files.output):
            return StreamOutput(files.output, files.errors, files.overwrite)
        if not inputs.resumable:
            self.report("input from a pipe or standard input: if this run is interrupted, it cannot be resumed")
        return FileOutput(Paths.of(files.output, files.errors), files.overwrite)

    def _choose(self, output: StreamOutput | FileOutput, inputs: Inputs, shape: Format) -> tuple[Action, Mark | None]:
        """What to do with the files found, and the place in the input to continue from. Raises Refused."""
        if isinstance(output, StreamOutput):
            return Action.START, None
        files = self.config.files
        existing, mark = existing_at(output), None
        if files.resume and (existing.file or existing.partial):
            wanted = self._fingerprint(shape)
            mark, obstacle = self._continuable(output, wanted, inputs) if existing.partial else (None, "")
            ours = self._is_finished(output, wanted, inputs)
            existing = replace(existing, file_ours=ours, partial_ours=mark is not None, obstacle=obstacle)
        action = decide(existing, resume=files.resume, overwrite=files.overwrite, name=str(output.paths.final))
        if action is Action.NOTHING:
            self.report(f"{output.paths.final}: nothing to do, this very run made it")
            return action, None
        if existing.obstacle:
            self.report(f"starting anew, the unfinished output cannot be continued: {existing.obstacle}")
        refuse_others(output, files.overwrite)
        return action, mark

    def _continuable(self, output: FileOutput, wanted: dict[str, Any], inputs: Inputs) -> tuple[Mark | None, str]:
        """The place to continue the partial output from, or None and the reason why not."""
        obstacle = why_not_continued(output, wanted)
        if not obstacle and not inputs.resumable:
            obstacle = "the input is a pipe or standard input"
        if obstacle or output.found is None:
            return None, obstacle or ""
        place = output.found.commit.place
        mark = inputs.replay(place.source, place.line, place.offset)
        if mark is not None and mark.sha256 == place.sha256:
            return mark, ""
        return None, "the input consumed so far has changed"

    def _is_finished(self, output: FileOutput, wanted: dict[str, Any], inputs: Inputs) -> bool:
        """Whether FILE is what this run would make: same options, model and input, and untouched since."""
        meta = finished_meta(output, wanted)
        noted = {"input_source", "input_line", "input_offset", "input_sha256", "records"}
        if meta is None or not noted <= meta.keys() or not inputs.resumable:
            return False
        mark = inputs.replay(meta["input_source"], meta["input_line"], meta["input_offset"])
        if mark is None or mark.sha256 != meta["input_sha256"]:
            return False
        self._earlier = {name: value for name, value in meta.items() if name not in OF_FILES}
        limit = self.config.read.limit
        return (limit is not None and meta["records"] >= limit) or inputs.ends_at(mark)

    def _fingerprint(self, shape: Format) -> dict[str, Any]:
        return fingerprint(self.config, shape.name, self._opened_scorer().identity, shape.hashes)

    def _opened_scorer(self) -> Scorer:
        if self.scorer is None:
            self.scorer = open_scorer(self.config.model)
            for note in self.scorer.notes:
                self.report(note)
        return self.scorer

    def _score(
        self, shape: Format, inputs: Inputs, output: StreamOutput | FileOutput, action: Action, start: Mark | None
    ) -> ExitStatus:
        """Score from `start` (None: the beginning) to the end of the input and make the output final."""
        config = self.config
        if action is Action.CONTINUE and isinstance(output, FileOutput):
            scorer = self._loaded_scorer()
            commit = output.resume()
            budgets = output.found.header["resolved"] if output.found else {}
            entries = read_entries(shape, inputs, config.read, start, skip=commit.counters.records)
            self.report(f"continuing after {commit.counters.records} records")
        else:
            entries = refuse_foreign(read_entries(shape, inputs, config.read, None), shape.name)
            self._tell_once(shape.notes)
            scorer = self._loaded_scorer()
            budgets = resolved(config, scorer.traits)
            commit = output.start(self._fingerprint(shape), budgets)
        self._watch(inputs, commit, start or Mark())
        reranker = Reranker(
            scorer,
            WindowLimits(budgets["window_tokens"]),
            commit.budget or Budget(budgets["batch_tokens"]),
            config.write,
            self.stats,
            self.report,
            shape.candidates_path,
            config.model.long_docs == "error",
            shape.needs_candidates,
        )
        for done in reranker.windows(self._counted(entries), self._end):
            self._commit(done, shape, output)
        return self._finish(shape, inputs, output, budgets)

    def _tell_once(self, notes: list[str]) -> None:
        for note in notes:
            if note not in self._told:
                self._told.add(note)
                self.report(note)

    def _close_scorer(self, theirs: Scorer | None) -> None:
        """Free the device, unless the scorer was given to us. Not done on errors: its thread may be inside it."""
        if self.scorer is not None and self.scorer is not theirs:
            self.scorer.close()

    def _loaded_scorer(self) -> Scorer:
        scorer = self._opened_scorer()
        scorer.load()
        return scorer

    def _watch(self, inputs: Inputs, commit: Commit, start: Mark) -> None:
        self._end = start
        self.stats.earlier = commit.counters
        self.stats.bytes_total = inputs.size
        self.stats.bytes_at_start = self.stats.bytes_done = start.disk

    def _counted(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self._read += not isinstance(entry, Blank)
            yield entry

    def _commit(self, done: Done, shape: Format, output: Output) -> None:
        """Hand a window's results to the output, and make them durable."""
        failures = []
        for result in done.results:
            if isinstance(result, Failure):
                failures.append(result)
                output.fail(failure_line(result))
            else:
                output.write(shape.write(*result))
            self._handed_over += 1
        self._check_limit(done, failures)
        output.commit(self.stats.total + done.counters, done.end, done.budget)
        self.stats.done = self.stats.done + done.counters
        self.stats.bytes_done = done.end.disk
        self._end = done.end

    def _check_limit(self, done: Done, failures: list[Failure]) -> None:
        before, total = self.stats.total.failed, self.stats.total + done.counters
        for failed, failure in enumerate(failures, before + 1):
            if self.config.error_limit.exceeded(failed, total.records):
                raise InputError(
                    f"{failure}: that makes {failed} failed, more than --max-errors allows",
                    "`rerank check` lists the bad records. Mend them, or allow more.",
                )

    def _finish(self, shape: Format, inputs: Inputs, output: Output, budgets: dict[str, int]) -> ExitStatus:
        total = self.stats.total
        if not total.balanced or not self._read == self._handed_over == self.stats.done.records:
            raise AccountingError(
                f"{self._read} records read, {self._handed_over} written, {self.stats.done.records} counted. "
                "This is a bug.",
                "The partial output is kept. Please report this with the statistics.",
            )
        self._tell_once([*inputs.notes, *shape.notes])
        self.document = self._described(shape, budgets)
        output.finish(self.document)
        return ExitStatus.SOME_FAILED if total.failed else ExitStatus.OK

    def _described(self, shape: Format, budgets: dict[str, int]) -> dict[str, Any]:
        """The run statistics: flat figures first, then where they come from."""
        scorer = self._opened_scorer()
        splits = self.stats.total.oom_splits
        identity = scorer.identity.as_dict()
        return {
            **self.stats.summary(),
            "deterministic": not splits,
            "deterministic_why": f"{splits} batches ran out of memory" if splits else None,
            "peak_memory_bytes": peak_memory(),
            **budgets,
            **readable({name: value for name, value in identity.items() if name != "versions"}),
            "versions": {"rerank": __version__, "python": python_version(), **scorer.identity.versions},
            "input_source": self._end.source,
            "input_line": self._end.line,
            "input_offset": self._end.offset,
            "input_bytes": self._end.total,
            "input_sha256": self._end.sha256,
            "options": readable({name: value for name, value in asdict(self.config).items() if name != "files"}),
            "fingerprint": self._fingerprint(shape),
        }
