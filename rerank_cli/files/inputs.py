"""Several inputs as one stream of lines with their positions.

Inputs are read to the size that they had when the run began. Lines end at \\n alone (U+2028 and a lone CR are data). A
line beyond the limit is skipped in bounded memory. Rejected alternative: memory-mapping, which pipes lack, and which
crashes when a file shrinks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from rerank_cli.core.errors import InputError
from rerank_cli.core.records import RAW_CAP, Mark, Origin
from rerank_cli.files.compression import DAMAGED
from rerank_cli.files.quoting import State, state_after
from rerank_cli.files.raw import CHUNK
from rerank_cli.files.sources import OpenSource, Source

BOM = b"\xef\xbb\xbf"
LOOK_AT_MOST = 10_000  # lines, for the first that is not blank
SHOWN = 3  # names in a sentence
NEXT_INPUT = b"\x00next input\x00"  # hashed between two inputs, so that a line moved from one to the other is detected


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline, or a row of CSV, which may have newlines within quotes.

    `too_long`: `raw` holds only the first RAW_CAP bytes, the rest was skipped.
    """

    origin: Origin
    raw: bytes
    end: Mark
    too_long: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether the input ends without a newline after this line. (`raw` lacks a byte order mark.)"""
        return self.end.offset - self.origin.byte_offset - len(self.raw) in (0, len(BOM))


class Inputs:
    """Several inputs as one stream of lines, in the given order.

    With `scores` (for runs and judgements), an object {qid: {docid: score}} is read as lines. `named`: the user named
    the inputs; standard input that nobody named must not be empty.
    """

    def __init__(self, paths: tuple[str, ...], *, scores: bool = False, named: bool = True) -> None:
        self.sources = [Source.find(path, scores, named) for path in paths]
        self.notes: list[str] = []
        self.compressed = False  # known once lines were counted
        self._begins: dict[int, Mark] = {}  # where each input begins, once known
        self._seen: tuple[list[Line], Iterator[Line]] | None = None  # lines read ahead, and the lines after them
        self._delimiter = b""  # of CSV, whose rows are lines here

    def count_lines(self, most: int) -> int | None:
        """Lines with something on them, counted ahead; None for a pipe, and for more than `most` bytes of content.

        Memory is bounded: a compressed line may be of any length. What is wrong with an input is left for `lines` to
        report.
        """
        if not self.resumable or (self.size or 0) > most:
            return None
        count = 0
        try:
            for source in self.sources:
                with source.open() as opened:
                    self.compressed = self.compressed or opened.compressed
                    found, size = _count_lines(opened, most)
                count, most = count + found, most - size
        except (InputError, OSError, *DAMAGED):
            return None
        return None if most < 0 else count

    def join_quoted(self, delimiter: bytes) -> None:
        """From here on, lines are rows of CSV: a newline in a quoted field does not end a row.

        Lines that were read ahead are read again if possible.
        """
        self._delimiter = delimiter
        if self.resumable:
            self._seen = None

    @property
    def size(self) -> int | None:
        """Bytes on disk of all inputs; None when the size of one is unknown."""
        sizes = [source.size for source in self.sources]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def resumable(self) -> bool:
        """Whether all inputs can be read again. Pipes and standard input cannot."""
        return all(source.size is not None and source.path != "-" for source in self.sources)

    def replay(self, source: int, line: int, offset: int) -> Mark | None:
        """Read again up to a known position and return its Mark; None when the input ends before it."""
        if source >= len(self.sources):
            return None
        mark = Mark()
        for index in range(source + 1):
            mark = _next_input(mark) if index else mark
            self._begins[index] = replace(mark, hasher=mark.hasher.copy())
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

    def first_line(self, source: int, limit: int) -> Line | None:
        """The first line of an input that is not blank, if it is among its first LOOK_AT_MOST.

        Of inputs that cannot be read again, only the first is read ahead.
        """
        if self.sources[source].size is None or self.sources[source].path == "-":
            return next(self.look_ahead(limit), None) if source == 0 else None
        with self.sources[source].open() as opened:
            mark = Mark(source)
            for _ in range(LOOK_AT_MOST):
                line = _next_line(opened, mark, limit, 0, self._delimiter)
                if line is None or line.raw.strip():
                    return line
                mark = line.end
        return None

    def look_ahead(self, limit: int) -> Iterator[Line]:
        """Iterate over the first lines that are not blank. `lines` returns them again."""
        lines = self._lines(limit, Mark()) if self._seen is None else chain(*self._seen)  # a pipe cannot be reopened
        seen: list[Line] = []
        self._seen = seen, lines
        for line in islice(lines, LOOK_AT_MOST):
            seen.append(line)
            if line.raw.strip():
                yield line

    def lines(self, limit: int, start: Mark | None = None) -> Iterator[Line]:
        """The lines after `start`. Of a line longer than `limit` bytes only the beginning is returned.

        Raises InputError when an input is damaged, shrinks or is replaced. `notes` names inputs that grew.
        """
        if start is None and self._seen is not None:
            seen, rest = self._seen
            self._seen = None
            yield from seen
            yield from rest
        else:
            yield from self._lines(limit, start or Mark())

    def _lines(self, limit: int, mark: Mark) -> Iterator[Line]:
        for index in range(mark.source, len(self.sources)):
            mark = _next_input(mark) if index > mark.source else mark
            self._begins.setdefault(index, mark)
            before = self._disk_before(index)
            with self.sources[index].open() as opened:
                _skip(opened, mark.offset)
                while line := _next_line(opened, mark, limit, before, self._delimiter):
                    mark = line.end
                    yield line
            self.check_unchanged(mark)

    def check_unchanged(self, end: Mark) -> None:
        """After an input was read up to `end`: note that it grew, or raise InputError when its content changed."""
        index = end.source
        source = self.sources[index]
        if note := source.check_still_there():
            self.notes.append(note)
        if source.was_written_to():
            begin = self._begins[index]
            with source.open() as opened:
                again = opened.digest(replace(begin, hasher=begin.hasher.copy()), end.offset)
            if again.sha256 != end.sha256:
                raise InputError(
                    f"{source.name}: the file was rewritten while it was read",
                    "Run again when the file no longer changes.",
                )

    def _disk_before(self, index: int) -> int:
        return sum(source.size or 0 for source in self.sources[:index])


def names_of(inputs: Inputs) -> str:
    """The names of inputs, for a sentence."""
    names = [source.name for source in inputs.sources]
    return ", ".join([*names[:SHOWN], "…"] if len(names) > SHOWN else names)


def _count_lines(opened: OpenSource, most: int) -> tuple[int, int]:
    """Lines that are not blank, and the bytes that were read: more than `most` where the content is larger."""
    count = size = 0
    filled = False  # whether the line that is being read has something on it
    while size <= most and (chunk := opened.read(CHUNK)):
        size += len(chunk)
        first, *others = chunk.split(b"\n")
        filled = filled or bool(first.strip())
        for part in others:
            count, filled = count + filled, bool(part.strip())
    return count + filled, size


def _next_input(mark: Mark) -> Mark:
    hasher = mark.hasher.copy()
    hasher.update(NEXT_INPUT)
    return Mark(mark.source + 1, 0, 0, mark.total, mark.disk, hasher)


def _skip(opened: OpenSource, offset: int) -> None:
    left = offset
    while left and (chunk := opened.read(min(CHUNK, left))):
        left -= len(chunk)


def _next_line(opened: OpenSource, mark: Mark, limit: int, disk_before: int, delimiter: bytes = b"") -> Line | None:
    """The line after `mark`, in bounded memory; with a `delimiter`, the row of CSV."""
    piece = opened.readline(limit + 1, mark.line)
    if not piece:
        return None
    hasher, before, size, lines, state = mark.hasher.copy(), bytearray(), 0, 0, State.BEGIN
    asked = limit + 1
    while True:
        full, ended = len(piece) == asked, piece.endswith(b"\n")
        hasher.update(piece)
        size += len(piece)
        lines += ended
        if delimiter:
            state = state_after(piece, state, delimiter)
        if state is not State.INSIDE and (ended or not full):
            break
        asked = CHUNK
        following = opened.readline(asked, mark.line + lines)
        if not following:
            break
        if len(before) <= limit:
            before += piece
        piece = following
    too_long = size - ended > limit
    raw = bytes(before + piece) if before else piece
    text = raw[: min(limit + 1, RAW_CAP)] if too_long else raw.removesuffix(b"\n")
    if mark.line == 0 and text.startswith(BOM):
        text = text[len(BOM) :]
    offset, line = mark.offset + size, mark.line + lines + (not ended)
    end = Mark(mark.source, line, offset, mark.total + size, disk_before + opened.on_disk(offset), hasher)
    return Line(Origin(opened.source.name, mark.line + 1, mark.offset), text, end, too_long)
