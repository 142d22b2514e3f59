"""Batch files in OpenAI's format with rerank or score requests, as for `vllm run-batch`.

    {"custom_id": "a", "method": "POST", "url": "/v1/rerank", "body": {"query": …, "documents": […]}}
    {"custom_id": "b", "method": "POST", "url": "/v1/score", "body": {"text_1": …, "text_2": […]}}
    {"id": …, "custom_id": "a", "response": {"status_code": 200, "request_id": …, "body": …}, "error": null}

/v1/score has `queries` and `documents` in newer versions of vLLM, `text_1` and `text_2` in older ones; both are read. A
single query is scored with each text. With as many queries as texts, pairs are scored, as in vLLM; such a request has
no ranking and no native record.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.dialects import COHERE
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.api import RerankApi, check_options
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, id_of, kind, list_at, object_at, text_at, value_at, without
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.request_format import RequestFormat

RERANK = ("/v1/rerank", "/v2/rerank", "/rerank")
SCORE = ("/v1/score", "/score")
SCORE_FIELDS = (("queries", "documents"), ("queries", "items"), ("text_1", "text_2"), ("data_1", "data_2"))


class OpenAiBatch(RequestFormat):
    """Lines of a batch, written as the batch's output file."""

    candidates_path = "$.body.documents"
    fuses = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self._api = RerankApi(read, write)
        super().__init__(self._api.models)
        self._write = write

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of the inner request, with the `custom_id` as its id. Raises Malformed for pairs."""
        name, url, inner = _parts(body)
        note_rest(body, ("custom_id", "method", "url", "body"), dropped)
        with _below_body():
            record = _of_score(inner, dropped) if url in SCORE else self._api.to_native(inner, dropped)
        return {"id": name, **rest_of(record, (), ("id",), dropped, "body.")}

    def pairs(self, body: dict[str, Any]) -> list[dict[str, Any]] | None:
        """One native record with one candidate per pair, for a request with as many queries as texts; else None."""
        name, url, inner = _parts(body)
        if url not in SCORE:
            return None
        self.models.see(inner)
        with _below_body():
            score_request = Asked.of(inner)
        if len(score_request.queries) == 1:
            return None
        rest = {"id": name, **without(score_request.rest, "id")}
        return [
            {**rest, "query": query, "candidates": [text]}
            for query, text in zip(score_request.queries, score_request.texts, strict=True)
        ]

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """The inner request of a line."""
        return cast(dict[str, Any], body["body"])

    def top(self, body: dict[str, Any]) -> int | None:
        """The number of results that a request asks for. /v1/score returns all scores."""
        return None if body["url"] in SCORE else self._api.top(self.request(body))

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A line with a request to /v1/rerank."""
        name = str(id_of(record, "$", "openai-batch"))
        body = {"model": self._write.model, **without(self._api.from_native(record, dropped), "id")}
        body["documents"] = [each["text"] for each in as_objects(record)]  # older versions accept nothing else
        for each in as_objects(record) if dropped is not None else ():
            note_rest(each, ("text",), dropped, "candidates[].")
        return {"custom_id": name, "method": "POST", "url": RERANK[0], "body": body}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The line of the response. Scores of /v1/score keep the order of their documents."""
        name = f"rerank-{body['custom_id']}"
        if body["url"] in SCORE:
            scores = ranking.logits if self._api.wants_logits(self.request(body)) else ranking.scores
            data = [
                {"index": index, "object": "score", "score": score}
                for index, score in sorted(zip(ranking.indices, scores, strict=True))
            ]
            usage = {"prompt_tokens": ranking.tokens, "total_tokens": ranking.tokens}
            answer: Any = {"id": name, "object": "list", "model": self._write.model, "data": data, "usage": usage}
        else:
            inner = {**self.request(body), "return_documents": True}  # as vLLM answers
            answer = {"id": name, **without(self._api.with_ranking(inner, ranking), "id")}
        response = {"status_code": 200, "request_id": name, "body": answer}
        return {"id": name, "custom_id": body["custom_id"], "response": response, "error": None}


def _parts(body: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The `custom_id`, the endpoint and the inner request of a line. Raises Malformed."""
    name = text_at(body, "custom_id", "$")
    url = text_at(body, "url", "$")
    inner = object_at(value_at(body, "body", "$"), "$.body")
    if url not in RERANK + SCORE:
        reason = f"$.url is {url[:60]!r}: expected {', '.join(RERANK + SCORE)}"
        raise Malformed(reason, "$.url", content=True)
    return name, url, inner


@contextmanager
def _below_body() -> Iterator[None]:
    """Raise a Malformed of the inner request with the path in the line."""
    try:
        yield
    except Malformed as fault:
        path = f"$.body{fault.path[1:]}"
        raise Malformed(fault.reason.replace(fault.path, path), path, content=fault.content) from None


class Asked(NamedTuple):
    """The queries and texts of a score request: as many queries as texts, or one query."""

    names: tuple[str, str]  # of the fields that hold them
    queries: list[str]
    texts: list[str]
    rest: dict[str, Any]

    @classmethod
    def of(cls, inner: dict[str, Any]) -> "Asked":
        """Those of an inner request. Raises Malformed with paths relative to it."""
        names = next((names for names in SCORE_FIELDS if inner.keys() >= {*names}), SCORE_FIELDS[0])
        check_options(inner, COHERE)
        queries, texts = (_strings(inner, name) for name in names)
        if not queries:
            raise Malformed(f"$.{names[0]} is empty", f"$.{names[0]}", content=True)
        if len(queries) not in (1, len(texts)):
            several = "text" if len(texts) == 1 else "texts"
            reason = f"{len(queries)} queries and {len(texts)} {several}; expected one query, or as many as texts"
            raise Malformed(reason, f"$.{names[0]}", content=True)
        return cls(names, queries, texts, without(inner, *names))


def _strings(inner: dict[str, Any], name: str) -> list[str]:
    """A string or a list of strings, as a list. Raises Malformed."""
    value = value_at(inner, name, "$")
    if isinstance(value, str):
        return [value]
    for index, each in enumerate(list_at(inner, name, "$")):
        if not isinstance(each, str):
            place = f"$.{name}[{index}]"
            raise Malformed(f"{place} is {kind(each)}, not a string", place)
    return list(value)


def _of_score(inner: dict[str, Any], dropped: Dropped | None) -> dict[str, Any]:
    """The record of a score request with one query; paths are relative to `body`."""
    (query, documents), queries, texts, _ = Asked.of(inner)
    if len(queries) > 1:
        reason = (
            f"{len(queries)} queries, one per text: `rerank score` can score them, but no other format can hold them"
        )
        raise Malformed(reason, f"$.{query}", content=True)
    lost = {"candidates", *(["query"] if query != "query" else [])}
    rest = rest_of(inner, (query, documents), lost, dropped, "body.")
    return {**rest, "query": queries[0], "candidates": texts}
