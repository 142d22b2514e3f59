"""The paths of the files of an output."""

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from rerank_cli.core.errors import OutputError

WHOLE = ".partial.parquet"  # the table written from FILE.partial
ERRORS = ".errors.jsonl"  # the errors file of FILE, unless --errors names another


def real_path(path: str) -> Path:
    """A path with all links resolved. Raises OutputError for a relative path in a removed folder."""
    try:
        return Path(os.path.realpath(path))
    except OSError as fault:
        raise OutputError(f"{path}: {fault.strerror}", "Name a file by its absolute path.") from None


def errors_lock(errors: Path) -> Path:
    """The lock of an errors file, so that another output cannot name the same file; FILE's lock for FILE's own."""
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
        """The file that the last rename turns into FILE: the partial, or the table written from it."""
        return self.beside(WHOLE if self.is_table else ".partial")

    @property
    def errors_partial(self) -> Path:
        """The errors file until the end: next to FILE, so that outputs with the same ERRORS never share it."""
        return self.beside(f"{ERRORS}.partial")

    @property
    def has_default_errors(self) -> bool:
        """Whether ERRORS is named after FILE."""
        return self.errors == self.beside(ERRORS)

    def uses(self) -> list[tuple[str, Path]]:
        """Every path that a run may write, each with its purpose."""
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


def is_file(output: str) -> bool:
    """Whether `-o` names a regular or new file: not a stream, FIFO or device."""
    if output == "-":
        return False
    try:
        return stat.S_ISREG(os.stat(output).st_mode)
    except OSError:
        return True


def no_folder(folder: Path, option: str) -> tuple[str, str]:
    """The two lines of an error: the folder of a file that an option names is absent."""
    create = f"mkdir -p {shlex.quote(str(folder))}"
    return f"{folder}: no such folder", f"Create it with {create}, or choose another {option}."
