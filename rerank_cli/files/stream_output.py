"""Output to standard output, a FIFO or a device: always a prefix of the result, never resumable.

The lines of a window are written together and flushed. A reader that closes the pipe (`| head`) ends the run silently.
"""

import os
import sys
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from rerank_cli.core.errors import OutputError, PipeClosed, Refused
from rerank_cli.core.plan import Budget
from rerank_cli.core.printable import ascii_json, printable_json
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.durable import PREFIX, replace_file, write_all
from rerank_cli.files.journal import Commit
from rerank_cli.files.lock import Lock
from rerank_cli.files.ownership import is_of_unfinished_run
from rerank_cli.files.paths import errors_lock, real_path

STDOUT, STDERR = 1, 2


class ErrorsFile:
    """The errors file of a stream: like the stream, always a prefix of the result.

    An existing file is replaced at the end of the run. It stays unchanged if the run stops before a record failed.
    """

    def __init__(self, name: str, overwrite: bool) -> None:
        """Lock the file, unless it is a device. Raises Refused, OutputBusy or OutputError."""
        self._name, self._final = name, real_path(name)
        self._fd: int | None = None
        self._replacement: Path | None = None  # of an existing file
        self._lock: Lock | None = None
        if os.path.exists(name) and not os.path.isfile(name):
            return
        if os.path.lexists(self._final) and not overwrite:
            raise Refused(f"{name}: the errors file exists", "Move it away, or add --overwrite.")
        if is_of_unfinished_run(self._final):
            raise Refused(f"{name}: an unfinished run needs this name", "Finish that run, or choose another --errors.")
        self._lock = Lock(errors_lock(self._final), "--errors")

    def open(self) -> int:
        """A descriptor to write to. Raises OSError."""
        if self._lock is None:
            self._fd = os.open(self._name, os.O_WRONLY | os.O_CLOEXEC)
        elif os.path.lexists(self._final):
            self._fd, name = mkstemp(prefix=f".{self._final.name[:PREFIX]}.", dir=self._final.parent)
            self._replacement = Path(name)
        else:
            self._fd = os.open(self._final, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        return self._fd

    def close(self, complete: bool) -> None:
        """Close the file, and replace an existing one. `complete`: the file has all failures."""
        if self._fd is not None:
            wanted = complete or os.fstat(self._fd).st_size > 0
            os.close(self._fd)
            if self._replacement is not None and wanted:
                replace_file(self._replacement, self._final)
            elif self._replacement is not None:
                self._replacement.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()


class StreamOutput:
    """An `Output` that writes at each commit: standard output, a FIFO or a device."""

    def __init__(self, output: str, errors: str | None, overwrite: bool) -> None:
        """Open the stream (`-`: standard output). Errors go to a file if one is named, else to standard error.

        Raises Refused when that file exists and must not be replaced, OutputBusy when another run holds it.
        """
        self._name = "<stdout>" if output == "-" else output
        self._lines: list[bytes] = []
        self._failures: list[bytes] = []
        self._readable_errors, self._complete = errors is None, False
        self._on_terminal = False
        if output == "-" and sys.stdout is None:
            raise OutputError("standard output is closed", "Name a file with -o.")
        self._errors = None if errors is None else ErrorsFile(errors, overwrite)
        try:
            self._fd = STDOUT if output == "-" else os.open(output, os.O_WRONLY | os.O_CLOEXEC)
            os.fstat(self._fd)
            self._on_terminal = os.isatty(self._fd)
            self._errors_fd = STDERR if self._errors is None else self._errors.open()
        except OSError as fault:
            if self._errors is not None:
                self._errors.close(complete=False)
            raise OutputError(
                f"{fault.filename or self._name}: {fault.strerror}", "Check where the output goes."
            ) from None

    def start(self, fingerprint: dict[str, Any], resolved: dict[str, Any]) -> Commit:
        """Start a new output: a stream cannot be resumed."""
        return Commit()

    def write(self, line: bytes) -> None:
        """Take an output line; nothing is written before `commit`."""
        self._lines.append(printable_json(line.decode()).encode() if self._on_terminal else line)

    def fail(self, line: bytes) -> None:
        """Take a line of the errors file; nothing is written before `commit`."""
        self._failures.append(ascii_json(line) if self._readable_errors else line)

    def commit(self, counters: Counters, end: Mark, budgets: tuple[Budget, ...]) -> None:
        """Write all lines so far. Raises PipeClosed or OutputError."""
        lines, self._lines = b"".join(self._lines), []
        failures, self._failures = b"".join(self._failures), []
        try:
            write_all(self._fd, lines)
        except BrokenPipeError:
            raise PipeClosed("the reader closed the pipe") from None
        except OSError as fault:
            raise OutputError(
                f"{self._name}: cannot write ({fault.strerror})", "Free some space there, or choose another -o."
            ) from fault
        try:
            write_all(self._errors_fd, failures)
        except OSError as fault:
            raise OutputError(f"errors: cannot write ({fault.strerror})", "Name a file with --errors.") from fault

    def finish(self, meta: dict[str, Any]) -> None:
        """Nothing to do: all lines are written."""
        self._complete = True

    def close(self) -> None:
        """Close the streams, and release the lock of the errors file."""
        if self._fd != STDOUT:
            os.close(self._fd)
        if self._errors is not None:
            self._errors.close(self._complete)
