"""LangChain documents: `{"query", "documents": [{"page_content", "metadata", "id"?}]}`.

Written back best first, each in its own spelling (see `langchain_documents`), with the score in the same field as
LangChain's rerankers: `metadata.relevance_score`, in JavaScript `metadata.relevanceScore`. Documents converted from
other formats have the plain spelling; with `--output-format langchain` all have it.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import id_field, is_id, list_at, number_of, text_at, without
from rerank_cli.formats.langchain_documents import PYTHON, SCORES, Document
from rerank_cli.formats.record_format import RecordFormat, as_objects, json_line, refuse_no_text, without_old_logits

METADATA = ("metadata", "meta")  # fields with a candidate's metadata; the second is FlashRank's and Haystack's


class LangChain(RecordFormat):
    """Records with LangChain's documents."""

    candidates_path = "$.documents"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --no-text: documents need their text."""
        refuse_no_text(write, "langchain", "documents have their text")
        self._plain = write.format == "langchain"
        self._scored = write.scored
        self._dropped = Dropped()  # fields dropped when documents change their spelling

    @property
    def notes(self) -> list[str]:
        """Notes for the user on documents that changed their spelling."""
        return [self._dropped.sentence("langchain")] if self._dropped.names else []

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: metadata become fields of the candidate."""
        query = text_at(body, "query", "$")
        candidates = [_candidate(each, dropped) for each in _documents(body)]
        candidates = without_old_logits(candidates, dropped, "documents[].metadata.")
        rest = rest_of(body, {"documents"}, {"candidates"}, dropped)
        return {**rest, "query": query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record from a native one: a candidate's metadata, with its other fields among them.

        A field of the candidate replaces one of the same name in its metadata. Its score becomes that of a reranker,
        unless a new ranking will be written.
        """
        documents = [
            {
                **id_field(each.get("id")),
                "page_content": each["text"],
                "metadata": _metadata(each, dropped, scored=self._scored),
            }
            for each in as_objects(record)
        ]
        return {**rest_of(record, {"candidates"}, {"documents"}, dropped), "documents": documents}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its documents best first."""
        old = _documents(body)
        pairs = zip(ranking.indices, ranking.scores, strict=True)
        return {**body, "documents": [old[index].with_score(score) for index, score in pairs]}

    def to_lines(self, value: dict[str, Any]) -> bytes:
        """The line of a record."""
        if not self._plain:
            return json_line(value)
        return json_line({**value, "documents": [each.plain(self._dropped) for each in _documents(value)]})


def _documents(body: dict[str, Any]) -> list[Document]:
    return [Document.of(each, f"$.documents[{index}]") for index, each in enumerate(list_at(body, "documents", "$"))]


def _metadata(candidate: dict[str, Any], dropped: Dropped | None, *, scored: bool) -> dict[str, Any]:
    """The metadata of a candidate; values that it replaces are counted in `dropped`."""
    objects = {name: candidate[name] for name in METADATA if isinstance(candidate.get(name), dict)}
    own = rest_of(candidate, {"id", "text", *objects})
    if not scored and number_of(own.get("score")) is not None:
        own = {**without(own, "score", SCORES[PYTHON]), SCORES[PYTHON]: own["score"]}
    for name, inner in objects.items():
        lost = [each for each in inner if each in own and own[each] != inner[each]]
        if dropped is not None:
            dropped.note(lost, f"candidates[].{name}.")
        own = {**inner, **own}
    return own


def _candidate(document: Document, dropped: Dropped | None) -> dict[str, Any]:
    """The native candidate. Its id is that of the document, else a valid id in the metadata.

    Its score is that of a reranker; any other score in the metadata is older.
    """
    document.note_dropped(dropped)
    metadata, reranked = document.metadata, document.score_field
    moved: tuple[str, ...] = ()
    name = document.inner.get("id")
    if name is None and is_id(metadata.get("id")):
        name, moved = metadata["id"], ("id",)
    ranked = {} if number_of(metadata.get(reranked)) is None else {"score": metadata[reranked]}
    moved, lost = (*moved, *([reranked] if ranked else [])), ("id", "text", *(["score"] if ranked else []))
    rest = rest_of(metadata, moved, lost, dropped, "documents[].metadata.")
    return {**id_field(name), **rest, **ranked, "text": document.text}
