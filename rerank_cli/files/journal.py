"""The journal beside an unfinished output: what is durable, line by line.

    {"kind":"header", "fingerprint":{…}, "resolved":{…}, "crc":"9f3a…"}
    {"kind":"commit", counters, place in the input, sizes and CRCs of both files, learned budget, "crc":"…"}
    {"kind":"finishing", the same of the complete files, "errors_path":"…", "crc":"…"}

A line counts when it is whole and its CRC is right; the journal ends at the first that does not. A commit line is
written after the data it speaks of is on disk, so whatever lies beyond the last commit is thrown away on resume.
The trade refused: counting the lines of the output instead, which takes a torn line for a whole one.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.durable import write_all

VERSION = 2


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a file is known to be good: its size in bytes and the CRC-32 of all of it."""

    size: int = 0
    crc: int = 0

    def plus(self, block: bytes) -> "Extent":
        """After appending `block`."""
        return Extent(self.size + len(block), crc32(block, self.crc))


@dataclass(frozen=True, slots=True)
class Place:
    """A Mark as the journal keeps it: the hasher itself cannot be saved, its digest can."""

    source: int = 0
    line: int = 0
    offset: int = 0
    total: int = 0
    sha256: str = Mark().sha256

    @classmethod
    def of(cls, mark: Mark) -> "Place":
        """The place that `mark` stands at."""
        return cls(mark.source, mark.line, mark.offset, mark.total, mark.sha256)


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything a continued run must know."""

    counters: Counters = field(default_factory=Counters)
    place: Place = field(default_factory=Place)
    output: Extent = field(default_factory=Extent)
    errors: Extent = field(default_factory=Extent)
    budget: Budget | None = None

    def as_dict(self, kind: str = "commit") -> dict[str, Any]:
        """For the journal."""
        return {"kind": kind, **asdict(self)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "Commit":
        """What `as_dict` wrote."""
        return cls(
            Counters.from_dict(saved["counters"]),
            Place(**saved["place"]),
            Extent(**saved["output"]),
            Extent(**saved["errors"]),
            Budget(**saved["budget"]) if saved["budget"] else None,
        )


@dataclass(frozen=True, slots=True)
class FoundJournal:
    """A journal as read back: its header, its last commit, whether the run was finishing, and its valid size.

    `errors_path` is where a finishing run puts its errors file, percent-encoded; relative to FILE's folder. `replaces`
    is the errors file that it found there and may replace or remove.
    """

    header: dict[str, Any]
    commit: Commit
    finishing: bool
    size: int
    errors_path: str = ""
    replaces: Extent | None = None


def encode(line: dict[str, Any]) -> bytes:
    """A journal line: JSON with the CRC-32 of everything before the `crc` field."""
    body = orjson.dumps(line)[:-1]
    return b'%s,"crc":"%08x"}\n' % (body, crc32(body))


def decode(raw: bytes) -> dict[str, Any] | None:
    """The line that `encode` wrote; None when it is torn or altered."""
    body, separator, tail = raw.rpartition(b',"crc":"')
    if not separator or not body.startswith(b"{") or tail != b'%08x"}\n' % crc32(body):
        return None
    line: dict[str, Any] = orjson.loads(body + b"}")
    return line


def read_journal(path: Path) -> FoundJournal | None:
    """Read a journal to its last valid line; None when there is none with a valid header of our version."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        first = file.readline()
        header = decode(first)
        if header is None or header.get("kind") != "header" or header.get("version") != VERSION:
            return None
        size, last, finishing = len(first), None, False
        for raw in file:
            line = decode(raw)
            if line is None:
                break
            size += len(raw)
            finishing = line["kind"] == "finishing"
            last = line
    if last is None:
        return FoundJournal(header, Commit(), finishing=False, size=size)
    replaces = Extent(**last["replaces"]) if last.get("replaces") else None
    return FoundJournal(header, Commit.from_dict(last), finishing, size, str(last.get("errors_path", "")), replaces)


class Journal:
    """A journal open for appending."""

    def __init__(self, path: Path, size: int) -> None:
        """Open an existing journal, cut to its valid `size`."""
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.ftruncate(self._fd, size)

    def append(self, line: dict[str, Any]) -> None:
        """Add a line and wait until it is on disk."""
        write_all(self._fd, encode(line))
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
