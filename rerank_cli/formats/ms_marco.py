"""MS MARCO's questions with their passages, as lists of columns (the hub) or as a list of objects (the files).

    {"query_id", "query", "passages": {"passage_text": ["…"], "is_selected": [0 or 1], "url": ["…"]}, …}
    {"query_id", "query", "passages": [{"passage_text": "…", "is_selected": 0 or 1, "url": "…"}, …], …}

Written back in the same form, with a `score` in the unit of --score and a `logit` for each text. An `is_selected` of -1
means that the passage was not judged. Records converted from other formats have objects.
"""

from itertools import chain
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import in_place
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import (
    Malformed,
    as_dict,
    id_field,
    is_id,
    kind,
    list_at,
    number_of,
    object_at,
    value_at,
    without,
)
from rerank_cli.formats.record_format import OUR_FIELDS, RecordFormat, as_objects, json_line

NAME = "ms-marco"
IDS = ("query_id", "qid", "id")
PASSAGE_IDS = ("passage_id", "id")
TEXT, SELECTED = "passage_text", "is_selected"


class MsMarco(RecordFormat):
    """Records of questions and passages."""

    candidates_path = "$.passages"
    titled = needs_candidates = False
    in_place = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for options that would drop texts or scores."""
        in_place.refuse_choice(NAME, read, write)

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: fields of a passage become fields of the candidate."""
        name = in_place.field_of(body, IDS)
        _check_id(body.get(name), f"$.{name}")
        query = in_place.query_at(body, "query")
        columns = as_dict(value_at(body, "passages", "$"))
        candidates = [_candidate(row, index, bool(columns), dropped) for index, row in enumerate(_rows(body))]
        if dropped is not None and columns:
            dropped.note((each for each in columns if not _is_column(columns, each)), "passages.")
        rest = rest_of(body, {name, "query", "passages"}, {"id", "candidates"}, dropped)
        return {**id_field(body.get(name)), **rest, "query": query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record with a list of objects from a native one: candidates with a `relevance` above 0 are selected."""
        candidates = as_objects(record)
        relevance = [in_place.relevance_of(each, index, NAME) for index, each in enumerate(candidates)]
        in_place.note_grades([grade for grade in relevance if grade is not None], dropped)
        lost = {TEXT, SELECTED, "passage_id"}
        passages = [
            {
                **({} if grade is None else {SELECTED: int(grade > 0)}),
                **({} if each.get("id") is None else {"passage_id": each["id"]}),
                TEXT: each["text"],
                **rest_of(each, {"id", "text", "relevance"}, lost, dropped, "candidates[]."),
            }
            for each, grade in zip(candidates, relevance, strict=True)
        ]
        name = {} if record.get("id") is None else {"query_id": record["id"]}
        rest = rest_of(record, {"id", "query", "candidates"}, {"passages", *IDS}, dropped)
        return {**name, "query": record["query"], "passages": passages, **rest}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with a score and a logit for each passage, in columns if it has columns."""
        rows = in_place.scored_in_place(_rows(body), ranking)
        if isinstance(body["passages"], list):
            return {**body, "passages": rows}
        names = dict.fromkeys(chain.from_iterable(rows))
        columns = {name: [row.get(name) for row in rows] for name in names}
        return {**body, "passages": {**without(body["passages"], *OUR_FIELDS), **columns}}

    to_lines = staticmethod(json_line)


def _rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The passages as objects. Raises Malformed."""
    passages = body["passages"]
    if isinstance(passages, list):
        return [object_at(passage, f"$.passages[{index}]") for index, passage in enumerate(passages)]
    if not isinstance(passages, dict):
        raise Malformed(f"$.passages is {kind(passages)}, not a list or an object", "$.passages")
    count = len(list_at(passages, TEXT, "$.passages"))
    for name in (SELECTED, *PASSAGE_IDS):
        if isinstance(passages.get(name), list) and not _is_column(passages, name):
            path = f"$.passages.{name}"
            raise Malformed(f"{path} has {len(passages[name])} values for {count} texts", path, content=True)
    columns = {name: values for name, values in passages.items() if _is_column(passages, name)}
    return [{name: values[index] for name, values in columns.items()} for index in range(count)]


def _is_column(passages: dict[str, Any], name: str) -> bool:
    """Whether a field has one value per passage."""
    return isinstance(passages[name], list) and len(passages[name]) == len(passages[TEXT])


def _candidate(row: dict[str, Any], index: int, in_columns: bool, dropped: Dropped | None) -> dict[str, Any]:
    def place(field: str) -> str:
        return f"$.passages.{field}[{index}]" if in_columns else f"$.passages[{index}].{field}"

    text = value_at(row, TEXT, f"$.passages[{index}]")
    if not isinstance(text, str):
        raise Malformed(f"{place(TEXT)} is {kind(text)}, not a string", place(TEXT))
    name = in_place.field_of(row, PASSAGE_IDS)
    _check_id(row.get(name), place(name))
    selected = row.get(SELECTED)
    grade = int(selected) if isinstance(selected, bool) else number_of(selected)
    if grade is None and selected is not None:
        raise Malformed(f"{place(SELECTED)} is {kind(selected)}, not a number", place(SELECTED), content=True)
    judged = {} if grade is None or grade < 0 else {"relevance": grade}
    rest = rest_of(row, {TEXT, SELECTED, name}, {"id", "text", "relevance"}, dropped, "passages[].")
    return {**id_field(row.get(name)), "text": text, **rest, **judged}


def _check_id(value: Any, path: str) -> None:
    """Raises Malformed for an id that is neither a string nor an integer; null means no id."""
    if value is not None and not is_id(value):
        raise Malformed(f"{path} is {kind(value)}, not a string or an integer", path, content=True)
