"""LangChain documents: `{"query", "documents": [{"page_content", "metadata", "id"?}]}`.

Written back best first, with `metadata.relevance_score`, as LangChain's own rerankers name it.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import (
    Malformed,
    check_id,
    id_field,
    is_id,
    kind,
    list_at,
    number_of,
    object_at,
    text_at,
    without,
)
from rerank_cli.formats.record_format import as_objects, json_line, without_old_logits

SCORE = "relevance_score"


class LangChain:
    """Records with LangChain's documents."""

    candidates_path = "$.documents"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --no-text: a document without its text is none."""
        if write.no_text and write.format in ("same", "langchain"):
            raise ConfigError("--no-text: langchain documents have their text", "Write native records or a TREC run.")

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A native record: what the metadata say become fields of the candidate."""
        query = text_at(body, "query", "$")
        candidates = [_candidate(each, index, dropped) for index, each in enumerate(list_at(body, "documents", "$"))]
        candidates = without_old_logits(candidates, dropped, "documents[].metadata.")
        rest = rest_of(body, {"documents"}, {"candidates"}, dropped)
        return {**rest, "query": query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record: a candidate's other fields become metadata."""
        documents = [
            {**id_field(each.get("id")), "page_content": each["text"], "metadata": rest_of(each, {"id", "text"})}
            for each in as_objects(record)
        ]
        return {**rest_of(record, {"candidates"}, {"documents"}, dropped), "documents": documents}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its documents best first."""
        new = []
        for index, score in zip(ranking.indices, ranking.scores, strict=True):
            old = body["documents"][index]
            metadata = without(old.get("metadata") or {}, "logit")  # that of a former ranking
            new.append({**old, "metadata": {**metadata, SCORE: score}})
        return {**body, "documents": new}

    to_lines = staticmethod(json_line)


def _candidate(document: Any, index: int, dropped: Dropped | None) -> dict[str, Any]:
    """The native candidate. Its id is the document's, else that of the metadata if it can be one.

    A `relevance_score` is its score: a reranker wrote it, and any other score there is older.
    """
    place = f"$.documents[{index}]"
    text = text_at(object_at(document, place), "page_content", place)
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Malformed(f"{place}.metadata is {kind(metadata)}, not an object", f"{place}.metadata")
    check_id(document, "id", place)
    note_rest(document, ("id", "page_content", "metadata"), dropped, "documents[].")
    moved: tuple[str, ...] = ()
    name = document.get("id")
    if name is None and is_id(metadata.get("id")):
        name, moved = metadata["id"], ("id",)
    ranked = {} if number_of(metadata.get(SCORE)) is None else {"score": metadata[SCORE]}
    moved, lost = (*moved, *([SCORE] if ranked else [])), ("id", "text", *(["score"] if ranked else []))
    rest = rest_of(metadata, moved, lost, dropped, "documents[].metadata.")
    return {**id_field(name), **rest, **ranked, "text": text}
