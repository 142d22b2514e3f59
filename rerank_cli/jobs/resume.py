"""Whether a run continues the files at its output, and from which position in the input.

`existing` decides by the content of the files. Here the input is read again, as far as the earlier run consumed it: if
it changed, it is another run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rerank_cli.core.config import RunConfig
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Mark
from rerank_cli.files.existing import Action, decide, existing_at, finished_meta, refuse_others, why_damaged
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.journal import read_journal
from rerank_cli.files.output import OF_FILES
from rerank_cli.files.stream_output import StreamOutput
from rerank_cli.jobs.fingerprint import differing
from rerank_cli.jobs.opening import count_of

Fingerprint = dict[str, Any]

PIPE = "the input is a pipe or standard input"
OF_THE_INPUT = {"input_source", "input_line", "input_offset", "input_sha256", "records"}  # in meta data


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a run begins. `place`: the position in the input to continue from. `document`: that of a finished run."""

    action: Action
    place: Mark | None = None
    document: dict[str, Any] | None = None


def find_beginning(
    output: FileOutput, inputs: Inputs, config: RunConfig, fingerprint_of: Callable[[], Fingerprint], report: Report
) -> Beginning:
    """How a run begins, given the files at its output. Raises Refused and OutputError.

    `fingerprint_of` opens the model, so it is called only if there is something to compare with.
    """
    files = config.files
    existing, place, document = existing_at(output), None, None
    if files.resume and (existing.file or existing.partial):
        fingerprint, obstacle, difference = fingerprint_of(), "", ""
        if existing.partial:
            place, obstacle = _place_to_continue(output, inputs, fingerprint)
        if existing.file:
            document, difference = _finished_document(output, inputs, fingerprint, config.read.limit)
        existing = replace(
            existing,
            file_ours=document is not None,
            partial_ours=place is not None,
            obstacle=obstacle,
            difference=difference,
        )
    name = str(output.paths.final)
    action = decide(existing, resume=files.resume, overwrite=files.overwrite, name=name)
    if action is Action.NOTHING:
        report(f"{name}: nothing to do, it is up to date")
        return Beginning(action, document=document)
    if existing.obstacle:
        report(f"starting again, the unfinished output cannot be continued: {existing.obstacle}")
    elif existing.difference and place is None:
        report(f"{name} will be replaced: {existing.difference}")
    refuse_others(output, files.overwrite)
    return Beginning(action, place)


def continuing_sentence(records: int) -> str:
    """Where a resumed run goes on.

    >>> continuing_sentence(1200), continuing_sentence(0)
    ('continuing after 1,200 records', 'starting again: no window of the stopped run was saved')
    """
    if not records:
        return "starting again: no window of the stopped run was saved"
    return f"continuing after {records:,} records"


def what_is_kept(output: FileOutput | StreamOutput, inputs: Inputs, records: int | None) -> str:
    """What a stopped run leaves and what --resume will do, for the end of a sentence; `records` are in the input."""
    if isinstance(output, StreamOutput):
        return ""
    if output.finished:
        return f"; {output.paths.final} is complete"
    journal = read_journal(output.paths.beside(".journal"))
    if journal is None:
        return "; nothing was saved yet, the same command starts again"
    if not inputs.resumable:
        return "; the input is a pipe, which cannot be resumed: the same command with --overwrite starts again"
    kept = journal.commit.counters.records
    of_all = f"{kept:,}" if records is None else f"{kept:,} of {records:,}"
    if not kept:
        why = "the first window was not saved, the same command with --resume starts again"
        return f"; {of_all} records are kept: {why}"
    return f"; {of_all} records are kept, the same command with --resume continues after them"


def _place_to_continue(output: FileOutput, inputs: Inputs, fingerprint: Fingerprint) -> tuple[Mark | None, str]:
    """The position in the input to continue the partial output from, or None and the reason."""
    obstacle = differing(output.found.header["fingerprint"], fingerprint) if output.found else ""
    obstacle = obstacle or why_damaged(output) or ("" if inputs.resumable else PIPE)
    if obstacle or output.found is None:
        return None, obstacle
    place = output.found.commit.place
    mark = inputs.replay(place.source, place.line, place.offset)
    if mark is not None and mark.sha256 == place.sha256:
        return mark, ""
    return None, "the input consumed so far has changed"


def _finished_document(
    output: FileOutput, inputs: Inputs, fingerprint: Fingerprint, limit: int | None
) -> tuple[dict[str, Any] | None, str]:
    """The statistics of the run that made FILE, if this run would make the same; else None and the reason why not.

    Options, model and input are the same, and FILE is unchanged since. `limit` is the number of records to read.
    """
    meta = finished_meta(output)
    if isinstance(meta, str):
        return None, meta
    if difference := differing(meta["fingerprint"], fingerprint):
        return None, difference
    if not meta.keys() >= OF_THE_INPUT:
        return None, "its meta data does not say what was read"
    if not inputs.resumable:
        return None, PIPE
    mark = inputs.replay(meta["input_source"], meta["input_line"], meta["input_offset"])
    if mark is None or mark.sha256 != meta["input_sha256"]:
        return None, "the input has changed"
    if (limit is not None and meta["records"] >= limit) or inputs.ends_at(mark):
        return {name: value for name, value in meta.items() if name not in OF_FILES}, ""
    return None, f"the input has grown since that run, which read {count_of(meta['records'], 'record')}"
