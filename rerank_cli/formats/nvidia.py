"""Requests of NVIDIA's rerankers (NIM, NeMo Retriever), answered with logits.

    {"model", "query": {"text"}, "passages": [{"text"}, …], "truncate"?: "NONE" or "END"}
    {"rankings": [{"index", "logit"}, …], "usage": {"prompt_tokens", "total_tokens"}}

Its servers refuse a request with any other field, so those made here have none: ids are dropped, and that is reported.
Where a request says nothing of what does not fit, --long-docs decides, as for other APIs; NVIDIA's servers refuse it.
Sources: NVIDIA's reference of its reranking API, version 2.3, and BerriAI/litellm#34165.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import dialects
from rerank_cli.formats.api import check_options
from rerank_cli.formats.dialects import NVIDIA, WHOLE_IF
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, check_id, kind, list_at, object_at, text_at, value_at
from rerank_cli.formats.record_format import as_objects, json_line


class Nvidia:
    """Requests and answers of NVIDIA's rerankers."""

    candidates_path = "$.passages"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self._model = write.model

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The request as a native record. Raises Malformed for an option that would be answered otherwise too."""
        query = object_at(value_at(body, "query", "$"), "$.query")
        text = text_at(query, "text", "$.query")
        _refuse_image(query, "$.query")
        note_rest(query, ("text",), dropped, "query.")
        check_options(body, NVIDIA)
        check_id(body, "id", "$")
        passages = [_passage(each, f"$.passages[{index}]") for index, each in enumerate(list_at(body, "passages", "$"))]
        rest = rest_of(body, {"passages"}, {"candidates"}, dropped)
        return {**rest, "query": text, "candidates": passages}

    def refuses_cut(self, body: dict[str, Any]) -> bool:
        """Whether a request says that a text which does not fit is an error."""
        return dialects.refuses_cut(body)

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A request with what the servers take: texts, and whether they may be truncated."""
        truncate = {} if (word := dialects.truncate_word(record)) is None else {"truncate": word}
        named = {"model": record["model"]} if isinstance(record.get("model"), str) else {}
        note_rest(record, ("query", "candidates", *named, *(WHOLE_IF if truncate else ())), dropped)
        for each in as_objects(record):
            note_rest(each, ("text",), dropped, "candidates[].")
        passages = [{"text": each["text"]} for each in as_objects(record)]
        return {"model": self._model, **named, "query": {"text": record["query"]}, "passages": passages, **truncate}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The answer, best first."""
        pairs = zip(ranking.indices, ranking.logits, strict=True)
        usage = {"prompt_tokens": ranking.tokens, "total_tokens": ranking.tokens}
        return {"rankings": [{"index": index, "logit": logit} for index, logit in pairs], "usage": usage}

    to_lines = staticmethod(json_line)


def _passage(passage: Any, place: str) -> str | dict[str, Any]:
    if isinstance(passage, str):
        return passage
    if not isinstance(passage, dict):
        raise Malformed(f"{place} is {kind(passage)}, not an object", place)
    _refuse_image(passage, place)
    text_at(passage, "text", place)
    check_id(passage, "id", place)
    return passage


def _refuse_image(body: dict[str, Any], place: str) -> None:
    """Raises Malformed for a query or a passage with an image, of which the text alone would be scored."""
    if body.get("image") is not None:
        raise Malformed("only texts are scored: leave the image out", f"{place}.image", content=True)
