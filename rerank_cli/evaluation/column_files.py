"""Read the lines of runs and judgements, and report lines that cannot be read."""

from collections.abc import Iterator

from rerank_cli.core.errors import InputError
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats import columns
from rerank_cli.formats.json_values import Malformed

MAX_LINE_BYTES = 64 * 1024 * 1024


def lines_with_columns(inputs: Inputs, advice: str) -> Iterator[Line]:
    """The lines of an input, without blank lines and comments. Raises InputError for a line that is too long."""
    for line in inputs.lines(MAX_LINE_BYTES):
        if line.too_long:
            raise InputError(f"{line.origin}: the line is too long", advice)
        if line.raw.strip() and not columns.is_comment(line.raw):
            yield line


def refused(line: Line, fault: Malformed, advice: str) -> InputError:
    """The error for a line that cannot be read."""
    place = "" if fault.path == "$" else f" (at {fault.path})"
    return InputError(f"{line.origin}: {fault.reason}{place}", advice)
