"""All messages to people, escaped for the terminal."""

import contextlib
import sys
from typing import TextIO

from rerank_cli.core.errors import OutputError, PipeClosed
from rerank_cli.core.printable import ascii_json, printable, printable_json


def report(sentence: str, stream: TextIO | None = None) -> None:
    """Print a line that begins with "rerank:" to standard error. A closed or full stream is ignored."""
    target = stream or sys.stderr
    with contextlib.suppress(OSError, ValueError):
        if target is not None:
            _write(f"rerank: {printable(sentence)}\n", target)


def warn(sentence: str, stream: TextIO | None = None) -> None:
    """Print a warning: what may be wrong with a result."""
    report(f"warning: {sentence}", stream)


def print_line(line: str) -> None:
    """Print a line of a report to standard output. Raises PipeClosed when its reader closed it, else OutputError."""
    _write_to_stdout(printable(line))


def print_own(text: str) -> None:
    """Print a text that ships with the package, and so needs no escapes: tabs stay tabs.

    Raises what `print_line` raises.
    """
    _write_to_stdout(text)


def print_json(text: str) -> None:
    """Print a JSON text as a line of standard output, with JSON escapes for characters that its encoding lacks.

    Raises what `print_line` raises.
    """
    line = printable_json(text)
    try:
        line.encode((sys.stdout and sys.stdout.encoding) or "utf-8")
    except UnicodeEncodeError:
        line = ascii_json(line.encode()).decode().rstrip("\n")
    _write_to_stdout(line)


def _write_to_stdout(line: str) -> None:
    try:
        if sys.stdout is not None:
            _write(f"{line}\n", sys.stdout)
    except BrokenPipeError:
        raise PipeClosed("the reader closed the pipe") from None
    except OSError as fault:
        raise OutputError(f"standard output: cannot write ({fault.strerror})", "Free some space there.") from None


def _write(line: str, target: TextIO) -> None:
    """Write a text, with escapes for characters that the stream's encoding lacks."""
    encoding = target.encoding or "utf-8"
    target.write(line.encode(encoding, "backslashreplace").decode(encoding))
    target.flush()


def duration(seconds: float | None) -> str:
    """A duration as hh:mm:ss; `--:--:--` while unknown.

    >>> duration(3723.4)
    '01:02:03'
    """
    if seconds is None:
        return "--:--:--"
    return f"{int(seconds) // 3600:02}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def three_digits(value: float) -> str:
    """A measured number with three significant digits, or all those before the point.

    >>> [three_digits(n) for n in (0.5, 77.712, 1234.5)]
    ['0.5', '77.7', '1,234']
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def short(count: float) -> str:
    """A count in at most four digits and a unit.

    >>> [short(n) for n in (7, 12_345, 6_000_000)]
    ['7', '12.3k', '6.00M']
    """
    if round(count) < 10_000:
        return f"{count:.0f}" if count >= 100 or count == int(count) else f"{count:.1f}"
    value, units = count / 1000, iter("MGT")
    unit = "k"
    while value >= 999.95:
        value, unit = value / 1000, next(units, "E3T")
    return f"{value:.{2 if value < 9.995 else 1}f}{unit}"
