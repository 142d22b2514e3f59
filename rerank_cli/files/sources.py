"""An input as it was when the run began: its decompressed bytes, and whether it changed while they were read."""

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.core.records import Mark
from rerank_cli.files.compression import DAMAGED, decompressed
from rerank_cli.files.raw import CHUNK, CountedStream, PeekableStream
from rerank_cli.files.score_objects import scores_as_lines
from rerank_cli.files.signatures import ENOUGH, LOOK_AT, READ, foreign_kind

NOBODY_NAMED = (  # an empty variable of a shell names nothing, and cron's standard input is empty
    "no INPUT was named, and standard input is empty",
    "Name the input; a shell variable without quotes that is empty names none. `-` reads standard input, even empty.",
)


@dataclass(frozen=True, slots=True)
class OpenSource:
    """An open source: its decompressed stream, and its position in bytes on disk."""

    source: "Source"
    stream: IO[bytes]
    counted: CountedStream
    compressed: bool

    def on_disk(self, offset: int) -> int:
        """Bytes on disk for `offset` bytes of content; for compressed files, up to a buffer more."""
        return self.counted.position if self.compressed else offset

    def read(self, size: int, line: int = 0) -> bytes:
        """Read at most `size` bytes; `line` is the last complete line, for the error."""
        return self._read_with(self.stream.read, size, line)

    def readline(self, size: int, line: int) -> bytes:
        """Read at most `size` bytes of a line."""
        return self._read_with(self.stream.readline, size, line)

    def _read_with(self, read: Callable[[int], bytes], size: int, line: int) -> bytes:
        name = self.source.name
        try:
            return read(size)
        except DAMAGED as fault:
            early = isinstance(fault, EOFError)
            what = "the compressed stream ends early" if early else f"the compressed stream is damaged ({fault})"
            raise InputError(
                f"{name}: {what}; line {line} is the last complete one", "Fetch or write the file again."
            ) from None
        except OSError as fault:
            raise InputError(f"{name}: {fault.strerror or fault} after line {line}", "Check the disk.") from None

    def digest(self, mark: Mark, size: int | None) -> Mark:
        """Read and hash `size` more bytes (None: all). Returns the position after them."""
        count = 0
        while chunk := self.read(CHUNK if size is None else min(CHUNK, size - count)):
            mark.hasher.update(chunk)
            count += len(chunk)
        return replace(mark, offset=count, total=mark.total + count, disk=mark.disk + self.on_disk(count))


@dataclass(slots=True)
class Source:
    """An input as it was when the run began; `size` is None for pipes and devices."""

    path: str
    name: str
    size: int | None
    identity: tuple[int, int] | None
    written: int  # time of the last write, in ns
    begins: int = 0  # offset in the file: standard input may be partly read
    scores: bool = False  # read an object {qid: {docid: score}} as lines
    named: bool = True  # by the user; if not, it must not be empty

    @classmethod
    def find(cls, path: str, scores: bool = False, named: bool = True) -> "Source":
        """The source for a path, without reading it. Raises InputError when it cannot be read."""
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
        return cls(path, name, size, identity, status.st_mtime_ns, begins, scores, named)

    @contextmanager
    def open(self) -> "Iterator[OpenSource]":
        """Open the source, decompressed.

        Raises InputError when it cannot be opened or was replaced, ConfigError when it is empty and nobody named it.
        """
        try:
            raw = io.FileIO(os.dup(sys.stdin.fileno()) if self.path == "-" else self.path)
            counted = CountedStream(raw, self.name, self._size_now(raw))
            head = counted.peek(LOOK_AT, ENOUGH)
            if not (head or self.named):
                raise ConfigError(*NOBODY_NAMED)
            inner = decompressed(counted, head)
            self._refuse_foreign(inner, head)
            inner = scores_as_lines(inner, self.name) if self.scores else inner
        except OSError as fault:
            raise InputError(f"{self.name}: {fault.strerror}", "Check the file and its disk.") from None
        with counted, io.BufferedReader(inner, CHUNK) as stream:
            yield OpenSource(self, stream, counted, inner is not counted)

    def _refuse_foreign(self, inner: io.RawIOBase, head: bytes) -> None:
        """Raises InputError for anything but text, before or after decompression."""
        compressed = not isinstance(inner, CountedStream)
        if compressed:
            head = inner.peek(LOOK_AT, ENOUGH) if isinstance(inner, PeekableStream) else b""
        if kind := foreign_kind(head):
            raise InputError(f"{self.name}: {'unpacked, it ' if compressed else ''}is {kind.what}; {READ}", kind.advice)

    def _size_now(self, raw: io.FileIO) -> int | None:
        """Bytes to read, from the offset where the source begins. Raises InputError for a replaced file."""
        if self.size is None:
            return None
        status = os.fstat(raw.fileno())
        if (status.st_dev, status.st_ino) != self.identity:
            raise InputError(f"{self.name}: the file was replaced during the run", "Run again on the new file.")
        os.lseek(raw.fileno(), self.begins, os.SEEK_SET)
        return max(0, self.size - self.begins)

    def check_still_there(self) -> str | None:
        """After reading: a note if the file grew; raises InputError if it shrank or was replaced."""
        if self.size is None:
            return None
        status = self._status_now()
        if status is None or (status.st_dev, status.st_ino) != self.identity:
            raise InputError(f"{self.name}: the file was replaced while it was read", "Run again on the new file.")
        if status.st_size < self.size:
            raise InputError(
                f"{self.name}: the file shrank while it was read", "Run again when the file no longer changes."
            )
        if status.st_size > self.size:
            return f"{self.name}: grew while it was read; only its first {self.size} bytes were read"
        return None

    def was_written_to(self) -> bool:
        """Whether the file was written to or touched since the run began."""
        status = self._status_now()
        return self.size is not None and status is not None and status.st_mtime_ns != self.written

    def _status_now(self) -> os.stat_result | None:
        try:
            return os.fstat(sys.stdin.fileno()) if self.path == "-" else os.stat(self.path)
        except OSError:
            return None
