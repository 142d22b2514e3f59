"""Requests and responses of NVIDIA's rerankers (NIM, NeMo Retriever). Responses have logits.

    {"model", "query": {"text"}, "passages": [{"text"}, …], "truncate"?: "NONE" or "END"}
    {"rankings": [{"index", "logit"}, …], "usage": {"prompt_tokens", "total_tokens"}}

NVIDIA's servers refuse requests with other fields, so requests written here have none: ids are dropped, which is
reported. If a request does not say whether to truncate, --long-docs decides, as for other APIs; NVIDIA's servers refuse
longer texts. Sources: NVIDIA's reference of its reranking API, version 2.3, and BerriAI/litellm#34165.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.dialects import NVIDIA
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import dialects
from rerank_cli.formats.api import WITHOUT_IDS, check_options
from rerank_cli.formats.dialects import WHOLE_IF
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, check_id, kind, list_at, object_at, text_at, value_at
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.request_format import RequestFormat, RequestModels


class Nvidia(RequestFormat):
    """Requests and responses of NVIDIA's rerankers."""

    candidates_path = "$.passages"
    fuses = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__(RequestModels(write))
        self._model = write.model

    @property
    def unmatched(self) -> str:
        """How to match answers with requests when some failed: none has an id."""
        return WITHOUT_IDS

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The request as a native record. Raises Malformed, also for an unsupported option."""
        self.models.see(body)
        query = object_at(value_at(body, "query", "$"), "$.query")
        text = text_at(query, "text", "$.query")
        _refuse_image(query, "$.query")
        note_rest(query, ("text",), dropped, "query.")
        check_options(body, NVIDIA)
        check_id(body, "id", "$")
        passages = [_passage(each, f"$.passages[{index}]") for index, each in enumerate(list_at(body, "passages", "$"))]
        rest = rest_of(body, {"passages"}, {"candidates"}, dropped)
        return {**rest, "query": text, "candidates": passages}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A request with the fields that the servers accept: texts, and whether to truncate."""
        truncate = {} if (word := dialects.truncate_word(record)) is None else {"truncate": word}
        named = {"model": record["model"]} if isinstance(record.get("model"), str) else {}
        note_rest(record, ("query", "candidates", *named, *(WHOLE_IF if truncate else ())), dropped)
        for each in as_objects(record):
            note_rest(each, ("text",), dropped, "candidates[].")
        passages = [{"text": each["text"]} for each in as_objects(record)]
        return {"model": self._model, **named, "query": {"text": record["query"]}, "passages": passages, **truncate}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The response, best first."""
        pairs = zip(ranking.indices, ranking.logits, strict=True)
        usage = {"prompt_tokens": ranking.tokens, "total_tokens": ranking.tokens}
        return {"rankings": [{"index": index, "logit": logit} for index, logit in pairs], "usage": usage}


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
    """Raises Malformed for a query or a passage with an image, since only texts are scored."""
    if body.get("image") is not None:
        raise Malformed("only texts are scored: leave the image out", f"{place}.image", content=True)
