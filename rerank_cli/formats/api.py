"""Requests and responses of reranking APIs: rerank-api (Cohere, Jina, vLLM, infinity), voyage, mixedbread and tei.

    {"model"?, "query", "documents": ["…" or {"text": "…"}], "top_n"?, "return_documents"?}
    {"id"?, "model", "results": [{"index", "relevance_score", "document"?}], "usage": {"total_tokens"}}

The APIs differ in the names of their fields. Other fields of the request are not part of the response.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.dialects import COHERE, MIXEDBREAD, TEI, VOYAGE, Dialect
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import dialects
from rerank_cli.formats.dialects import ECHOES, OPTIONS, TOPS, problem
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import Malformed, check_id, id_field, kind, list_at, text_at
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.request_format import RequestFormat, RequestModels

GIVE_IDS = "give each request an id"
WITHOUT_IDS = "the errors file has the lines that failed, or write records with ids (--output-format native)"


def check_options(body: dict[str, Any], dialect: Dialect) -> None:
    """Raises Malformed for an option that would change the response and is not supported."""
    for name in OPTIONS.intersection(body):
        if reason := problem(name, body[name], dialect):
            raise Malformed(reason, f"$.{name}", content=True)


class Api(RequestFormat):
    """Requests and responses of one API."""

    def __init__(self, dialect: Dialect, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --score logit: the scores of APIs are between 0 and 1."""
        if write.score == "logit" and write.format == "same":
            raise ConfigError(
                "--score logit: scores in API responses are between 0 and 1",
                "Leave it out (tei requests can set raw_scores), or write native records.",
            )
        super().__init__(RequestModels(write))
        self.dialect = dialect
        self.candidates_path = f"$.{dialect.documents}"
        self._write = write
        self._unnamed = False  # whether an answer was written without an id

    @property
    def unmatched(self) -> str:
        """How to match answers with requests when some failed; "" if each has an id."""
        way = GIVE_IDS if self.dialect.results else WITHOUT_IDS
        return way if self._unnamed else ""

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The request as a native record. Raises Malformed, also for an unsupported option."""
        names = self.dialect
        self.models.see(body)
        query = text_at(body, "query", "$")
        check_options(body, names)
        documents = [self._document(each, index) for index, each in enumerate(list_at(body, names.documents, "$"))]
        check_id(body, "id", "$")
        rest = rest_of(body, {names.documents}, {"candidates"}, dropped)
        return {**rest, "query": query, "candidates": documents}

    def top(self, body: dict[str, Any]) -> int | None:
        """The number of results that a request asks for; None for all. (0 means all too, as with vLLM.)"""
        return body.get(self.dialect.top) or None

    def wants_logits(self, body: dict[str, Any]) -> bool:
        """Whether a request asks for raw scores."""
        return dialects.wants_logits(body)

    def _document(self, document: Any, index: int) -> str | dict[str, Any]:
        place = f"{self.candidates_path}[{index}]"
        if isinstance(document, str):
            return document
        if not isinstance(document, dict):
            raise Malformed(f"{place} is {kind(document)}, not a string or an object", place)
        check_id(document, "id", place)
        text_at(document, "text", place)
        return document

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A request: candidates with only a text become strings, options of other APIs become those of this one."""
        names = self.dialect
        documents = [each["text"] if each.keys() == {"text"} else each for each in as_objects(record)]
        options: dict[str, Any] = {}
        moved = {"candidates", "query"}
        for name, ours in (*((name, names.top) for name in TOPS), *((name, names.echo) for name in ECHOES)):
            if ours and name in record and problem(ours, record[name], names) is None:
                options[ours] = record[name]
                moved.add(name)
        lost = {name for name in OPTIONS.intersection(record) if problem(name, record[name], names)}
        rest = rest_of(record, moved, {names.documents, *lost}, dropped)
        return {**rest, "query": record["query"], **options, names.documents: documents}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> Any:
        """The response, with as many results as requested (0: all, as with vLLM), and documents if requested."""
        names = self.dialect
        self._unnamed = self._unnamed or not names.results or body.get("id") is None
        raw = self.wants_logits(body)
        echo = body.get(names.echo) and not self._write.no_text
        results = []
        for index, score, logit in zip(ranking.indices, ranking.scores, ranking.logits, strict=True):
            result: dict[str, Any] = {"index": index, names.score: logit if raw else score}
            if echo:
                document = body[names.documents][index]
                bare = names.bare or not isinstance(document, str)
                result[names.document] = document if bare else {"text": document}
            results.append(result)
        results = results[: self.top(body)]
        if not names.results:
            return results
        about = id_field(body.get("id"))
        kind_of = {"object": names.object} if names.object else {}
        usage = {"usage": {"total_tokens": ranking.tokens}}
        return {**about, **kind_of, "model": self._write.model, names.results: results, **usage}


Make = Callable[[ReadConfig, WriteConfig], Api]
RerankApi: Make = partial(Api, COHERE)
Voyage: Make = partial(Api, VOYAGE)
Mixedbread: Make = partial(Api, MIXEDBREAD)
Tei: Make = partial(Api, TEI)
