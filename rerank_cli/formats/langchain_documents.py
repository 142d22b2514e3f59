"""LangChain documents in the spellings of its libraries: read them, and write a score where its rerankers do.

    {"page_content", "metadata", "id"?, "type"?}                                   Python: model_dump()
    {"lc": 1, "type": "constructor", "id": […, "Document"], "kwargs": {…}}         Python: langchain_core.load.dumps()
    {"pageContent", "metadata", "id"?}                                             JavaScript: JSON.stringify()

`dumps` leaves out empty metadata, and wraps an object that has a field `lc` as `{"__lc_escaped__": {…}}`.
"""

from dataclasses import dataclass
from typing import Any

from rerank_cli.formats.dropped import Dropped, note_rest
from rerank_cli.formats.json_values import Malformed, check_id, id_field, kind, number_of, object_at, text_at, without

PYTHON, JAVASCRIPT = "page_content", "pageContent"  # fields of the text
SCORES = {PYTHON: "relevance_score", JAVASCRIPT: "relevanceScore"}  # metadata fields of a reranker's score
INSIDE = "kwargs"  # the field of a document in the output of `dumps`
ESCAPED = "__lc_escaped__"
TYPE = "Document"
OUTSIDE = ("lc", "type", "id", INSIDE)


@dataclass(frozen=True, slots=True)
class Document:
    """A document in a record.

    `inner` is `written`, or the document inside it. `text_field` is its spelling. `metadata` are as the library reads
    them.
    """

    written: dict[str, Any]
    inner: dict[str, Any]
    text_field: str
    metadata: dict[str, Any]

    @classmethod
    def of(cls, value: Any, place: str) -> "Document":
        """The document at the JSON path `place`. Raises Malformed, also for a document with two spellings."""
        written = object_at(value, place)
        dumped = "lc" in written and INSIDE in written
        names = [name for name in SCORES if name in written]
        inner = written
        if dumped:
            _refuse_other_class(written, place)
            place += f".{INSIDE}"
            inner = object_at(written[INSIDE], place)
            names += [PYTHON]
        if len(names) > 1:
            raise Malformed(f"a document in two spellings: {' and '.join(names)}; keep one", place, content=True)
        field = names[0] if names else PYTHON
        text_at(inner, field, place)
        check_id(inner, "id", place)
        metadata = inner.get("metadata") or {}
        metadata = object_at(_unescaped(metadata) if dumped else metadata, f"{place}.metadata")
        return cls(written, inner, field, metadata)

    @property
    def text(self) -> str:
        """Its text."""
        text: str = self.inner[self.text_field]
        return text

    @property
    def score_field(self) -> str:
        """The name of its score in its metadata."""
        return SCORES[self.text_field]

    @property
    def _dumped(self) -> bool:
        return self.inner is not self.written

    def note_dropped(self, dropped: Dropped | None) -> None:
        """Count the fields that other formats cannot hold. The type is not counted: all documents have the same."""
        kind_of = ["type"] if self.inner.get("type") == TYPE else []
        note_rest(self.inner, ("id", self.text_field, "metadata", *kind_of), dropped, "documents[].")
        self._note_outside(dropped)

    def _note_outside(self, dropped: Dropped | None) -> None:
        if self._dumped:
            note_rest(self.written, OUTSIDE, dropped, "documents[].")

    def with_score(self, score: float) -> dict[str, Any]:
        """The document in its own spelling with a score, without the logit of a previous ranking."""
        metadata = self.inner.get("metadata") or {}
        escaped = self._dumped and metadata.keys() == {ESCAPED}
        scored = {**without(metadata[ESCAPED] if escaped else metadata, "logit"), self.score_field: score}
        inner = {**self.inner, "metadata": {ESCAPED: scored} if escaped else scored}
        return {**self.written, INSIDE: inner} if self._dumped else inner

    def plain(self, dropped: Dropped) -> dict[str, Any]:
        """The document in the spelling of Python's `model_dump`.

        Fields around a dumped one are counted in `dropped`.
        """
        self._note_outside(dropped)
        if self.inner is self.written and self.text_field == PYTHON:
            return self.written
        metadata = self.metadata
        if self.text_field != PYTHON and number_of(metadata.get(self.score_field)) is not None:
            metadata = {**without(metadata, self.score_field), SCORES[PYTHON]: metadata[self.score_field]}
        rest = without(self.inner, "id", self.text_field, "metadata")
        return {**id_field(self.inner.get("id")), PYTHON: self.text, "metadata": metadata, **rest}


def _refuse_other_class(written: dict[str, Any], place: str) -> None:
    """Raises Malformed for another object of `dumps`, such as a message."""
    name = written.get("id")
    if written.get("type") != "constructor" or not isinstance(name, list) or name[-1:] != [TYPE]:
        shown = str(name[-1])[:40] if isinstance(name, list) and name else kind(name)
        raise Malformed(f"{place} is not a document ({shown})", f"{place}.id", content=True)


def _unescaped(value: Any) -> Any:
    """A value as `langchain_core.load.loads` reads it: wrapped objects are unwrapped."""
    if isinstance(value, dict):
        inner = {name: _unescaped(each) for name, each in value.items()}
        return value[ESCAPED] if value.keys() == {ESCAPED} else inner
    return [_unescaped(each) for each in value] if isinstance(value, list) else value
