"""Raw bytes of a file or pipe, with a position and lookahead."""

import errno
import io
import select
from abc import abstractmethod
from typing import ClassVar

import orjson

from rerank_cli.core.errors import InputError

CHUNK = 1 << 20
LONGEST_REST = 1 << 14
UNREADABLE = b"{\x00unreadable "  # begins no line of a text


class PeekableStream(io.RawIOBase):
    """A raw stream that can look ahead. Subclasses define `fill`, which raises one of `damaged` for damaged content."""

    damaged: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self) -> None:
        self._ahead = b""
        self._fault: Exception | None = None  # met while looking ahead; raised when reading reaches it

    def readable(self) -> bool:
        """Always."""
        return True

    @abstractmethod
    def fill(self, view: memoryview) -> int:
        """Read available bytes into `view`, at least one unless at the end."""

    def peek(self, count: int, enough: int) -> bytes:
        """The first `count` bytes, or the first line if it is shorter but at least `enough` bytes; without consuming
        them.

        Fewer bytes at the end of the stream and before damage.
        """
        block = bytearray(count)
        while len(self._ahead) < (enough if b"\n" in self._ahead else count):
            try:
                size = self.fill(memoryview(block)[: count - len(self._ahead)])
            except self.damaged as fault:
                self._fault = fault
                break
            if not size:
                break
            self._ahead += block[:size]
        return self._ahead

    def take(self, view: memoryview) -> int:
        """Read bytes from the lookahead, else available bytes."""
        if self._ahead:
            count = min(len(view), len(self._ahead))
            view[:count], self._ahead = self._ahead[:count], self._ahead[count:]
            return count
        if self._fault is not None:
            raise self._fault
        return self.fill(view)


class CountedStream(PeekableStream):
    """A raw stream of at most `size` bytes that counts what it read and can look ahead."""

    def __init__(self, raw: io.FileIO, name: str, size: int | None) -> None:
        super().__init__()
        self._raw, self.name, self.size = raw, name, size
        self.position = 0

    def seekable_file(self) -> io.FileIO:
        """The file itself, for random access. Raises OSError for a pipe."""
        if self.size is None:
            raise OSError(errno.ESPIPE, "parquet cannot be read from a pipe")
        self._raw.seek(0)
        return self._raw

    def fill(self, view: memoryview) -> int:
        """Read available bytes, at least one unless at the end; wait for a non-blocking stream."""
        while (count := self._raw.readinto(view)) is None:
            select.select([self._raw], [], [])
        return count

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """The number of bytes read into `buffer`. Raises InputError when the file ends before its size."""
        view = memoryview(buffer)
        if self.size is not None:
            view = view[: self.size - self.position]
        count = self.take(view)
        if count == 0 and len(view) and self.size is not None:
            raise InputError(
                f"{self.name}: the file shrank while it was read", "Run again when the file no longer changes."
            )
        self.position += count
        return count

    def close(self) -> None:
        """Close the file too."""
        self._raw.close()
        super().close()


def unreadable_line(reason: str, path: str, rest: bytes) -> bytes:
    """A line that `parse_object` refuses with this reason: for a value that cannot be converted to JSON.

    `rest` is a JSON object with the readable part of the record, for the errors file; {} for a long one.
    """
    rest = rest if len(rest) <= LONGEST_REST else b"{}"
    return UNREADABLE + orjson.dumps([reason, path, rest.decode("utf-8", "replace").rstrip("\n")])


def source_text(raw: bytes) -> bytes:
    """A line as the errors file shows it; for a line of `unreadable_line`, its readable part.

    >>> source_text(unreadable_line("the score is NaN", "$", b'{"qid":"q1"}')), source_text(b"{NaN}")
    (b'{"qid":"q1"}', b'{NaN}')
    """
    if not raw.startswith(UNREADABLE):
        return raw
    try:
        said = orjson.loads(raw.removeprefix(UNREADABLE))
    except orjson.JSONDecodeError:
        return raw
    return str(said[2]).encode() if isinstance(said, list) and len(said) == 3 else raw
