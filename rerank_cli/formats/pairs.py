"""Labelled pairs, one per line: `{"query", "text" or "passage" or "document", "label"?, "query_id"?, "docid"?}`.

This is the training data of sentence-transformers' cross-encoders. Adjacent lines with the same `query_id`, or without
one the same query, are one record. Written back best first within the record, with our fields.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import REWRAPPED, check_id, parse_object, text_at, without
from rerank_cli.formats.pair_rows import (
    TEXTS,
    WRITTEN,
    Columns,
    Key,
    Row,
    key_of,
    native_record,
    refuse_two_queries,
    rows_of,
)
from rerank_cli.formats.per_group import GroupedRecordFormat
from rerank_cli.formats.record_format import annotated, json_line


class Pairs(GroupedRecordFormat):
    """The pairs format. A record is the list of its lines."""

    candidates_path = "$"
    titled, needs_candidates = False, True
    staged = keeps_fields = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self.hashes: dict[str, str] = {}
        self._no_text = write.no_text
        self._needs_texts = read.need_texts

    def _columns(self, row: Row) -> Columns:
        has_text = not row.keys().isdisjoint(TEXTS)
        return Columns.of(row, texts=TEXTS if self._needs_texts or has_text else ())

    def parse_line(self, raw: bytes) -> tuple[Key, Row]:
        """The key and the fields of a line. Raises Malformed."""
        row = parse_object(raw, REWRAPPED)
        columns = self._columns(row)
        text_at(row, columns.query, "$")
        if columns.text is not None:
            text_at(row, columns.text, "$")
        for name in (each for each in (columns.query_id, columns.id) if each is not None):
            check_id(row, name, "$")
        return key_of(columns, row), row

    def join_lines(self, key: Key, rows: list[Row]) -> list[Row]:
        """The record of the lines with one key. Raises Malformed when one id has two queries."""
        refuse_two_queries(key[1], [row[self._columns(row).query] for row in rows])
        return rows

    def to_native(self, body: list[Row], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        return native_record([(self._columns(row), row) for row in body], dropped)

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> list[Row]:
        """A record of this format from a native one."""
        return rows_of(record, WRITTEN, dropped, "pairs")

    def key(self, body: list[Row]) -> Key:
        """The key that adjacent records must not share, or they would be read as one."""
        return key_of(self._columns(body[0]), body[0])

    def with_ranking(self, body: list[Row], ranking: Ranking) -> list[Row]:
        """The lines, best first."""
        rows = [without(row, self._columns(row).text or "") if self._no_text else row for row in body]
        return [annotated(rows[index], place, ranking, len(rows)) for place, index in enumerate(ranking.indices)]

    def to_lines(self, value: list[Row]) -> bytes:
        """The lines of a record."""
        return b"".join(map(json_line, value))
