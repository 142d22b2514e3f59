"""One input as it was when the run began: its bytes, decompressed, and whether it held still while they were read."""

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from rerank_cli.core.errors import InputError
from rerank_cli.core.records import Mark
from rerank_cli.files.compression import DAMAGED, decompressed
from rerank_cli.files.raw import CHUNK, CountedStream, PeekableStream
from rerank_cli.files.score_objects import scores_as_lines
from rerank_cli.files.signatures import ENOUGH, LOOK_AT, READ, foreign_kind


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source being read: its decompressed stream, and how far that is in bytes on disk."""

    source: "Source"
    stream: IO[bytes]
    counted: CountedStream
    compressed: bool

    def on_disk(self, offset: int) -> int:
        """Bytes on disk behind `offset` bytes of content (for compressed ones, up to a buffer's worth more)."""
        return self.counted.position if self.compressed else offset

    def read(self, size: int, line: int = 0) -> bytes:
        """At most `size` bytes; `line` is the last whole line, for the error."""
        return self._read_with(self.stream.read, size, line)

    def readline(self, size: int, line: int) -> bytes:
        """At most `size` bytes of a line."""
        return self._read_with(self.stream.readline, size, line)

    def _read_with(self, read: Callable[[int], bytes], size: int, line: int) -> bytes:
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
    written: int  # when it was last written to, in ns
    begins: int = 0  # where in the file: standard input may have been begun already
    scores: bool = False  # an object {qid: {docid: score}} is read as lines

    @classmethod
    def find(cls, path: str, scores: bool = False) -> "Source":
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
        size, identity = (status.st_size, (status.st_dev, status.st_ino)) if regular else (None, None)
        begins = os.lseek(sys.stdin.fileno(), 0, os.SEEK_CUR) if regular and path == "-" else 0
        return cls(path, name, size, identity, status.st_mtime_ns, begins, scores)

    @contextmanager
    def open(self) -> "Iterator[OpenSource]":
        """The source, decompressed. Raises InputError when it cannot be opened or is not the file seen first."""
        try:
            raw = io.FileIO(os.dup(sys.stdin.fileno()) if self.path == "-" else self.path)
            counted = CountedStream(raw, self.name, self._size_now(raw))
            head = counted.peek(LOOK_AT, ENOUGH)
            inner = decompressed(counted, head)
            self._refuse_foreign(inner, head)
            inner = scores_as_lines(inner, self.name) if self.scores else inner
        except OSError as fault:
            raise InputError(f"{self.name}: {fault.strerror}", "Check the file and its disk.") from None
        with counted, io.BufferedReader(inner, CHUNK) as stream:
            yield OpenSource(self, stream, counted, inner is not counted)

    def _refuse_foreign(self, inner: io.RawIOBase, head: bytes) -> None:
        """Raises InputError for what is no text, in itself or when decompressed."""
        compressed = not isinstance(inner, CountedStream)
        if compressed:
            head = inner.peek(LOOK_AT, ENOUGH) if isinstance(inner, PeekableStream) else b""
        if kind := foreign_kind(head):
            raise InputError(f"{self.name}: {'unpacked, it ' if compressed else ''}is {kind.what}; {READ}", kind.advice)

    def _size_now(self, raw: io.FileIO) -> int | None:
        """What there is to read of the size seen first, from where it begins."""
        if self.size is None:
            return None
        status = os.fstat(raw.fileno())
        if (status.st_dev, status.st_ino) != self.identity:
            raise InputError(f"{self.name}: the file was replaced while the run went on", "Run again on the new file.")
        os.lseek(raw.fileno(), self.begins, os.SEEK_SET)
        return max(0, self.size - self.begins)

    def check_still_there(self) -> str | None:
        """After reading: a sentence if the file grew meanwhile; InputError if it shrank or was replaced."""
        if self.size is None:
            return None
        status = self._status_now()
        if status is None or (status.st_dev, status.st_ino) != self.identity:
            raise InputError(f"{self.name}: the file was replaced while it was read", "Run again on the new file.")
        if status.st_size < self.size:
            raise InputError(f"{self.name}: the file shrank while it was read", "Run again on a file that holds still.")
        if status.st_size > self.size:
            return f"{self.name}: grew while it was read; only its first {self.size} bytes were read"
        return None

    def was_written_to(self) -> bool:
        """Whether somebody wrote to it, or touched it, since the first look."""
        status = self._status_now()
        return self.size is not None and status is not None and status.st_mtime_ns != self.written

    def _status_now(self) -> os.stat_result | None:
        try:
            return os.fstat(sys.stdin.fileno()) if self.path == "-" else os.stat(self.path)
        except OSError:
            return None
