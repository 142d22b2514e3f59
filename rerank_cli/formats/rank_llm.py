"""RankLLM's requests and results: `{"query": {"text", "qid"}, "candidates": [{"docid", "score", "doc": {…}}]}`.

A document's text is the first of DOC_TEXTS that it has. Written back as it came, best first, with `score` replaced.
"""

from typing import Any

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import ConfigError
from rerank_cli.formats.shape import (
    Malformed,
    as_objects,
    check_id,
    id_of,
    json_line,
    list_at,
    object_at,
    text_at,
    value_at,
    without,
)
from rerank_cli.ranking import Ranking

DOC_TEXTS = ("text", "segment", "contents", "content", "body", "passage")


class RankLlm:
    """See the module."""

    candidates_path = "$.candidates"

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --no-text: RankLLM's reader needs the documents."""
        if write.no_text and write.format in ("same", "rank-llm"):
            raise ConfigError("--no-text: rank-llm records have their documents", "Write native records or a TREC run.")

    def native(self, body: dict[str, Any]) -> dict[str, Any]:
        """See Shape.native: a document's other fields become the candidate's."""
        query = text_at(object_at(value_at(body, "query", "$"), "$.query"), "text", "$.query")
        check_id(body, "query.qid", "$")
        name = {"id": body["query"]["qid"]} if "qid" in body["query"] else {}
        candidates = [_candidate(each, index) for index, each in enumerate(list_at(body, "candidates", "$"))]
        return {**name, **without(body, "query", "candidates", "id"), "query": query, "candidates": candidates}

    def made(self, record: dict[str, Any]) -> dict[str, Any]:
        """See Shape.made. A candidate without a score gets 0."""
        candidates = [
            {
                "docid": id_of(each, f"$.candidates[{index}]", "rank-llm"),
                "score": each.get("score", 0.0),
                "doc": {"contents": each["text"], **without(each, "id", "text", "score")},
            }
            for index, each in enumerate(as_objects(record))
        ]
        query = {"text": record["query"], "qid": id_of(record, "$", "rank-llm")}
        return {"query": query, "candidates": candidates, **without(record, "id", "query", "candidates")}

    def ranked(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its candidates best first, their scores replaced."""
        old = body["candidates"]
        pairs = zip(ranking.indices, ranking.scores, strict=True)
        return {**body, "candidates": [{**old[index], "score": score} for index, score in pairs]}

    dumped = staticmethod(json_line)


def _candidate(candidate: Any, index: int) -> dict[str, Any]:
    place = f"$.candidates[{index}]"
    check_id(object_at(candidate, place), "docid", place)
    doc = object_at(value_at(candidate, "doc", place), f"{place}.doc")
    field = next((name for name in DOC_TEXTS if name in doc), None)
    if field is None:
        raise Malformed(f"no text: none of {', '.join(DOC_TEXTS)}", f"{place}.doc")
    text = text_at(doc, field, f"{place}.doc")
    name = {"id": candidate["docid"]} if "docid" in candidate else {}
    score = {"score": candidate["score"]} if "score" in candidate else {}
    return {**name, **without(doc, field, "id", "score"), "text": text, **score}
