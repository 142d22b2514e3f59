"""The journal of an unfinished output: what is on disk, line by line.

    {"kind":"header", "fingerprint":{…}, "resolved":{…}, "crc":"9f3a…"}
    {"kind":"commit", counters, place in the input, sizes and CRCs of both files, learned budgets, "crc":"…"}
    {"kind":"finishing", the same of the complete files, "errors_path":"…", "crc":"…"}

A line is valid when it is complete and its CRC is right. The journal ends before the first invalid line. A commit line
is written after its data is on disk, so anything after the last commit is truncated on resume. Rejected alternative:
counting lines of the output, which takes a torn line for a complete one.
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

VERSION = 3
LONGEST = 16 << 20  # bytes of a line of ours: a foreign or torn file may have longer ones


@dataclass(frozen=True, slots=True)
class Extent:
    """The extent of a file: its size in bytes, and the CRC-32 of its content."""

    size: int = 0
    crc: int = 0

    def plus(self, block: bytes) -> "Extent":
        """The extent after `block` is appended."""
        return Extent(self.size + len(block), crc32(block, self.crc))


@dataclass(frozen=True, slots=True)
class Place:
    """A Mark as stored in the journal: with a digest, since a hasher cannot be saved."""

    source: int = 0
    line: int = 0
    offset: int = 0
    total: int = 0
    sha256: str = Mark().sha256

    @classmethod
    def of(cls, mark: Mark) -> "Place":
        """The place of `mark`."""
        return cls(mark.source, mark.line, mark.offset, mark.total, mark.sha256)


@dataclass(frozen=True, slots=True)
class Commit:
    """What a resumed run needs to know."""

    counters: Counters = field(default_factory=Counters)
    place: Place = field(default_factory=Place)
    output: Extent = field(default_factory=Extent)
    errors: Extent = field(default_factory=Extent)
    budgets: tuple[Budget, ...] = ()  # one a stage; empty before the first is known

    def as_dict(self, kind: str = "commit") -> dict[str, Any]:
        """For the journal."""
        return {"kind": kind, **asdict(self), "counters": self.counters.as_dict()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "Commit":
        """The commit that `as_dict` wrote."""
        return cls(
            Counters.from_dict(saved["counters"]),
            Place(**saved["place"]),
            Extent(**saved["output"]),
            Extent(**saved["errors"]),
            tuple([Budget(**budget) for budget in saved["budgets"]]),
        )


@dataclass(frozen=True, slots=True)
class FoundJournal:
    """A journal read from disk: its header, its last commit, whether the run was finishing, and its valid size.

    `errors_path` is the errors file of a finishing run: percent-encoded, relative to FILE's folder. `replaces` is the
    errors file that it found there and may replace or remove.
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
    """The line that `encode` wrote; None when it is torn or changed."""
    body, separator, tail = raw.rpartition(b',"crc":"')
    if not separator or not body.startswith(b"{") or tail != b'%08x"}\n' % crc32(body):
        return None
    line: dict[str, Any] = orjson.loads(body + b"}")
    return line


def read_journal(path: Path) -> FoundJournal | None:
    """Read a journal to its last valid line; None without a valid header of our version."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        first = file.readline(LONGEST)
        header = decode(first)
        if header is None or header.get("kind") != "header" or header.get("version") != VERSION:
            return None
        size, last, finishing = len(first), None, False
        while raw := file.readline(LONGEST):
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
        """Open an existing journal, truncated to its valid `size`."""
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.ftruncate(self._fd, size)

    def append(self, line: dict[str, Any]) -> None:
        """Append a line and wait until it is on disk."""
        write_all(self._fd, encode(line))
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
