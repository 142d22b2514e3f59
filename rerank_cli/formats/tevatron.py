"""Pairs, one a line, as Tevatron's reranker reads them: `{"query_id", "query", "docid", "title"?, "text", "score"?}`.

Lines that follow each other with an equal `query_id` are one record. Written back best first within their record, each
with our fields. `qid` is read as well as `query_id`.
"""

from typing import Any

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.formats.shape import (
    REWRAPPED,
    Malformed,
    annotated,
    as_objects,
    check_id,
    id_of,
    json_line,
    parse_object,
    text_at,
    without,
)
from rerank_cli.ranking import Ranking

IDS = ("query_id", "qid")


class Tevatron:
    """See the module. A record is the list of its lines."""

    candidates_path = "$"
    doc_template = None

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self.hashes: dict[str, str] = {}
        self._no_text = write.no_text

    def parsed(self, raw: bytes) -> tuple[str | int, dict[str, Any]]:
        """See GroupedShape.parsed."""
        row = parse_object(raw, REWRAPPED)
        name = next((name for name in IDS if name in row), IDS[0])
        if name not in row:
            raise Malformed('no field "query_id"', "$.query_id")
        check_id(row, name, "$")
        check_id(row, "docid", "$")
        text_at(row, "query", "$")
        text_at(row, "text", "$")
        return row[name], row

    def gathered(self, key: str | int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """See GroupedShape.gathered. Raises Malformed when one id stands for two queries."""
        other = next((row for row in rows if row["query"] != rows[0]["query"]), None)
        if other is not None:
            raise Malformed(f"one query_id, two queries: {rows[0]['query'][:40]!r} and {other['query'][:40]!r}")
        return rows

    def native(self, body: list[dict[str, Any]]) -> dict[str, Any]:
        """See Shape.native."""
        candidates = [
            {**({"id": row["docid"]} if "docid" in row else {}), **without(row, *IDS, "query", "docid", "id")}
            for row in body
        ]
        first = body[0]
        return {
            "id": next(first[name] for name in IDS if name in first),
            "query": first["query"],
            "candidates": candidates,
        }

    def made(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        """See Shape.made."""
        about = {"query_id": id_of(record, "$", "tevatron"), "query": record["query"]}
        return [
            {**about, "docid": id_of(each, f"$.candidates[{index}]", "tevatron"), **without(each, "id")}
            for index, each in enumerate(as_objects(record))
        ]

    def ranked(self, body: list[dict[str, Any]], ranking: Ranking) -> list[dict[str, Any]]:
        """The lines, best first."""
        rows = [without(row, "text") if self._no_text else row for row in body]
        return [annotated(rows[index], place, ranking) for place, index in enumerate(ranking.indices)]

    def dumped(self, value: list[dict[str, Any]]) -> bytes:
        """See Shape.dumped."""
        return b"".join(map(json_line, value))
