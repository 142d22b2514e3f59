"""What may be found at an output when a run begins, and what the run does with it: one table, one pure function.

found                                    no flag   --resume        --overwrite   both (for cron)
nothing                                  start     start           start         start
partial + journal of this run            refuse    continue        start anew    continue
partial + journal of another run         refuse    refuse          start anew    start anew
FILE, made by this very run              refuse    nothing to do   run again     nothing to do
FILE, made otherwise                     refuse    refuse          run again     run again
FILE and a partial of this run           refuse    refuse          start anew    continue

Whose these files are is told by what they hold (`ownership`). What is not ours is never in the table: it is refused.
"""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rerank_cli.core.errors import OutputError, Refused

START_AGAIN = "Add --overwrite to start anew, or choose another -o."


class Action(Enum):
    """What a run does with what it found."""

    START = "start"
    CONTINUE = "continue"
    NOTHING = "nothing to do"


def decide(
    *,
    file: bool,
    file_ours: bool,
    partial: bool,
    partial_ours: bool,
    resume: bool,
    overwrite: bool,
    name: str = "the output",
    obstacle: str = "",
    resumable: bool = True,
) -> Action:
    """The table above. Raises Refused, which calls FILE `name`; `obstacle` is why a partial cannot be continued.

    `resumable`: whether the command has --resume, so that its advice may name it.
    """
    if not file and not partial:
        return Action.START
    if resume and partial_ours and (overwrite or not file):
        return Action.CONTINUE
    if resume and file_ours and not partial_ours:
        return Action.NOTHING
    if overwrite:
        return Action.START
    if not resumable and not file:
        raise Refused(f"{name}: an unfinished output is here", START_AGAIN)
    raise Refused(*_refusal(name, file, partial_ours, resume, f" ({obstacle})" if obstacle else ""))


def _refusal(name: str, file: bool, partial_ours: bool, resume: bool, why: str) -> tuple[str, str]:
    replace = "Add --overwrite to replace it, or choose another -o."
    if file and resume and not partial_ours:
        return f"{name} exists and was not made by this very run{why}", replace
    if file:
        return f"{name} exists", replace
    if resume:
        return (
            f"{name}: an unfinished output of another run is here{why}",
            START_AGAIN,
        )
    return f"{name}: an unfinished output is here", "Add --resume to continue it, or --overwrite to start anew."


WHOLE = ".partial.parquet"  # the table made of FILE.partial
ERRORS = ".errors.jsonl"  # the errors file of FILE, unless --errors names another


def real_path(path: str) -> Path:
    """Where a path leads in the end. Raises OutputError for a relative one in a folder that was removed."""
    try:
        return Path(os.path.realpath(path))
    except OSError as fault:
        raise OutputError(f"{path}: {fault.strerror}", "Name a file by its whole path.") from None


def errors_lock(errors: Path) -> Path:
    """The lock of an errors file: that of FILE where it is FILE's own, so that another output cannot name it too."""
    return errors.with_name((errors.name.removesuffix(ERRORS) or errors.name) + ".lock")


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of one output. `final` is never a symbolic link: renaming onto one would replace the link."""

    final: Path
    errors: Path

    @classmethod
    def of(cls, output: str, errors: str | None) -> "Paths":
        """The paths for `-o` and `--errors`."""
        final = real_path(output)
        return cls(final, real_path(errors or f"{final}{ERRORS}"))

    def beside(self, suffix: str) -> Path:
        """FILE with a suffix, such as `.partial`."""
        return self.final.with_name(self.final.name + suffix)

    @property
    def is_table(self) -> bool:
        """Whether FILE is a parquet table, which cannot be written piece by piece."""
        return self.final.suffix == ".parquet"

    @property
    def ready(self) -> Path:
        """What becomes FILE by the last rename: the partial, or the table made of it at the end."""
        return self.beside(WHOLE if self.is_table else ".partial")

    @property
    def errors_partial(self) -> Path:
        """Where errors are gathered until the end: beside FILE, so that outputs that share ERRORS never share it."""
        return self.beside(f"{ERRORS}.partial")

    @property
    def has_default_errors(self) -> bool:
        """Whether ERRORS is named after FILE."""
        return self.errors == self.beside(ERRORS)

    def uses(self) -> list[tuple[str, Path]]:
        """Every path that a run may write, each with what it is."""
        suffixes = (
            ".partial",
            ".journal",
            ".journal.tmp",
            ".lock",
            ".meta.json",
            ".meta.json.partial",
            ".meta.json.partial.tmp",
            *([WHOLE] if self.is_table else []),
        )
        errors = [("--errors", self.errors), ("--errors until the end", self.errors_partial)]
        if (lock := errors_lock(self.errors)) != self.beside(".lock"):
            errors.append(("the lock of --errors", lock))
        return [("-o", self.final), *errors, *((f"the output's {suffix}", self.beside(suffix)) for suffix in suffixes)]

    def all(self) -> list[Path]:
        """Every path that a run may write."""
        return [path for _, path in self.uses()]
