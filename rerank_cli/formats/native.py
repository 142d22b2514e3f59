"""The native format: `{"id"?: …, "query": "…", "candidates": ["…" or {"id"?: …, "text": "…", …}, …], …}`.

The user's fields are kept in their order. Only the candidates are reordered and get our fields. The fields can have
other names, given as dotted paths: Elasticsearch hits are read with candidates_field `hits.hits`, text_field
`_source.text` and candidate_id_field `_id`.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import (
    Malformed,
    found_in,
    id_at,
    id_field,
    kind,
    list_at,
    pruned,
    removed,
    replaced,
    text_at,
    value_at,
)
from rerank_cli.formats.record_format import COUNT, OUR_FIELDS, RecordFormat, annotated, json_line
from rerank_cli.formats.templates import composes_without_text


class Native(RecordFormat):
    """Native records."""

    titled = needs_candidates = False
    staged = keeps_fields = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError when the text or id of a candidate has the name of one of our fields."""
        for option, field in (("text", read.text_field), ("candidate-id", read.candidate_id_field)):
            if field.partition(".")[0] in OUR_FIELDS:
                raise ConfigError(f"--{option}-field {field}: rerank writes a field of that name", "Rename it first.")
        self.candidates_path = f"$.{read.candidates_field}"
        self._query = read.query_field
        self._candidates = read.candidates_field
        self._text = read.text_field
        self._id, self._candidate_id = read.id_field, read.candidate_id_field
        dotted = "." in read.text_field or "." in read.candidate_id_field
        self._plain_text = None if dotted else read.text_field
        self._composed = composes_without_text(read, write, "native")
        self._needs_texts = read.need_texts and not self._composed
        self._usual = not read.has_own_fields and read.need_texts
        self._no_text = write.no_text
        self._lacks_id: dict[str, str] = {}  # "record" and "candidate": the fields of the first; "" once one has an id

    @property
    def notes(self) -> list[str]:
        """Notes for the user on ids that no record has."""
        options = {"record": f"--id-field {self._id}", "candidate": f"--candidate-id-field {self._candidate_id}"}
        return [
            f"{options[what]}: no {what} has an id there (the first has {found})"
            for what, found in self._lacks_id.items()
            if found
        ]

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The record itself, checked, with its fields under their usual names."""
        query = text_at(body, self._query, "$")
        candidates = list_at(body, self._candidates, "$")
        name = id_at(body, self._id, "$")
        texts = [self._candidate_text(value, index) for index, value in enumerate(candidates)]
        if self._usual:
            return body
        self._keep_ids(dropped)
        own, moved, lost = _usual_id(body, self._id, name)
        self._note_id("record", self._id, name, body)
        others = pruned(pruned(body, self._query), self._candidates)
        rest = rest_of(others, moved, {"query", "candidates", *lost}, dropped)
        pairs = zip(candidates, texts, strict=True)
        renamed = [self._renamed(old, text, dropped) for old, text in pairs]
        return {**rest, **own, "query": query, "candidates": renamed}

    def _renamed(self, old: str | dict[str, Any], text: str, dropped: Dropped | None) -> str | dict[str, Any]:
        """A candidate with its text and id under their usual names; a string is unchanged."""
        name = id_at(old, self._candidate_id, "") if isinstance(old, dict) else None
        self._note_id("candidate", self._candidate_id, name, old)
        if isinstance(old, str):
            return text
        own, moved, lost = _usual_id(old, self._candidate_id, name)
        rest = rest_of(pruned(old, self._text), moved, {"text", *lost}, dropped, "candidates[].")
        return {**own, **rest} if self._composed and not text else {**own, **rest, "text": text}

    def _note_id(self, what: str, field: str, name: str | int | None, holder: str | dict[str, Any]) -> None:
        if field == "id":
            return
        if name is not None:
            self._lacks_id[what] = ""
        elif what not in self._lacks_id:
            self._lacks_id[what] = "only a text" if isinstance(holder, str) else found_in(holder)

    def _keep_ids(self, dropped: Dropped | None) -> None:
        """Do not count id fields of other names as dropped: the ids are kept under their usual name."""
        for field, path in ((self._id, self._id), (self._candidate_id, f"candidates[].{self._candidate_id}")):
            if dropped is not None and field != "id":
                dropped.keep(path)

    def _candidate_text(self, candidate: Any, index: int) -> str:
        if type(candidate) is str:
            return candidate
        place = f"{self.candidates_path}[{index}]"
        if type(candidate) is dict:
            text = candidate.get(self._plain_text)  # the common case, fast
            if type(text) is str and type(candidate.get(self._candidate_id, "")) is str:
                return text
            id_at(candidate, self._candidate_id, place)
            return text_at(candidate, self._text, place) if self._needs_texts else self._text_or_none(candidate)
        raise Malformed(f"{place} is {kind(candidate)}, not a string or an object", place)

    def _text_or_none(self, candidate: dict[str, Any]) -> str:
        try:
            return text_at(candidate, self._text, "")
        except Malformed:
            return ""

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The record itself."""
        return record

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its candidates best first, each with `index`, `score`, `logit` and our other fields.

        If all are left out, the record itself has the number of its candidates.
        """
        old = value_at(body, self._candidates, "$")
        pairs = enumerate(ranking.indices)
        new = [annotated(self._to_keep(old[index]), place, ranking, len(old)) for place, index in pairs]
        made = replaced(body, self._candidates, new)
        return {**made, COUNT: len(old)} if old and not new else made

    def _to_keep(self, old: str | dict[str, Any]) -> dict[str, Any]:
        if isinstance(old, str):
            return {} if self._no_text else {"text": old}
        return removed(old, self._text) if self._no_text else old

    to_lines = staticmethod(json_line)


def _usual_id(body: dict[str, Any], field: str, name: str | int | None) -> tuple[dict[str, Any], list[str], list[str]]:
    """The id under its usual name if it has another field, and whether `id` is moved or lost."""
    if field == "id":
        return {}, [], []
    same = type(body.get("id")) is type(name) and body.get("id") == name
    return id_field(name), ["id"] if same else [], [] if same else ["id"]
