"""Runs and judgements as JSON lines, each with the ids of query and document and a score, rank or grade.

    {"query-id": "q1", "corpus-id": "d9", "score": 12.3}

The fields can have any of the names that tables use (`column_names`). The first line decides which fields are read. If
it has the two ids only, as in NanoBEIR, the lines are judgements of grade 1. Parquet tables and objects `{qid: {docid:
score}}` are read as such lines (`files.parquet`, `files.score_objects`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rerank_cli.formats.column_names import (
    DOCUMENT_IDS,
    GRADE_NAMES,
    QUERY_IDS,
    RANK_NAMES,
    SCORE_NAMES,
    TAG_NAMES,
    field_of,
    normal,
)
from rerank_cli.formats.columns import Judgement, RunRow, check_ids, check_score, rank_as_score
from rerank_cli.formats.json_values import Malformed, is_id, kind, parse_object

RUN_VALUES = (SCORE_NAMES, RANK_NAMES)
GRADES = (GRADE_NAMES, SCORE_NAMES)
BESIDE = RANK_NAMES | TAG_NAMES  # fields of a run next to its score
IMPLIED = "1"  # the grade of lines without one


@dataclass(frozen=True, slots=True)
class JsonRows:
    """Lines whose fields have these names. `tag` and `value` are "" if the first line lacks them."""

    qid: str = "query-id"
    docid: str = "corpus-id"
    value: str = "score"
    tag: str = ""
    is_rank: bool = False
    header: bytes = b""  # JSON lines have none

    @classmethod
    def of(cls, body: dict[str, Any], values: tuple[frozenset[str], ...] = RUN_VALUES) -> "JsonRows":
        """The fields of the object in the first line; `values` are the possible names of the score.

        Raises Malformed without ids or a score, and for a row of a run where grades are read.
        """
        if values is GRADES and is_of_run(body):
            raise Malformed("it has a rank or a tag, as a run does")
        qid = _needed(body, "query-id", QUERY_IDS)
        docid = _needed(body, "corpus-id", DOCUMENT_IDS)
        value = "" if values is GRADES and len(body) == 2 else _needed(body, "score", *values)
        return cls(qid, docid, value, field_of(body, TAG_NAMES) or "", normal(value) in RANK_NAMES)

    def row(self, raw: bytes) -> RunRow:
        """Parse a line of a run. Raises Malformed."""
        body = parse_object(raw)
        qid, docid = self._ids(body)
        value, tag = self._number(body), body.get(self.tag)
        try:
            score = rank_as_score(repr(value)) if self.is_rank else check_score(value)
        except Malformed as fault:
            raise Malformed(fault.reason, f"$.{self.value}") from None
        return RunRow(qid, docid, score, tag if isinstance(tag, str) else "")

    def judgement(self, raw: bytes) -> Judgement:
        """Parse a line of judgements. Raises Malformed."""
        body = parse_object(raw)
        qid, docid = self._ids(body)
        return Judgement(qid, "", docid, repr(self._number(body)) if self.value else IMPLIED)

    def _ids(self, body: dict[str, Any]) -> tuple[str, str]:
        for name in (self.qid, self.docid):
            if not is_id(body.get(name)):
                what = kind(body[name]) if name in body else "missing"
                raise Malformed(f"{name} is {what}, not a string or an integer", f"$.{name}")
        qid, docid = str(body[self.qid]), str(body[self.docid])
        check_ids(qid, docid)
        return qid, docid

    def _number(self, body: dict[str, Any]) -> float:
        value = body.get(self.value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            what = kind(value) if self.value in body else "missing"
            raise Malformed(f"{self.value} is {what}, not a number", f"$.{self.value}")
        return value


def _needed(body: dict[str, Any], what: str, *known: frozenset[str]) -> str:
    name = field_of(body, *known)
    if name is None:
        found = ", ".join(f'"{key[:40]}"' for key in list(body)[:8]) or "nothing"
        raise Malformed(f'no "{what}" (found {found})', f"$.{what}")
    return name


def is_of_run(names: Iterable[str]) -> bool:
    """Whether a line with these names has the score of a run, not a grade.

    >>> is_of_run(["qid", "docid", "rank", "score"]), is_of_run(["qid", "docid", "rank", "label"])
    (True, False)
    """
    names = {normal(each) for each in names}
    return GRADE_NAMES.isdisjoint(names) and not SCORE_NAMES.isdisjoint(names) and not BESIDE.isdisjoint(names)


def object_in(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None for a line of columns, whose ids can begin like JSON. Raises Malformed.

    >>> object_in(b'{"qid": 1}'), object_in(b"{q1} Q0 {d1} 1 2.0 tag")
    ({'qid': 1}, None)
    """
    is_json = raw.lstrip().startswith(b"{") and (b'"' in raw or b"\0" in raw)
    return parse_object(raw) if is_json else None


def is_row_of_run(body: dict[str, Any]) -> bool:
    """Whether an object is a line of a run.

    >>> is_row_of_run({"qid": 1, "docid": "d1", "rank": 1}), is_row_of_run({"id": 1, "query": "q"})
    (True, False)
    """
    try:
        JsonRows.of(body)
    except Malformed:
        return False
    return True
