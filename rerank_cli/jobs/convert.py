"""Convert records to another format without scoring, with the output protocol of a run."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rerank_cli import __version__
from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import AccountingError, ExitStatus
from rerank_cli.core.plan import Budget
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Blank, Entry, Failure, Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.existing import decide, existing_at, refuse_others
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.output import Output, open_output
from rerank_cli.files.stream_output import StreamOutput
from rerank_cli.formats.registry import failure_line, open_format, open_inputs, read_entries
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.fingerprint import readable
from rerank_cli.jobs.preflight import check_first_records, check_paths, refuse_table_of_lines

COMMIT_EVERY = 4096  # records
COMMIT_BYTES = 16 * 1024 * 1024  # of input


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of a conversion. `counters` count records and candidates ("pairs")."""

    status: ExitStatus
    source: str
    target: str
    counters: Counters


def convert(config: RunConfig, report: Report, warn: Report) -> Conversion:
    """Read, convert and write; `warn` gets what may be wrong with the result. Raises what reading and writing raise.

    It cannot be resumed: it takes seconds.
    """
    inputs = open_inputs(config.read)
    paths = check_paths(config)
    format = open_format(config.read, config.write, inputs)
    refuse_table_of_lines(config, paths, format.name)
    target = format.name if config.write.format == "same" else config.write.format
    output = open_output(config.files, paths, resumable=False)
    try:
        _refuse_existing(config, output)
        about = {"command": "convert", "format": format.name, "output_format": target, "rerank_version": __version__}
        entries = check_first_records(read_entries(format, inputs, config.read, None), format.name, config.read)
        output.start(about, {})
        counters, end = _write_converted(entries, format, output)
        for note in (*inputs.notes, *format.notes):
            report(note)
        for warning in format.warnings:
            warn(warning)
        about_input = {"input_bytes": end.total, "input_sha256": end.sha256, "options": readable(asdict(config.read))}
        output.finish({**about, **counters.as_dict(), **about_input, **asdict(config.origins)})
    finally:
        output.close()
    status = ExitStatus.SOME_FAILED if counters.failed else ExitStatus.OK
    return Conversion(status, format.name, target, counters)


def _write_converted(entries: Iterator[Entry], format: Format, output: Output) -> tuple[Counters, Mark]:
    """Write and commit all entries. Returns their counters and the position after the last one."""
    counters, end, committed, read = Counters(), Mark(), Mark(), 0
    if format.header:
        output.write(format.header)
    for entry in entries:
        end = entry.end
        if isinstance(entry, Blank):
            counters.blank += 1
            continue
        read += 1
        if isinstance(entry, Failure):
            counters.failed += 1
            output.fail(failure_line(entry))
        else:
            counters.scored += 1
            counters.pairs += len(entry.texts)
            output.write(format.lines_of(entry))
        counters.records = counters.scored + counters.failed
        if not counters.records % COMMIT_EVERY or end.total - committed.total > COMMIT_BYTES:
            output.commit(counters, end, (Budget(1),))
            committed = end
    if counters.records != read:
        raise AccountingError(f"{read} records read, {counters.records} written. This is a bug.", "Report it.")
    output.commit(counters, end, (Budget(1),))
    return counters, end


def _refuse_existing(config: RunConfig, output: FileOutput | StreamOutput) -> None:
    """Raises Refused when existing files at the output forbid to write there."""
    if isinstance(output, StreamOutput):
        return
    overwrite, name = config.files.overwrite, str(output.paths.final)
    decide(existing_at(output), resume=False, overwrite=overwrite, name=name, resumable=False)
    refuse_others(output, overwrite)
