"""Results to standard output, a FIFO or a device: a prefix of the result at every moment, never resumable.

The lines of a window are written together and flushed. A reader that went away (`| head`) ends the run quietly.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import orjson

from rerank_cli.errors import OutputError, PipeClosed, Refused
from rerank_cli.journal import Commit, write_all
from rerank_cli.plan import Budget
from rerank_cli.records import Mark
from rerank_cli.stats import Counters

STDOUT, STDERR = 1, 2
# what JSON leaves as it is, and controls, which lines that are not JSON may hold
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class StreamOutput:
    """See the module, and output.Output for the verbs."""

    def __init__(self, output: str, errors: str | None, overwrite: bool) -> None:
        """`-` is standard output; errors go to a file if one is named, else to standard error."""
        if errors is not None and os.path.isfile(errors) and not overwrite:
            raise Refused(f"{errors}: the errors file exists", "Move it away, or add --overwrite.")
        self._name = "<stdout>" if output == "-" else output
        self._lines: list[bytes] = []
        self._failures: list[bytes] = []
        self._readable_errors = errors is None
        self._on_terminal = False
        if output == "-" and sys.stdout is None:
            raise OutputError("standard output is closed", "Name a file with -o.")
        try:
            self._fd = STDOUT if output == "-" else os.open(output, os.O_WRONLY | os.O_CLOEXEC)
            os.fstat(self._fd)
            self._on_terminal = os.isatty(self._fd)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._errors_fd = STDERR if errors is None else os.open(Path(errors), flags, 0o666)
        except OSError as fault:
            raise OutputError(
                f"{fault.filename or self._name}: {fault.strerror}", "Check where the output goes."
            ) from None

    def start(self, fingerprint: dict[str, Any], resolved: dict[str, Any]) -> Commit:
        """A stream always begins at nothing."""
        return Commit()

    def write(self, line: bytes) -> None:
        """See Output."""
        self._lines.append(visible(line) if self._on_terminal else line)

    def fail(self, line: bytes) -> None:
        """See Output."""
        self._failures.append(harmless(line) if self._readable_errors else line)

    def commit(self, counters: Counters, end: Mark, budget: Budget) -> None:
        """Write what was taken."""
        lines, self._lines = b"".join(self._lines), []
        failures, self._failures = b"".join(self._failures), []
        try:
            write_all(self._fd, lines)
        except BrokenPipeError:
            raise PipeClosed("the reader closed the pipe") from None
        except OSError as fault:
            raise OutputError(
                f"{self._name}: cannot write ({fault.strerror})", "Make room there, or name another place with -o."
            ) from fault
        try:
            write_all(self._errors_fd, failures)
        except OSError as fault:
            raise OutputError(f"errors: cannot write ({fault.strerror})", "Name a file with --errors.") from fault

    def finish(self, meta: dict[str, Any]) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Let go of what we opened ourselves."""
        for fd in {self._fd, self._errors_fd} - {STDOUT, STDERR}:
            os.close(fd)


def harmless(line: bytes) -> bytes:
    """A JSON line in which nothing can act on a terminal: everything outside printable ASCII is escaped."""
    return json.dumps(orjson.loads(line)).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def visible(line: bytes) -> bytes:
    """The same JSON line for a terminal: what could act on it is escaped, all other text stays readable."""
    return ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode("utf-8")).encode("utf-8")
