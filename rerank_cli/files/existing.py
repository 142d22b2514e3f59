"""What a run does with existing files at its output: one table, one pure function.

found                                    no flag   --resume        --overwrite   both (for cron)
nothing                                  start     start           start         start
partial + journal of this run            refuse    continue        start again   continue
partial + journal of another run         refuse    refuse          start again   start again
FILE, the result of this run             refuse    nothing to do   run again     nothing to do
FILE of another run                      refuse    refuse          run again     run again
FILE and a partial of this run           refuse    refuse          start again   continue

"This run" means an equal fingerprint. Files of ours are recognised by their content (`ownership`). Files of other
programs are not in the table: they are refused.
"""

import os
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from rerank_cli.core.errors import Refused
from rerank_cli.files.append_only import matches
from rerank_cli.files.durable import content_of
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.journal import Extent
from rerank_cli.files.ownership import is_journal

START_AGAIN = "Add --overwrite to start again, or choose another -o."


class Action(Enum):
    """What a run does with existing files."""

    START = "start"
    CONTINUE = "continue"
    NOTHING = "nothing to do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """The files found at an output: FILE, a partial output, and which of them have the fingerprint of this run.

    `obstacle` is why the partial cannot be continued, `difference` why FILE is not this run's, where that is known.
    """

    file: bool
    partial: bool
    file_ours: bool = False
    partial_ours: bool = False
    obstacle: str = ""
    difference: str = ""


def decide(existing: Existing, *, resume: bool, overwrite: bool, name: str, resumable: bool = True) -> Action:
    """Look up the table above. Raises Refused, with `name` for FILE.

    `resumable`: whether the command has --resume, so that the advice can name it.
    """
    if not existing.file and not existing.partial:
        return Action.START
    if resume and existing.partial_ours and (overwrite or not existing.file):
        return Action.CONTINUE
    if resume and existing.file_ours and not existing.partial_ours:
        return Action.NOTHING
    if overwrite:
        return Action.START
    if not resumable and not existing.file:
        raise Refused(f"{name}: an unfinished output exists", START_AGAIN)
    raise Refused(*_refusal(existing, name, resume))


def _refusal(existing: Existing, name: str, resume: bool) -> tuple[str, str]:
    replace = "Add --overwrite to replace it, or choose another -o."
    if existing.file and resume and not existing.partial_ours:
        return f"{name} exists and is not the result of this command{_why(existing.difference)}", replace
    if existing.file:
        return f"{name} exists", replace
    if resume:
        return f"{name}: an unfinished output of another run exists{_why(existing.obstacle)}", START_AGAIN
    return f"{name}: an unfinished output exists", "Add --resume to continue it, or --overwrite to start again."


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""


def existing_at(output: FileOutput) -> Existing:
    """The files at an output, after the last renames of an interrupted run. Their fingerprints are compared later.

    Raises OutputError, and Refused when another program's file would be replaced by the meta data.
    """
    output.complete_killed_run()
    with output.disk_errors("read"):
        file, partial = os.path.exists(output.paths.final), is_journal(output.paths.beside(".journal"))
    return Existing(file=file, partial=partial)


def refuse_others(output: FileOutput, overwrite: bool) -> None:
    """Raises Refused when a run would replace or remove another program's file, or ERRORS without --overwrite."""
    output.refuse_foreign()
    errors = output.paths.errors
    if os.path.isdir(errors):
        raise Refused(
            f"{errors}: a folder has the name of the errors file", "Move it away, or name another file with --errors."
        )
    if os.path.lexists(errors) and not overwrite:
        raise Refused(f"{errors}: the errors file exists", "Move it away, or add --overwrite.")


def why_damaged(output: FileOutput) -> str | None:
    """What is wrong with the partial output; None when it matches its journal."""
    found, paths = output.found, output.paths
    if found is None:
        return "its journal cannot be read"
    partials = ((paths.beside(".partial"), found.commit.output), (paths.errors_partial, found.commit.errors))
    with output.disk_errors("read"):
        return next(
            (f"{path.name} is missing or damaged" for path, known in partials if not matches(path, known)), None
        )


def finished_meta(output: FileOutput) -> dict[str, Any] | str:
    """The meta data of FILE, if FILE is unchanged since its run; else the reason why that is not known."""
    meta_file = output.paths.beside(".meta.json")
    with output.disk_errors("read"):
        content = content_of(meta_file)
        try:
            meta: dict[str, Any] = orjson.loads(content)
            known = Extent(int(meta["output_bytes"]), int(meta["output_crc32"]))
            meta["fingerprint"] = dict(meta["fingerprint"])
        except (ValueError, KeyError, TypeError):
            return f"{meta_file.name} is missing, or not one of `rerank score`"
        return meta if matches(output.paths.final, known, exactly=True) else "the file was changed since"
