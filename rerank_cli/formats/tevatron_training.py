"""Training data of Tevatron, Mr. TyDi and MIRACL: a list of relevant passages and a list of others.

    {"query_id", "query", "positive_passages": [{"docid", "title"?, "text"}, …], "negative_passages": […]}

One list can be missing. A title is scored before its text, as in Tevatron. Written back with each passage in its
position, with a `score` in the unit of --score and a `logit`. Tevatron's distillation reads `score`; only a `logit` is
used as a teacher's logit here.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import in_place
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import check_id, id_field, list_at, object_at, text_at
from rerank_cli.formats.record_format import RecordFormat, as_objects, json_line

NAME = "tevatron-training"
SIDES = ("positive_passages", "negative_passages")
IDS = ("query_id", "qid", "id")


class TevatronTraining(RecordFormat):
    """Records with positive and negative passages."""

    candidates_path = "$.positive_passages and $.negative_passages"
    titled, needs_candidates = True, False
    in_place = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for options that would drop texts or scores."""
        in_place.refuse_choice(NAME, read, write)

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: positives first, each candidate with a `relevance` of 1 or 0."""
        name = in_place.field_of(body, IDS)
        check_id(body, name, "$")
        query = in_place.query_at(body, "query")
        candidates = []
        for relevance, side in zip((1, 0), SIDES, strict=True):
            for index, passage in enumerate(_passages(body, side)):
                place = f"$.{side}[{index}]"
                text_at(object_at(passage, place), "text", place)
                check_id(passage, "docid", place)
                rest = rest_of(passage, {"docid"}, {"id", "relevance"}, dropped, f"{side}[].")
                candidates.append({**id_field(passage.get("docid")), **rest, "relevance": relevance})
        rest = rest_of(body, {name, "query", *SIDES}, {"id", "candidates"}, dropped)
        return {**id_field(body.get(name)), **rest, "query": query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record from a native one: candidates with a `relevance` above 0 are positives."""
        candidates = as_objects(record)
        relevance = in_place.relevances(candidates, NAME)
        in_place.note_grades(relevance, dropped)
        passages = [
            {
                **({} if each.get("id") is None else {"docid": each["id"]}),
                **rest_of(each, {"id", "relevance"}, {"docid"}, dropped, "candidates[]."),
            }
            for each in candidates
        ]
        ordered = [passages[place] for place in in_place.positives_first(relevance)]
        name = {} if record.get("id") is None else {"query_id": record["id"]}
        rest = rest_of(record, {"id", "query", "candidates"}, {*SIDES, *IDS}, dropped)
        return {**name, "query": record["query"], **_by_side(ordered, sum(grade > 0 for grade in relevance)), **rest}

    def order(self, record: dict[str, Any]) -> list[int]:
        """The positions of the candidates in the order of the record: positives, then the others."""
        return in_place.positives_first(in_place.relevances(as_objects(record), NAME))

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with a score and a logit in each passage."""
        positives, negatives = (_passages(body, side) for side in SIDES)
        scored = _by_side(in_place.scored_in_place([*positives, *negatives], ranking), len(positives))
        return {**body, **{side: passages for side, passages in scored.items() if body.get(side) is not None}}

    to_lines = staticmethod(json_line)


def _passages(body: dict[str, Any], side: str) -> list[Any]:
    """The passages of one list; empty if only the other list exists. Raises Malformed."""
    if body.get(side) is None and any(body.get(other) is not None for other in SIDES):
        return []
    return list_at(body, side, "$")


def _by_side(passages: list[dict[str, Any]], positives: int) -> dict[str, list[dict[str, Any]]]:
    return dict(zip(SIDES, (passages[:positives], passages[positives:]), strict=True))
