"""Formats with several lines per record: adjacent lines with the same key, such as the id of a query.

A bad line inside a group is a separate failure, and the group continues after it. Failures and blank lines inside a
group are yielded after it, so that a run is committed only between groups.
"""

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.records import RAW_CAP, Blank, Entry, Failure, Mark, Origin, Request
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.per_line import failure_of
from rerank_cli.formats.record_format import RecordFormat, RequestWriter, given_scores
from rerank_cli.formats.scattered import Scattered
from rerank_cli.formats.texts import UNSCORED_TITLES, Composer, check_count, check_length

MAX_INSIDE = 1000  # bad and blank lines in a group: more end it, to bound memory


class GroupedRecordFormat(RecordFormat):
    """A format with several lines per record. Its classes extend this one.

    The first three methods are required, the others have defaults.
    """

    hashes: dict[str, str]  # SHA-256 of further files that it reads, by name: part of the fingerprint of a run

    @abstractmethod
    def parse_line(self, raw: bytes) -> tuple[Any, Any]:
        """The key and the fields of a line. Raises Malformed."""

    @abstractmethod
    def join_lines(self, key: Any, rows: list[Any]) -> Any:
        """The record of parsed lines with one key. Raises Malformed."""

    @abstractmethod
    def key(self, body: Any) -> Any:
        """The key of a record. Adjacent records with the same key would be read as one."""

    def begin(self, inputs: Inputs, limit: int) -> None:
        """Inspect the inputs before they are read; `limit` is --max-line-bytes. Raises InputError."""

    def is_comment(self, raw: bytes) -> bool:
        """Whether a line is a comment."""
        return False

    def is_header(self, line: Line) -> bool:
        """Whether a line is a header. Raises Malformed or InputError."""
        return False


@dataclass(slots=True)
class _Group:
    """Lines with one key, and the entries between them."""

    key: Hashable
    origin: Origin
    end: Mark
    rows: list[Any] = field(default_factory=list)
    raw: bytes = b""
    size: int = 0
    inside: list[Failure | Blank] = field(default_factory=list)

    def add(self, line: Line, row: Any, limit: int) -> None:
        """Add a line; its content is left out when the group would exceed `limit` bytes."""
        self.end = line.end
        self.size += len(line.raw)
        if self.size <= limit:
            self.rows.append(row)
        if len(self.raw) < RAW_CAP:
            self.raw = (self.raw + b"\n" + line.raw if self.raw else line.raw)[:RAW_CAP]


class Groups(RequestWriter):
    """Reads and writes a format with several lines per record."""

    one_a_line = False
    record_format: GroupedRecordFormat

    def __init__(self, name: str, record_format: GroupedRecordFormat, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__(record_format)
        self.name = name
        self.hashes = record_format.hashes
        self.candidates_path = record_format.candidates_path
        self.titled, self.needs_candidates = record_format.titled, record_format.needs_candidates
        self.header, self.in_place = record_format.header, record_format.in_place
        self._composer = Composer(read, record_format.titled)
        self._max_candidates = read.max_candidates
        self._max_line_bytes = read.max_line_bytes
        self._need_scores = read.need_scores
        self._scattered = Scattered()
        self._split = 0  # records that ended after too many bad and blank lines

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the lines read so far."""
        notes: list[str] = [*self.record_format.notes]
        if self._composer.unscored_titles:
            notes.append(UNSCORED_TITLES)
        if self._split:
            notes.append(
                f"{self._split:,} records end at {MAX_INSIDE:,} bad or blank lines; later lines with the same id "
                "become separate records"
            )
        return notes

    @property
    def warnings(self) -> list[str]:
        """The queries whose lines are not adjacent."""
        return self._scattered.warnings

    @property
    def parts(self) -> int:
        """Records that are later parts of a query."""
        return self._scattered.count

    @property
    def first_notes(self) -> list[str]:
        """The notes that later lines do not change."""
        notes = self.record_format.first_notes
        return [*notes, UNSCORED_TITLES] if self._composer.unscored_titles else notes

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """One entry per group, bad line or blank line."""
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
        if not line.too_long and (not (text := line.raw.strip()) or self.record_format.is_comment(line.raw)):
            return Blank(line.end, empty=not text)
        try:
            if not line.too_long and self.record_format.is_header(line):
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
            raise Malformed(f"its lines are longer than --max-line-bytes ({self._max_line_bytes})", content=True)
        body = self.record_format.join_lines(group.key, group.rows)
        record = self.record_format.to_native(body)
        check_count(record["candidates"], self._max_candidates, self.candidates_path)
        texts = self._composer.texts(record, self.candidates_path)
        self._scattered.see(group.key, group.origin)
        return Request(
            group.origin,
            group.end,
            group.raw,
            texts.query,
            texts.texts,
            body,
            texts.fields,
            scores=given_scores(record, self.candidates_path) if self._need_scores else (),
            composed=self._composer.of_stages(record, self.candidates_path),
        )
