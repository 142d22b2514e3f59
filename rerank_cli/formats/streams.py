"""Bytes on disk or in a pipe, as lines with their places; and bytes back, compressed by suffix.

Inputs are read to the size they had when the run began. Compression is recognised by content, lines are split on \\n
alone (U+2028 and a lone CR are data), and a line beyond the limit is skipped in bounded memory. The trade refused:
memory-mapping, which a pipe has not and a shrinking file turns into a crash.
"""

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, cast

from rerank_cli.errors import InputError
from rerank_cli.records import RAW_CAP, Mark, Origin

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BOM = b"\xef\xbb\xbf"
ZSTD_SKIPPABLE, ZSTD_SKIPPABLE_FIRST = b"\x2a\x4d\x18", bytes(range(0x50, 0x60))  # a frame of no content
CHUNK = 1 << 20
NEXT_INPUT = b"\x00next input\x00"  # hashed between two inputs, so that moving a line from one to the other shows
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline. `too_long`: only the first RAW_CAP bytes are here, the rest was skipped."""

    origin: Origin
    raw: bytes
    end: Mark
    too_long: bool = False


class _Counted(io.RawIOBase):
    """A raw stream read to at most `size` bytes, which knows how far it is and can look ahead."""

    def __init__(self, raw: io.FileIO, name: str, size: int | None) -> None:
        self._raw, self._name, self._size = raw, name, size
        self._ahead = b""
        self.position = 0

    def readable(self) -> bool:
        return True

    def head(self, count: int) -> bytes:
        """The first `count` bytes, without consuming them (fewer at the end of the stream)."""
        while len(self._ahead) < count and (more := self._raw.read(count - len(self._ahead))):
            self._ahead += more
        return self._ahead

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        view = memoryview(buffer)
        if self._size is not None:
            view = view[: self._size - self.position]
        if self._ahead:
            count = min(len(view), len(self._ahead))
            view[:count], self._ahead = self._ahead[:count], self._ahead[count:]
        else:
            count = self._raw.readinto(view) or 0
        if count == 0 and len(view) and self._size is not None:
            raise InputError(
                f"{self._name}: the file shrank while it was read", "Run again on a file that holds still."
            )
        self.position += count
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


@dataclass(frozen=True, slots=True)
class _Opened:
    """A source being read: its decompressed stream, and how far that is in bytes on disk."""

    source: "Source"
    stream: IO[bytes]
    counted: _Counted
    packed: bool

    def on_disk(self, offset: int) -> int:
        """Bytes on disk behind `offset` bytes of content (for compressed ones, up to a buffer's worth more)."""
        return self.counted.position if self.packed else offset

    def read(self, size: int, line: int = 0) -> bytes:
        """At most `size` bytes; `line` is the last whole line, for the error."""
        return self._guarded(self.stream.read, size, line)

    def readline(self, size: int, line: int) -> bytes:
        """At most `size` bytes of a line."""
        return self._guarded(self.stream.readline, size, line)

    def _guarded(self, read: Callable[[int], bytes], size: int, line: int) -> bytes:
        name = self.source.name
        try:
            return read(size)
        except DAMAGED as fault:
            early = isinstance(fault, EOFError)
            what = "the compressed stream ends early" if early else f"the compressed stream is damaged ({fault})"
            raise InputError(f"{name}: {what}; line {line} is the last whole one", "Fetch or write it anew.") from None
        except OSError as fault:
            raise InputError(f"{name}: {fault.strerror or fault} after line {line}", "Check the disk.") from None

    def digest(self, mark: Mark, size: int | None) -> Mark:
        """Read `size` more bytes (None: all), hash them, and return the place reached."""
        count = 0
        while chunk := self.read(CHUNK if size is None else min(CHUNK, size - count)):
            mark.hasher.update(chunk)
            count += len(chunk)
        return replace(mark, offset=count, total=mark.total + count, disk=mark.disk + self.on_disk(count))


@dataclass(slots=True)
class Source:
    """One input as it was when the run began; `size` is None for what has no size (pipes, devices)."""

    path: str
    name: str
    size: int | None
    identity: tuple[int, int] | None

    @classmethod
    def find(cls, path: str) -> "Source":
        """Look at an input without reading it. Raises InputError when it cannot be read."""
        try:
            if path == "-":
                status, name = os.fstat(sys.stdin.fileno()), "<stdin>"
            else:
                status, name = os.stat(path), path
                if stat.S_ISDIR(status.st_mode):
                    raise InputError(
                        f"{path}: is a folder, not a file", "Name the files in it, for example with a glob."
                    )
                if not os.access(path, os.R_OK):
                    raise InputError(f"{path}: permission denied", "Check who may read it.")
        except (OSError, ValueError, AttributeError) as fault:
            reason = getattr(fault, "strerror", None) or "cannot be opened"
            raise InputError(f"{path}: {reason}", "Check the path; `-` means standard input.") from None
        regular = stat.S_ISREG(status.st_mode)
        return cls(path, name, status.st_size if regular else None, (status.st_dev, status.st_ino) if regular else None)

    @contextmanager
    def open(self) -> "Iterator[_Opened]":
        """The source, decompressed. Raises InputError when it cannot be opened or is not the file seen first."""
        try:
            raw = io.FileIO(os.dup(sys.stdin.fileno()) if self.path == "-" else self.path)
            counted = _Counted(raw, self.name, self._size_now(raw))
            head = counted.head(4)
        except OSError as fault:
            raise InputError(f"{self.name}: {fault.strerror}", "Check the file and its disk.") from None
        inner: io.RawIOBase = counted
        if head.startswith(GZIP_MAGIC):
            inner = cast("io.RawIOBase", gzip.GzipFile(fileobj=counted, mode="rb"))
        elif head == ZSTD_MAGIC or (head[1:] == ZSTD_SKIPPABLE and head[:1] in ZSTD_SKIPPABLE_FIRST):
            inner = cast("io.RawIOBase", zstd.ZstdFile(cast("IO[bytes]", counted), "r"))
        with counted, io.BufferedReader(inner, CHUNK) as stream:
            yield _Opened(self, stream, counted, inner is not counted)

    def _size_now(self, raw: io.FileIO) -> int | None:
        """What is left to read of the size seen first (standard input may be a file that was begun already)."""
        if self.size is None:
            return None
        status = os.fstat(raw.fileno())
        if (status.st_dev, status.st_ino) != self.identity:
            raise InputError(f"{self.name}: the file was replaced while the run went on", "Run again on the new file.")
        if self.path == "-":
            return max(0, self.size - os.lseek(raw.fileno(), 0, os.SEEK_CUR))
        return self.size

    def check_unmoved(self) -> str | None:
        """After reading: a sentence if the file grew meanwhile; InputError if it shrank or was replaced."""
        if self.size is None:
            return None
        try:
            status = os.fstat(sys.stdin.fileno()) if self.path == "-" else os.stat(self.path)
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self.identity:
            raise InputError(f"{self.name}: the file was replaced while it was read", "Run again on the new file.")
        if status.st_size < self.size:
            raise InputError(f"{self.name}: the file shrank while it was read", "Run again on a file that holds still.")
        if status.st_size > self.size:
            return f"{self.name}: grew while it was read; only its first {self.size} bytes were read"
        return None


class Inputs:
    """Several inputs as one stream of lines, in the given order."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.sources = [Source.find(path) for path in paths]
        self.notes: list[str] = []

    @property
    def size(self) -> int | None:
        """Bytes on disk of all inputs; None when one of them has no size."""
        sizes = [source.size for source in self.sources]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def resumable(self) -> bool:
        """Whether all inputs can be read again (pipes cannot, and standard input is not ours to reopen)."""
        return all(source.size is not None and source.path != "-" for source in self.sources)

    def replay(self, source: int, line: int, offset: int) -> Mark | None:
        """Read again up to a place noted earlier and return its Mark; None when the input ends before it."""
        if source >= len(self.sources):
            return None
        mark = Mark()
        for index in range(source + 1):
            mark = _next_input(mark) if index else mark
            with self.sources[index].open() as opened:
                mark = opened.digest(mark, offset if index == source else None)
        if mark.offset < offset:
            return None
        return replace(mark, line=line)

    def ends_at(self, mark: Mark) -> bool:
        """Whether no input is left after `mark`."""
        for index in range(mark.source, len(self.sources)):
            with self.sources[index].open() as opened:
                _skip(opened, mark.offset if index == mark.source else 0)
                if opened.read(1):
                    return False
        return True

    def lines(self, limit: int, start: Mark | None = None) -> Iterator[Line]:
        """The lines after `start`; of those longer than `limit` bytes only the beginning is given.

        Raises InputError when an input is damaged, shrinks or is replaced. `notes` says which inputs grew.
        """
        mark = start or Mark()
        for index in range(mark.source, len(self.sources)):
            mark = _next_input(mark) if index > mark.source else mark
            before = self._disk_before(index)
            with self.sources[index].open() as opened:
                _skip(opened, mark.offset)
                while line := _next_line(opened, mark, limit, before):
                    mark = line.end
                    yield line
            if note := self.sources[index].check_unmoved():
                self.notes.append(note)

    def _disk_before(self, index: int) -> int:
        return sum(source.size or 0 for source in self.sources[:index])


def _next_input(mark: Mark) -> Mark:
    hasher = mark.hasher.copy()
    hasher.update(NEXT_INPUT)
    return Mark(mark.source + 1, 0, 0, mark.total, mark.disk, hasher)


def _skip(opened: _Opened, offset: int) -> None:
    left = offset
    while left and (chunk := opened.read(min(CHUNK, left))):
        left -= len(chunk)


def _next_line(opened: _Opened, mark: Mark, limit: int, disk_before: int) -> Line | None:
    raw = opened.readline(limit + 1, mark.line)
    if not raw:
        return None
    hasher = mark.hasher.copy()
    hasher.update(raw)
    size = len(raw)
    too_long = size > limit and not raw.endswith(b"\n")
    if too_long:
        raw = raw[:RAW_CAP]
        while rest := opened.readline(CHUNK, mark.line):
            hasher.update(rest)
            size += len(rest)
            if rest.endswith(b"\n"):
                break
    offset = mark.offset + size
    end = Mark(mark.source, mark.line + 1, offset, mark.total + size, disk_before + opened.on_disk(offset), hasher)
    text = raw[:-1] if raw.endswith(b"\n") else raw
    if mark.line == 0 and text.startswith(BOM):
        text = text[len(BOM) :]
    return Line(Origin(opened.source.name, mark.line + 1, mark.offset), text, end, too_long)


def compressor(path: str) -> Callable[[bytes], bytes]:
    """How output for `path` is packed, by its suffix: each call gives one whole gzip member or zstd frame."""
    if path.endswith(".gz"):
        return lambda block: gzip.compress(block, 6, mtime=0)
    if path.endswith((".zst", ".zstd")):
        return zstd.compress
    return bytes
