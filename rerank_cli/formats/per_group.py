"""Formats whose records are several lines: those that follow each other and have the same key, such as a query's id.

A bad line inside a group is a failure of its own, and the group goes on after it. So that a run is only ever saved
between groups, what stands inside one is handed on after it.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.records import RAW_CAP, Blank, Entry, Failure, Mark, Origin, Request
from rerank_cli.files.inputs import Line
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.per_line import failure_of
from rerank_cli.formats.record_format import RecordFormat, RequestWriter
from rerank_cli.formats.texts import UNSCORED_TITLES, Composer, check_count, check_length

NOTICED = 2**18  # keys among which one that comes again is noticed
MAX_INSIDE = 1000  # bad and blank lines within a group: with more of them it ends, so that memory stays bounded


class GroupedRecordFormat(RecordFormat, Protocol):
    """A format with several lines a record.

    One that has comments says which lines they are: `is_comment(raw)`. One whose inputs or outputs have a header looks
    at the inputs before they are read, `begin(inputs, max_line_bytes)`, and says which lines are headers,
    `is_header(line)`, and what the first line of an output is, `header`.
    """

    hashes: dict[str, str]  # of files that are looked into, by name: part of what makes two runs the same

    def parse_line(self, raw: bytes) -> tuple[Any, Any]:
        """A line's key, and what it says. Raises Malformed."""

    def join_lines(self, key: Any, rows: list[Any]) -> Any:
        """The record that parsed lines of one key make. Raises Malformed."""


@dataclass(slots=True)
class _Group:
    """Lines with one key, and what stands between them."""

    key: Hashable
    origin: Origin
    end: Mark
    rows: list[Any] = field(default_factory=list)
    raw: bytes = b""
    size: int = 0
    inside: list[Failure | Blank] = field(default_factory=list)

    def add(self, line: Line, row: Any, limit: int) -> None:
        """Take in a line, but for its content when that would be more than `limit` bytes in all."""
        self.end = line.end
        self.size += len(line.raw)
        if self.size <= limit:
            self.rows.append(row)
        if len(self.raw) < RAW_CAP:
            self.raw = (self.raw + b"\n" + line.raw if self.raw else line.raw)[:RAW_CAP]


class Groups(RequestWriter):
    """A format whose records are several lines."""

    one_a_line = False
    record_format: GroupedRecordFormat

    def __init__(self, name: str, record_format: GroupedRecordFormat, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__(record_format)
        self.name = name
        self.hashes = record_format.hashes
        self.candidates_path = record_format.candidates_path
        self.titled, self.needs_candidates = record_format.titled, record_format.needs_candidates
        self.header: bytes = getattr(record_format, "header", b"")
        self.in_place = getattr(record_format, "in_place", False)
        self._is_comment: Callable[[bytes], bool] = getattr(record_format, "is_comment", _never)
        self._is_header: Callable[[Line], bool] = getattr(record_format, "is_header", _never)
        self._composer = Composer(read, record_format.titled)
        self._max_candidates = read.max_candidates
        self._max_line_bytes = read.max_line_bytes
        self._seen: set[int] = set()  # hashes of keys
        self._again = 0  # records whose key came before, further up
        self._split = 0  # records that ended because too many bad and blank lines stood inside them

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was read so far."""
        notes: list[str] = [*getattr(self.record_format, "notes", [])]
        if self._composer.unscored_titles:
            notes.append(UNSCORED_TITLES)
        if self._again:
            notes.append(
                f"{self._again:,} records have a query that came before, further up: its lines do not stand together, "
                "so each part is ranked by itself (sort the lines by query)"
            )
        if self._split:
            notes.append(
                f"{self._split:,} records end at {MAX_INSIDE:,} bad or blank lines among theirs; lines of the same id "
                "behind these are records of their own"
            )
        return notes

    @property
    def first_notes(self) -> list[str]:
        """Those of the notes that what is read later does not change."""
        notes: list[str] = [*getattr(self.record_format, "first_notes", [])]
        return [*notes, UNSCORED_TITLES] if self._composer.unscored_titles else notes

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """One entry a group, a bad line or a blank one."""
        group: _Group | None = None
        for line in lines:
            entry = self._parse(line)
            if isinstance(entry, Failure | Blank):
                if group is None:
                    yield entry
                    continue
                group.inside.append(entry)
                if len(group.inside) == MAX_INSIDE:
                    self._split += 1
                    yield from self._close(group)
                    group = None
                continue
            key, row = entry
            if group is None or key != group.key:
                if group is not None:
                    yield from self._close(group)
                group = _Group(key, line.origin, line.end)
            group.add(line, row, self._max_line_bytes)
        if group is not None:
            yield from self._close(group)

    def _parse(self, line: Line) -> tuple[Hashable, Any] | Failure | Blank:
        if not line.too_long and (not (text := line.raw.strip()) or self._is_comment(line.raw)):
            return Blank(line.end, empty=not text)
        try:
            if not line.too_long and self._is_header(line):
                return Blank(line.end, empty=False)
            check_length(line, self._max_line_bytes)
            return self.record_format.parse_line(line.raw)
        except Malformed as fault:
            return failure_of(line, fault)

    def _close(self, group: _Group) -> Iterator[Entry]:
        inside = sum(entry.end.total < group.end.total for entry in group.inside)
        try:
            yield replace(self._request(group), followed=inside)
        except Malformed as fault:
            yield Failure(
                group.origin, group.end, group.raw, fault.reason, fault.path, followed=inside, content=fault.content
            )
        for entry in group.inside:
            if entry.end.total > group.end.total:
                yield entry
            elif isinstance(entry, Failure):
                yield replace(entry, end=group.end, length=entry.size)
            else:
                yield replace(entry, end=group.end)

    def _request(self, group: _Group) -> Request:
        if group.size > self._max_line_bytes:
            raise Malformed(f"its lines hold more than --max-line-bytes ({self._max_line_bytes})", content=True)
        body = self.record_format.join_lines(group.key, group.rows)
        record = self.record_format.to_native(body)
        check_count(record["candidates"], self._max_candidates, self.candidates_path)
        found = self._composer.texts(record, self.candidates_path)
        self._note_if_seen(hash(group.key))
        return Request(group.origin, group.end, group.raw, found.query, found.texts, body, found.fields)

    def _note_if_seen(self, key: int) -> None:
        if len(self._seen) == NOTICED:  # so that memory stays bounded
            self._seen.clear()
        self._again += key in self._seen
        self._seen.add(key)


def _never(_line: object) -> bool:
    return False
