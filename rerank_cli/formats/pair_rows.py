"""Rows with a query and a text each: the roles of their columns, and conversion to native records and back.

Adjacent rows with the same query id, or without one the same query, are one record. If several columns could have the
same role, the first in the role's list is used, and the others are kept as user fields.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, id_field, is_id
from rerank_cli.formats.record_format import as_objects

QUERY_IDS = ("query_id", "qid")
QUERIES = ("query",)
TEXTS = ("text", "passage", "document")
IDS = ("docid", "doc_id", "pid", "id")
LABELS = ("label", "relevance")
KNOWN = frozenset({*QUERY_IDS, *QUERIES, *TEXTS, *IDS, *LABELS})
NATIVE = frozenset({"id", "text", "relevance"})  # fields of a candidate that come from columns

Row = dict[str, Any]
Key = tuple[str, str | int]


class Columns(NamedTuple):
    """The column of each role, or None. (A column can have no name, such as the index that pandas writes.)"""

    query: str
    text: str | None
    query_id: str | None = None
    id: str | None = None
    label: str | None = None

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        queries: Sequence[str] = QUERIES,
        texts: Sequence[str] = TEXTS,
        query_ids: Sequence[str] = QUERY_IDS,
        ids: Sequence[str] = IDS,
    ) -> "Columns":
        """The roles of these columns. Raises Malformed if the query, the text or a named id has no column.

        Without `texts`, the text is optional.

        >>> Columns.of(["qid", "pid", "query", "passage"])
        Columns(query='query', text='passage', query_id='qid', id='pid', label=None)
        """
        names = list(names)
        wanted = (queries, texts, query_ids, ids, LABELS)
        query, *columns = [next((each for each in some if each in names), None) for some in wanted]
        for name, some in zip((query, *columns), wanted, strict=True):
            if name is None and some and some not in (QUERY_IDS, IDS, LABELS):
                shown = ", ".join(f'"{each[:40]}"' for each in names[:8]) or "nothing"
                raise Malformed(f'no "{" or ".join(some)}" (found {shown})', f"$.{some[0]}")
        return cls(str(query), *columns)


class Written(NamedTuple):
    """The column names of rows converted from other formats."""

    query: str
    text: str
    query_id: str
    id: str
    label: str


WRITTEN = Written("query", "passage", "query_id", "docid", "label")  # of the pairs format


def _cell(row: Row, column: str | None) -> Any:
    return None if column is None else row.get(column)


def key_of(columns: Columns, row: Row) -> Key:
    """The key that the rows of a record share."""
    name = _cell(row, columns.query_id)
    return ("query", row[columns.query]) if name is None else ("id", name)


def refuse_two_queries(name: str | int, queries: Sequence[str]) -> None:
    """Raises Malformed if rows with one query id have different queries."""
    other = next((query for query in queries if query != queries[0]), None)
    if other is not None:
        reason = f"the query id {str(name)[:40]!r} has two queries: {queries[0][:40]!r} and {other[:40]!r}"
        raise Malformed(reason, content=True)


def native_record(rows: Sequence[tuple[Columns, Row]], dropped: Dropped | None) -> dict[str, Any]:
    """The native record of rows. A label becomes the candidate's `relevance`. Fields that are None are left out."""
    candidates = []
    for columns, row in rows:
        label = _cell(row, columns.label)
        own = {**id_field(_cell(row, columns.id)), "text": "" if columns.text is None else row[columns.text]}
        own |= {} if label is None else {"relevance": label}
        moved = [each for each in columns if each is not None and (each != columns.label or label is not None)]
        candidates.append({**own, **rest_of(row, moved, NATIVE, dropped, "[].")})
    columns, row = rows[0]
    return {**id_field(_cell(row, columns.query_id)), "query": row[columns.query], "candidates": candidates}


def rows_of(record: dict[str, Any], columns: Written, dropped: Dropped | None, format_name: str) -> list[Row]:
    """The rows of a native record, with the other fields of its candidates after those of the columns.

    Fields with the name of a column are dropped. Raises Malformed for a record without candidates.
    """
    candidates = as_objects(record)
    if not candidates:
        reason = f"no candidates: {format_name} cannot hold such a record"
        raise Malformed(reason, "$.candidates", content=True)
    note_rest(record, ("id", "query", "candidates"), dropped)
    about = {columns.query_id: record["id"]} if is_id(record.get("id")) else {}
    about[columns.query] = record["query"]
    rows = []
    for each in candidates:
        row = {**about, **({columns.id: each["id"]} if is_id(each.get("id")) else {}), columns.text: each["text"]}
        if each.get("relevance") is not None:
            row[columns.label] = each["relevance"]
        rest = rest_of(each, ("id", "text", "relevance"), KNOWN - {"id", "text", "relevance"}, dropped, "candidates[].")
        rows.append({**row, **rest})
    return rows
