"""The texts of a record to score: the query and the candidates' texts, with titles or by a template."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.records import Composed
from rerank_cli.files.inputs import Line
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.templates import Template

MAX_TEXT = 32 * 1024 * 1024  # characters; tokenizing longer texts blocks the interpreter, and so signals, too long
TITLED = "{title?} {text}"
UNSCORED_TITLES = "candidates have a title, but only their text is scored: --doc-template '{title?} {text}' scores both"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a native record to score."""

    query: str
    texts: tuple[str, ...]
    fields: tuple[
        tuple[int, int] | None, ...
    ]  # span of the candidate's own text in each text; empty: the complete text
    queries: tuple[str, ...] = ()  # one per text, if the texts have different queries


class Composer:
    """Composes the texts to score from native records, by templates if given."""

    def __init__(self, read: ReadConfig, titled: bool = False) -> None:
        """`titled`: score a title with its text, unless there is a template. Raises ConfigError."""
        self._query = Template.of("--query-template", read.query_template) if read.query_template else None
        self._document = Template.of("--doc-template", read.doc_template) if read.doc_template else None
        if self._document:
            self._document = self._document.renamed(read.text_field, "text")
        if self._query:
            self._query = self._query.renamed(read.query_field, "query")
        self._titles = Template.of("title", TITLED) if titled else None
        self._of_stages = [
            Composer(replace(read, query_template=query, doc_template=document, composed=()), titled)
            for query, document in read.composed
        ]
        self.unscored_titles = False  # whether a title was not scored
        self._looks = not titled and self._document is None

    def of_pairs(self, records: Sequence[dict[str, Any]], path: str) -> Texts:
        """The texts of native records with one candidate each, from a request at `path`. Raises Malformed."""
        composed = [self.texts(record, path, place) for place, record in enumerate(records)]
        texts = tuple([text for each in composed for text in each.texts])
        fields = tuple([field for each in composed for field in each.fields])
        return Texts("", texts, fields, tuple([each.query for each in composed]))

    def of_stages(self, record: dict[str, Any], path: str) -> tuple[Composed, ...]:
        """The texts of each stage of a cascade, where they have their own templates. Raises Malformed."""
        found = [composer.texts(record, path) for composer in self._of_stages]
        return tuple([Composed(each.query, each.texts, each.fields) for each in found])

    def texts(self, record: dict[str, Any], path: str, first: int = 0) -> Texts:
        """The texts of a native record with its candidates at `path`, from position `first` on. Raises Malformed."""
        composed = self._texts(record, path, first)
        if len(composed.query) > MAX_TEXT:
            raise _too_long(composed.query, "$.query")
        if max(map(len, composed.texts), default=0) > MAX_TEXT:
            index, text = next(
                (index, text) for index, text in enumerate(composed.texts, first) if len(text) > MAX_TEXT
            )
            raise _too_long(text, f"{path}[{index}]")
        return composed

    def _texts(self, record: dict[str, Any], path: str, first: int) -> Texts:
        query = record["query"]
        if self._query:
            query, _ = self._query.render(((record, "$"),))
        candidates = record["candidates"]
        if self._looks and have_titles(candidates):
            self.unscored_titles, self._looks = True, False
        template = self._document or (self._titles if self._titles and have_titles(candidates) else None)
        if template is None:
            return Texts(query, tuple([each if type(each) is str else each["text"] for each in candidates]), ())
        rendered: list[tuple[str, tuple[int, int] | None]] = []
        for index, each in enumerate(candidates, first):
            body = {"text": each} if isinstance(each, str) else each
            if template is self._titles and not has_title(body):  # such a text is scored unchanged, blanks included
                rendered.append((body["text"], (0, len(body["text"]))))
                continue
            sources = ((body, f"{path}[{index}]"), (record, "$"))
            rendered.append(template.render(sources if self._document else sources[:1], "text"))
        return Texts(query, tuple([text for text, _ in rendered]), tuple([field for _, field in rendered]))


def _too_long(text: str, path: str) -> Malformed:
    return Malformed(f"a text of {len(text):,} characters, longer than {MAX_TEXT:,}", path, content=True)


def have_titles(candidates: list[Any]) -> bool:
    """Whether any candidate of a native record has a title that is not blank."""
    return any(["title" in each for each in candidates]) and any(map(has_title, candidates))  # noqa: C419 (a fast look)


def has_title(candidate: Any) -> bool:
    """Whether a candidate of a native record has a title that is not blank."""
    return type(candidate) is dict and (title := candidate.get("title")) is not None and str(title).strip() != ""


def check_length(line: Line, limit: int) -> None:
    """Raises Malformed for a line of more than `limit` bytes."""
    if not line.too_long:
        return
    if line.end.line > line.origin.line:
        lines = f"the row of lines {line.origin.line} to {line.end.line} is longer than"
        raise Malformed(f"{lines} --max-line-bytes ({limit}); a quote may be unclosed", content=True)
    raise Malformed(f"the line is longer than --max-line-bytes ({limit})", content=True)


def check_count(candidates: Sequence[Any], limit: int | None, path: str) -> None:
    """Raises Malformed for a record with more candidates than `limit`."""
    count = len(candidates)
    if limit is not None and count > limit:
        raise Malformed(f"{count} candidates, more than --max-candidates ({limit})", path, content=True)
