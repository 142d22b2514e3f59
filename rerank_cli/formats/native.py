"""The native format: `{"id"?: …, "query": "…", "candidates": ["…" or {"id"?: …, "text": "…", …}, …], …}`.

What the user wrote is kept, in its order; only the candidates are reordered and given our fields. The fields may have
other names, given as dotted paths.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import (
    Malformed,
    check_id,
    id_field,
    kind,
    list_at,
    pruned,
    removed,
    replaced,
    text_at,
    value_at,
)
from rerank_cli.formats.record_format import OUR_FIELDS, annotated, json_line


class Native:
    """Native records."""

    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError when the candidates' text is where our own fields go."""
        if read.text_field.partition(".")[0] in OUR_FIELDS:
            raise ConfigError(f"--text-field {read.text_field}: rerank writes a field of that name", "Rename it first.")
        self.candidates_path = f"$.{read.candidates_field}"
        self._query = read.query_field
        self._candidates = read.candidates_field
        self._text = read.text_field
        self._plain_text = None if "." in read.text_field else read.text_field
        self._id = read.id_field
        self._usual = not read.has_own_fields
        self._no_text = write.no_text

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The record itself, checked; with its fields under their usual names where they have others."""
        query = text_at(body, self._query, "$")
        candidates = list_at(body, self._candidates, "$")
        check_id(body, self._id, "$")
        texts = [self._candidate_text(value, index) for index, value in enumerate(candidates)]
        if self._usual:
            return body
        renamed = [
            {**rest_of(pruned(old, self._text), (), ("text",), dropped, "candidates[]."), "text": text}
            if isinstance(old, dict)
            else text
            for old, text in zip(candidates, texts, strict=True)
        ]
        rest = pruned(pruned(body, self._query), self._candidates)
        name = self._id_in(body)
        lost = {"query", "candidates", *(["id"] if name and self._id != "id" else [])}
        return {**rest_of(rest, (), lost, dropped), **name, "query": query, "candidates": renamed}

    def _id_in(self, body: dict[str, Any]) -> dict[str, Any]:
        """The record's id as a field `id`, if it has one."""
        try:
            return id_field(value_at(body, self._id, "$"))
        except Malformed:
            return {}

    def _candidate_text(self, candidate: Any, index: int) -> str:
        if type(candidate) is str:
            return candidate
        place = f"{self.candidates_path}[{index}]"
        if type(candidate) is dict:
            text = candidate.get(self._plain_text)  # the common case, fast
            if type(text) is str and type(candidate.get("id", "")) is str:
                return text
            check_id(candidate, "id", place)
            return text_at(candidate, self._text, place)
        raise Malformed(f"{place} is {kind(candidate)}, not a string or an object", place)

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The record itself."""
        return record

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its candidates best first, each with `index`, `score`, `logit` and what else applies."""
        old = value_at(body, self._candidates, "$")
        new = [annotated(self._to_keep(old[index]), place, ranking) for place, index in enumerate(ranking.indices)]
        return replaced(body, self._candidates, new)

    def _to_keep(self, old: str | dict[str, Any]) -> dict[str, Any]:
        if isinstance(old, str):
            return {} if self._no_text else {"text": old}
        return removed(old, self._text) if self._no_text else old

    to_lines = staticmethod(json_line)
