"""Batch files in OpenAI's format with requests to rerank or to score, as `vllm run-batch` takes them.

    {"custom_id": "a", "method": "POST", "url": "/v1/rerank", "body": {"query": …, "documents": […]}}
    {"custom_id": "b", "method": "POST", "url": "/v1/score", "body": {"text_1": …, "text_2": […]}}
    {"id": …, "custom_id": "a", "response": {"status_code": 200, "request_id": …, "body": …}, "error": null}

/v1/score has `queries` and `documents` in newer versions of vLLM, `text_1` and `text_2` in older ones; both are read.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.api import RerankApi, check_options
from rerank_cli.formats.dialects import COHERE
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, id_of, kind, object_at, text_at, value_at, without
from rerank_cli.formats.record_format import as_objects, json_line

RERANK = ("/v1/rerank", "/v2/rerank", "/rerank")
SCORE = ("/v1/score", "/score")
SCORE_FIELDS = (("queries", "documents"), ("queries", "items"), ("text_1", "text_2"), ("data_1", "data_2"))


class OpenAiBatch:
    """Lines of a batch, answered as the batch's output file."""

    candidates_path = "$.body.documents"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self._api = RerankApi(read, write)
        self._write = write

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A native record: the inner request, with the batch's `custom_id` as its id."""
        name = text_at(body, "custom_id", "$")
        url = text_at(body, "url", "$")
        inner = object_at(value_at(body, "body", "$"), "$.body")
        if url not in RERANK + SCORE:
            reason = f"$.url is {url[:60]!r}: only {', '.join(RERANK + SCORE)} can be answered"
            raise Malformed(reason, "$.url", content=True)
        note_rest(body, ("custom_id", "method", "url", "body"), dropped)
        try:
            record = _of_score(inner, dropped) if url in SCORE else self._api.to_native(inner, dropped)
        except Malformed as fault:
            path = f"$.body{fault.path[1:]}"
            raise Malformed(fault.reason.replace(fault.path, path), path, content=fault.content) from None
        return {"id": name, **rest_of(record, (), ("id",), dropped, "body.")}

    def refuses_cut(self, body: dict[str, Any]) -> bool:
        """Whether a request says that a text which does not fit is an error."""
        return self._api.refuses_cut(body["body"])

    def top(self, body: dict[str, Any]) -> int | None:
        """How many results a request asks for. /v1/score gives every score."""
        return None if body["url"] in SCORE else self._api.top(body["body"])

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A line with a request to /v1/rerank."""
        name = str(id_of(record, "$", "openai-batch"))
        body = {"model": self._write.model, **without(self._api.from_native(record, dropped), "id")}
        body["documents"] = [each["text"] for each in as_objects(record)]  # older versions take nothing else
        for each in as_objects(record) if dropped is not None else ():
            note_rest(each, ("text",), dropped, "candidates[].")
        return {"custom_id": name, "method": "POST", "url": RERANK[0], "body": body}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The line of the batch's answer. Scores come in the order of their documents, as that endpoint gives them."""
        name = f"rerank-{body['custom_id']}"
        if body["url"] in SCORE:
            scores = ranking.logits if self._api.wants_logits(body["body"]) else ranking.scores
            data = [
                {"index": index, "object": "score", "score": score}
                for index, score in sorted(zip(ranking.indices, scores, strict=True))
            ]
            usage = {"prompt_tokens": ranking.tokens, "total_tokens": ranking.tokens}
            answer: Any = {"id": name, "object": "list", "model": self._write.model, "data": data, "usage": usage}
        else:
            inner = {**body["body"], "return_documents": True}  # as vLLM answers
            answer = {"id": name, **without(self._api.with_ranking(inner, ranking), "id")}
        response = {"status_code": 200, "request_id": name, "body": answer}
        return {"id": name, "custom_id": body["custom_id"], "response": response, "error": None}

    to_lines = staticmethod(json_line)


def _of_score(inner: dict[str, Any], dropped: Dropped | None) -> dict[str, Any]:
    """The record of a request to score; paths are those below `body`."""
    query, documents = next((names for names in SCORE_FIELDS if inner.keys() >= {*names}), SCORE_FIELDS[0])
    check_options(inner, COHERE)
    asked = value_at(inner, query, "$")
    if isinstance(asked, list) and len(asked) == 1:
        asked = asked[0]
    if not isinstance(asked, str):
        raise Malformed(f"$.{query} is {kind(asked)}, not one query", f"$.{query}")
    texts = value_at(inner, documents, "$")
    texts = [texts] if isinstance(texts, str) else texts
    place = f"$.{documents}"
    if not isinstance(texts, list):
        raise Malformed(f"{place} is {kind(texts)}, not a list", place)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise Malformed(f"{place}[{index}] is {kind(text)}, not a string", f"{place}[{index}]")
    lost = {"candidates", *(["query"] if query != "query" else [])}
    return {**rest_of(inner, (query, documents), lost, dropped, "body."), "query": asked, "candidates": texts}
