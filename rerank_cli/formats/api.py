"""Requests of reranking APIs, answered: rerank-api (Cohere, Jina, vLLM, infinity), voyage, mixedbread and tei.

    {"model"?, "query", "documents": ["…" or {"text": "…"}], "top_n"?, "return_documents"?}
    {"id"?, "model", "results": [{"index", "relevance_score", "document"?}], "usage": {"total_tokens"}}

They differ in the names of their fields. An answer has no place for other fields of the request: they are not in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import ConfigError
from rerank_cli.formats.shape import (
    Malformed,
    as_objects,
    check_id,
    json_line,
    kind,
    list_at,
    text_at,
    without,
)
from rerank_cli.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names that one API gives its fields, in requests and in answers; "" for what it does not have."""

    documents: str
    top: str
    echo: str  # the flag that asks for the documents' texts in the answer
    results: str  # "" when the answer is the bare list
    score: str
    document: str
    raw: str = ""  # the flag that asks for logits
    bare: bool = False  # a document that came as a string is answered as one
    object: str = ""  # what an answer says it is


TOPS = ("top_n", "top_k")
ECHOES = ("return_documents", "return_input", "return_text")
RAWS = ("raw_scores",)
COHERE = Dialect("documents", "top_n", "return_documents", "results", "relevance_score", "document")
VOYAGE = Dialect(
    "documents", "top_k", "return_documents", "data", "relevance_score", "document", bare=True, object="list"
)
MIXEDBREAD = Dialect("input", "top_k", "return_input", "data", "score", "input", bare=True, object="list")
TEI = Dialect("texts", "", "return_text", "", "score", "text", raw="raw_scores", bare=True)


def _count(body: dict[str, Any], name: str) -> int | None:
    """How many results a request asks for. Raises Malformed."""
    value = body.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise Malformed(f"$.{name} is not a count", f"$.{name}")
    return value


def _flag(body: dict[str, Any], name: str) -> bool | None:
    """What a request says to a question. Raises Malformed."""
    value = body.get(name)
    if not isinstance(value, bool | None):
        raise Malformed(f"$.{name} is {kind(value)}, not true or false", f"$.{name}")
    return value


class Api:
    """See the module."""

    def __init__(self, dialect: Dialect, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --score logit: the scores of APIs lie between 0 and 1."""
        if write.score == "logit" and write.format == "same":
            raise ConfigError(
                "--score logit: the scores in answers of APIs lie between 0 and 1",
                "Leave it out (tei requests may ask for raw_scores), or write native records.",
            )
        self.dialect = dialect
        self.candidates_path = f"$.{dialect.documents}"
        self._write = write

    def native(self, body: dict[str, Any]) -> dict[str, Any]:
        """See Shape.native. Raises Malformed also for what would be answered otherwise than its sender expects."""
        names = self.dialect
        query = text_at(body, "query", "$")
        if body.get("rank_fields"):
            raise Malformed("rank_fields is not known here: leave it out and use --doc-template", "$.rank_fields")
        documents = [self._document(each, index) for index, each in enumerate(list_at(body, names.documents, "$"))]
        if names.top:
            _count(body, names.top)
        for flag in filter(None, (names.echo, names.raw)):
            _flag(body, flag)
        check_id(body, "id", "$")
        return {**without(body, names.documents), "query": query, "candidates": documents}

    def _document(self, document: Any, index: int) -> str | dict[str, Any]:
        place = f"{self.candidates_path}[{index}]"
        if isinstance(document, str):
            return document
        if not isinstance(document, dict):
            raise Malformed(f"{place} is {kind(document)}, not a string or an object", place)
        check_id(document, "id", place)
        text_at(document, "text", place)
        return document

    def made(self, record: dict[str, Any]) -> dict[str, Any]:
        """See Shape.made: candidates that have nothing but a text become strings, other APIs' options this one's."""
        names = self.dialect
        documents = [each["text"] if each.keys() == {"text"} else each for each in as_objects(record)]
        asked: dict[str, Any] = {}
        for name in filter(record.__contains__, TOPS):
            asked = {names.top: _count(record, name)} if names.top else {}
        for name in filter(record.__contains__, ECHOES):
            asked[names.echo] = _flag(record, name)
        rest = without(record, "candidates", "query", *TOPS, *ECHOES, *(() if names.raw else RAWS))
        return {**rest, "query": record["query"], **asked, names.documents: documents}

    def ranked(self, body: dict[str, Any], ranking: Ranking) -> Any:
        """The answer: as many results as the request asks for (all for 0, as with vLLM), with documents if it does."""
        names = self.dialect
        raw = names.raw and body.get(names.raw)
        echo = body.get(names.echo) and not self._write.no_text
        results = []
        for index, score, logit in zip(ranking.indices, ranking.scores, ranking.logits, strict=True):
            result: dict[str, Any] = {"index": index, names.score: logit if raw else score}
            if echo:
                document = body[names.documents][index]
                bare = names.bare or not isinstance(document, str)
                result[names.document] = document if bare else {"text": document}
            results.append(result)
        results = results[: body.get(names.top) or None]
        if not names.results:
            return results
        about = {"id": body["id"]} if "id" in body else {}
        kind_of = {"object": names.object} if names.object else {}
        usage = {"usage": {"total_tokens": ranking.tokens}}
        return {**about, **kind_of, "model": self._write.model, names.results: results, **usage}

    dumped = staticmethod(json_line)


Make = Callable[[ReadConfig, WriteConfig], Api]
RerankApi: Make = partial(Api, COHERE)
Voyage: Make = partial(Api, VOYAGE)
Mixedbread: Make = partial(Api, MIXEDBREAD)
Tei: Make = partial(Api, TEI)
