"""What a run does with the files at its output: whether it continues them, and from where in the input.

`existing` decides by what the files hold. Here the input is read again, as far as an earlier run consumed it: another
beginning makes it another run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rerank_cli.core.config import RunConfig
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Mark
from rerank_cli.files.existing import Action, decide, existing_at, finished_meta, refuse_others, why_not_continued
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.output import OF_FILES

Fingerprint = dict[str, Any]

OF_THE_INPUT = {"input_source", "input_line", "input_offset", "input_sha256", "records"}  # meta data of a finished run


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a run begins. `place`: where in the input it continues. `document`: of the finished run, if that is all."""

    action: Action
    place: Mark | None = None
    document: dict[str, Any] | None = None


def find_beginning(
    output: FileOutput, inputs: Inputs, config: RunConfig, fingerprint_of: Callable[[], Fingerprint], report: Report
) -> Beginning:
    """How a run of this configuration begins, with the files found at its output. Raises Refused and OutputError.

    `fingerprint_of` opens the model, so it is called only where there is something to compare with.
    """
    files = config.files
    existing, place, document = existing_at(output), None, None
    if files.resume and (existing.file or existing.partial):
        fingerprint, obstacle = fingerprint_of(), ""
        if existing.partial:
            place, obstacle = _place_to_continue(output, inputs, fingerprint)
        document = _finished_document(output, inputs, fingerprint, config.read.limit)
        ours = {"file_ours": document is not None, "partial_ours": place is not None}
        existing = replace(existing, **ours, obstacle=obstacle)
    action = decide(existing, resume=files.resume, overwrite=files.overwrite, name=str(output.paths.final))
    if action is Action.NOTHING:
        report(f"{output.paths.final}: nothing to do, this very run made it")
        return Beginning(action, document=document)
    if existing.obstacle:
        report(f"starting anew, the unfinished output cannot be continued: {existing.obstacle}")
    refuse_others(output, files.overwrite)
    return Beginning(action, place)


def _place_to_continue(output: FileOutput, inputs: Inputs, fingerprint: Fingerprint) -> tuple[Mark | None, str]:
    """The place in the input to continue the partial output from, or None and the reason why not."""
    obstacle = why_not_continued(output, fingerprint)
    if not obstacle and not inputs.resumable:
        obstacle = "the input is a pipe or standard input"
    if obstacle or output.found is None:
        return None, obstacle or ""
    place = output.found.commit.place
    mark = inputs.replay(place.source, place.line, place.offset)
    if mark is not None and mark.sha256 == place.sha256:
        return mark, ""
    return None, "the input consumed so far has changed"


def _finished_document(
    output: FileOutput, inputs: Inputs, fingerprint: Fingerprint, limit: int | None
) -> dict[str, Any] | None:
    """The statistics of the run that made FILE, if this run would make the same; None otherwise.

    The same are options, model and input, and FILE is untouched since. `limit` is the number of records to read.
    """
    meta = finished_meta(output, fingerprint)
    if meta is None or not meta.keys() >= OF_THE_INPUT or not inputs.resumable:
        return None
    mark = inputs.replay(meta["input_source"], meta["input_line"], meta["input_offset"])
    if mark is None or mark.sha256 != meta["input_sha256"]:
        return None
    if (limit is not None and meta["records"] >= limit) or inputs.ends_at(mark):
        return {name: value for name, value in meta.items() if name not in OF_FILES}
    return None
