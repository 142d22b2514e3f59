"""RankLLM requests and results: `{"query": {"text", "qid"}, "candidates": [{"docid", "score", "doc": {…}}]}`.

The text of a document is its first field of DOC_TEXTS that is not null. Its title is scored before the text. Written
back best first in the same form, with `score` replaced.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, check_id, id_field, id_of, list_at, object_at, text_at, value_at
from rerank_cli.formats.record_format import (
    RecordFormat,
    as_objects,
    json_line,
    refuse_no_text,
    scores_of,
    without_old_logits,
)

DOC_TEXTS = ("text", "segment", "contents", "content", "body", "passage")
OTHER_TEXTS = frozenset({*DOC_TEXTS} - {"text"})  # fields that a reader would take for the text


class RankLlm(RecordFormat):
    """RankLLM requests."""

    candidates_path = "$.candidates"
    titled, needs_candidates = True, False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --no-text: RankLLM needs the documents."""
        refuse_no_text(write, "rank-llm", "records have their documents")
        self._scored = write.scored

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: other fields of a document become fields of the candidate. `qid` defaults to `id`."""
        query = text_at(object_at(value_at(body, "query", "$"), "$.query"), "text", "$.query")
        check_id(body, "query.qid", "$")
        note_rest(body["query"], ("text", "qid"), dropped, "query.")
        name = body["query"].get("qid")
        moved = {"query", "candidates", *(["id"] if name is None else [])}
        name = body.get("id") if name is None else name
        candidates = [_candidate(each, index, dropped) for index, each in enumerate(list_at(body, "candidates", "$"))]
        candidates = without_old_logits(candidates, dropped, "candidates[].doc.")
        return {**id_field(name), **rest_of(body, moved, {"id"}, dropped), "query": query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record from a native one, with logits, else scores, else 0 for all candidates."""
        objects = as_objects(record)
        field, scores = ("score", None) if self._scored else scores_of(objects)
        scores = scores or [0.0] * len(objects)
        moved = ("id", "text", "score") if field == "score" else ("id", "text")
        candidates = [
            {
                "docid": id_of(each, f"$.candidates[{index}]", "rank-llm"),
                "score": scores[index],
                "doc": {
                    "contents": each["text"],
                    **rest_of(each, moved, OTHER_TEXTS | {"score"}, dropped, "candidates[]."),
                },
            }
            for index, each in enumerate(objects)
        ]
        query = {"text": record["query"], "qid": id_of(record, "$", "rank-llm")}
        return {"query": query, "candidates": candidates, **rest_of(record, ("id", "query", "candidates"))}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its candidates best first, their scores replaced."""
        old = body["candidates"]
        pairs = zip(ranking.indices, ranking.scores, strict=True)
        return {**body, "candidates": [{**old[index], "score": score} for index, score in pairs]}

    to_lines = staticmethod(json_line)


def _candidate(candidate: Any, index: int, dropped: Dropped | None) -> dict[str, Any]:
    place = f"$.candidates[{index}]"
    check_id(object_at(candidate, place), "docid", place)
    doc = object_at(value_at(candidate, "doc", place), f"{place}.doc")
    field = next((name for name in DOC_TEXTS if doc.get(name) is not None), None)
    if field is None:
        raise Malformed(f"no text: none of {', '.join(DOC_TEXTS)}", f"{place}.doc")
    text = text_at(doc, field, f"{place}.doc")
    note_rest(candidate, ("docid", "score", "doc"), dropped, "candidates[].")
    score = {} if candidate.get("score") is None else {"score": candidate["score"]}
    rest = rest_of(doc, (field,), ("id", "score"), dropped, "candidates[].doc.")
    return {**id_field(candidate.get("docid")), **rest, "text": text, **score}
