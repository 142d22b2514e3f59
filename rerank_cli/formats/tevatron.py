"""Pairs, one per line, as read by Tevatron's reranker: `{"query_id", "query", "docid", "title"?, "text", "score"?}`.

Adjacent lines with the same `query_id` (or `qid`) are one record. Written back best first within the record, with our
fields. The title is scored before the text, as in Tevatron.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import (
    REWRAPPED,
    Malformed,
    check_id,
    id_field,
    id_of,
    parse_object,
    text_at,
    without,
)
from rerank_cli.formats.per_group import GroupedRecordFormat
from rerank_cli.formats.record_format import annotated, as_objects, json_line

IDS = ("query_id", "qid")
COMPUTED = frozenset({*IDS, "query", "docid"})
LOST = frozenset({*IDS, "id"})  # a line has only the ids of query and document


class Tevatron(GroupedRecordFormat):
    """The tevatron format. A record is the list of its lines."""

    candidates_path = "$"
    titled = needs_candidates = True
    staged = keeps_fields = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self.hashes: dict[str, str] = {}
        self._no_text = write.no_text
        self._needs_texts = read.need_texts

    def parse_line(self, raw: bytes) -> tuple[str | int, dict[str, Any]]:
        """The key and the fields of a line. Raises Malformed."""
        row = parse_object(raw, REWRAPPED)
        name = _id_field(row)
        if row.get(name) is None:
            raise Malformed('no field "query_id"', "$.query_id")
        check_id(row, name, "$")
        check_id(row, "docid", "$")
        text_at(row, "query", "$")
        if self._needs_texts or "text" in row:
            text_at(row, "text", "$")
        return row[name], row if "text" in row else {**row, "text": ""}

    def join_lines(self, key: str | int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The record of the lines with one key. Raises Malformed when one id has two queries."""
        other = next((row for row in rows if row["query"] != rows[0]["query"]), None)
        if other is not None:
            raise Malformed(f"one query_id, two queries: {rows[0]['query'][:40]!r} and {other['query'][:40]!r}")
        return rows

    def to_native(self, body: list[dict[str, Any]], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        candidates = [
            {**id_field(row.get("docid")), **rest_of(row, ("query", "docid", _id_field(row)), LOST, dropped, "[].")}
            for row in body
        ]
        return {"id": body[0][_id_field(body[0])], "query": body[0]["query"], "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> list[dict[str, Any]]:
        """A record of this format from a native one."""
        if not record["candidates"]:
            raise Malformed("no candidates: tevatron cannot hold such a record", "$.candidates", content=True)
        about = {"query_id": id_of(record, "$", "tevatron"), "query": record["query"]}
        note_rest(record, ("id", "query", "candidates"), dropped)
        return [
            {
                **about,
                "docid": id_of(each, f"$.candidates[{index}]", "tevatron"),
                **rest_of(each, ("id",), COMPUTED, dropped, "candidates[]."),
            }
            for index, each in enumerate(as_objects(record))
        ]

    def key(self, body: list[dict[str, Any]]) -> str | int:
        """The id of the query. Adjacent records with the same id would be read as one."""
        key: str | int = body[0][_id_field(body[0])]
        return key

    def with_ranking(self, body: list[dict[str, Any]], ranking: Ranking) -> list[dict[str, Any]]:
        """The lines, best first."""
        rows = [without(row, "text") if self._no_text else row for row in body]
        return [annotated(rows[index], place, ranking, len(rows)) for place, index in enumerate(ranking.indices)]

    def to_lines(self, value: list[dict[str, Any]]) -> bytes:
        """The lines of a record."""
        return b"".join(map(json_line, value))


def _id_field(row: dict[str, Any]) -> str:
    """The name of the field with the query's id."""
    return next((name for name in IDS if row.get(name) is not None), IDS[0])
