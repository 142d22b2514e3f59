"""Record shapes: lines in, entries out; a request and its ranking in, a line out.

A shape is named in FORMATS and implemented in one file. What all shapes share is here: counting the limit, and the
line of the errors file.
"""

import base64
import codecs
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

import orjson

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import ConfigError
from rerank_cli.formats.streams import Inputs, Line
from rerank_cli.ranking import Ranking
from rerank_cli.records import Blank, Entry, Failure, Mark, Request

NEWLINE_AND_BOM = 4  # bytes that a whole line may have beside its raw ones
FORMATS = {
    "native": "rerank_cli.formats.jsonl:NativeJsonl",
}


class Format(Protocol):
    """One record shape."""

    name: str

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """Turn lines into entries: every non-blank line ends in exactly one Request or Failure."""

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The output line, newline included, for a ranked request."""


def open_format(read: ReadConfig, write: WriteConfig) -> Format:
    """The shape that the user named; `auto` is native, the only one so far. Raises ConfigError for unknown names."""
    name = "native" if read.format == "auto" else read.format
    for option, wanted in (("--format", name), ("--output-format", name if write.format == "same" else write.format)):
        if wanted not in FORMATS:
            raise ConfigError(f"{option}: unknown format {wanted!r}", f"Formats: {', '.join(sorted(FORMATS))}.")
    module, _, attribute = FORMATS[name].partition(":")
    made: Format = getattr(import_module(module), attribute)(read, write)
    return made


def read_entries(
    shape: Format, inputs: Inputs, config: ReadConfig, start: Mark | None, skip: int = 0
) -> Iterator[Entry]:
    """The entries of all inputs after `start`, of which `skip` records were read before; ends at `--limit`."""
    left = None if config.limit is None else config.limit - skip
    if left is not None and left <= 0:
        return
    for entry in shape.read(inputs.lines(config.max_line_bytes, start)):
        yield entry
        if left is not None and not isinstance(entry, Blank):
            left -= 1
            if left == 0:
                inputs.check_held_still(entry.end)
                return


def failure_line(failure: Failure) -> bytes:
    """The errors file's line for a record: source, line, byte_offset, reason, path, and its bytes.

    The bytes are text (`raw`) when they are UTF-8, else base64 (`raw_base64`).
    """
    error: dict[str, Any] = {
        "source": failure.origin.source,
        "line": failure.origin.line,
        "byte_offset": failure.origin.byte_offset,
        "reason": failure.reason,
        "path": failure.path,
    }
    cut = failure.size > len(failure.raw) + NEWLINE_AND_BOM  # then perhaps in the midst of a character
    try:
        error["raw"] = codecs.getincrementaldecoder("utf-8")().decode(failure.raw, final=not cut)
    except UnicodeDecodeError:
        error["raw_base64"] = base64.b64encode(failure.raw).decode("ascii")
    error["source"] = error["source"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return orjson.dumps(error, option=orjson.OPT_APPEND_NEWLINE)
