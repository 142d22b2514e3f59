"""Shapes whose records are single lines of JSON, and what all records go through: texts, templates, limits."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import RAW_CAP, Blank, Entry, Failure, Request
from rerank_cli.files.inputs import Line
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.parse import REWRAPPED, parse_object
from rerank_cli.formats.shape import Malformed, Shape, check_id
from rerank_cli.formats.templates import Template

MAX_TEXT = (
    32 * 1024 * 1024
)  # characters; the ids of a longer one hold the interpreter too long for a signal to be heard
TITLED = "{title?} {text}"
UNSCORED_TITLES = "candidates have a title, and only their text is scored: --doc-template '{title?} {text}' scores both"


@dataclass(frozen=True, slots=True)
class Texts:
    """What of a native record is scored."""

    query: str
    texts: tuple[str, ...]
    fields: tuple[tuple[int, int] | None, ...]  # where in each text the candidate's own stands; empty: it is all of it


class Composer:
    """Takes the texts to score out of native records, by templates where there are any."""

    def __init__(self, read: ReadConfig, titled: bool = False) -> None:
        """`titled`: a title is scored with its text, unless a template says otherwise. Raises ConfigError."""
        self._query = Template.of("--query-template", read.query_template) if read.query_template else None
        self._document = Template.of("--doc-template", read.doc_template) if read.doc_template else None
        if self._document:
            self._document = self._document.renamed(read.text_field, "text")
        if self._query:
            self._query = self._query.renamed(read.query_field, "query")
        self._titles = Template.of("title", TITLED) if titled else None
        self.unscored_titles = False  # whether a title was met that is not scored
        self._looks = not titled and self._document is None

    def texts(self, record: dict[str, Any], path: str) -> Texts:
        """The texts of a native record whose candidates stand at `path`. Raises Malformed."""
        found = self._texts(record, path)
        if len(found.query) > MAX_TEXT:
            raise _too_long(found.query, "$.query")
        if max(map(len, found.texts), default=0) > MAX_TEXT:
            index, text = next((index, text) for index, text in enumerate(found.texts) if len(text) > MAX_TEXT)
            raise _too_long(text, f"{path}[{index}]")
        return found

    def _texts(self, record: dict[str, Any], path: str) -> Texts:
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
        for index, each in enumerate(candidates):
            body = {"text": each} if isinstance(each, str) else each
            if template is self._titles and not has_title(body):  # such a text is scored as it is, blanks included
                rendered.append((body["text"], (0, len(body["text"]))))
                continue
            sources = ((body, f"{path}[{index}]"), (record, "$"))
            rendered.append(template.render(sources if self._document else sources[:1], "text"))
        return Texts(query, tuple([text for text, _ in rendered]), tuple([field for _, field in rendered]))


def _too_long(text: str, path: str) -> Malformed:
    return Malformed(f"a text of {len(text):,} characters; at most {MAX_TEXT:,} are scored", path, content=True)


def have_titles(candidates: list[Any]) -> bool:
    """Whether any candidate of a native record has a title that is not blank."""
    return any(["title" in each for each in candidates]) and any(map(has_title, candidates))  # noqa: C419 (a fast look)


def has_title(candidate: Any) -> bool:
    """Whether a candidate of a native record has a title that is not blank."""
    return type(candidate) is dict and (title := candidate.get("title")) is not None and str(title).strip() != ""


class Records:
    """A format whose records are single lines."""

    def __init__(self, name: str, shape: Shape, read: ReadConfig, write: WriteConfig) -> None:
        self.name = name
        self.shape = shape
        self.hashes: dict[str, str] = {}
        self.candidates_path = shape.candidates_path
        self.titled, self.needs_candidates = shape.titled, shape.needs_candidates
        self._deeper = 0 if name == "native" and write.format in ("same", "native") else REWRAPPED
        self._composer = Composer(read, shape.titled)
        self._refuses_cut = getattr(shape, "refuses_cut", None)
        self._top = getattr(shape, "top", None)
        self._max_candidates = read.max_candidates
        self._max_line_bytes = read.max_line_bytes

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was read so far."""
        return [UNSCORED_TITLES] if self._composer.unscored_titles else []

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """One entry a line."""
        for line in lines:
            if not line.raw.strip() and not line.too_long:
                yield Blank(line.end)
                continue
            try:
                yield self._request(line)
            except Malformed as fault:
                yield failure_of(line, fault)

    def _request(self, line: Line) -> Request:
        check_length(line, self._max_line_bytes)
        body = parse_object(line.raw, self._deeper)
        record = self.shape.native(body)
        check_id(record, "id", "$")
        check_count(record, self._max_candidates, self.candidates_path)
        found = self._composer.texts(record, self.candidates_path)
        return Request(
            line.origin,
            line.end,
            line.raw[:RAW_CAP],
            found.query,
            found.texts,
            body,
            found.fields,
            refuses_cut=self._refuses_cut is not None and self._refuses_cut(body),
            top=None if self._top is None else self._top(body),
        )

    def native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request that was read."""
        return self.shape.native(request.body, dropped)

    def converted(self, request: Request) -> bytes:
        """The lines of a request as it was read."""
        return self.shape.dumped(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The line of a ranked request."""
        return self.shape.dumped(self.shape.ranked(request.body, ranking))


def failure_of(line: Line, fault: Malformed) -> Failure:
    """The failure of a line."""
    return Failure(line.origin, line.end, line.raw[:RAW_CAP], fault.reason, fault.path, content=fault.content)


def check_length(line: Line, limit: int) -> None:
    """Raises Malformed for a line of more than `limit` bytes."""
    if line.too_long:
        raise Malformed(f"the line is longer than --max-line-bytes ({limit})", content=True)


def check_count(record: dict[str, Any], limit: int | None, path: str) -> None:
    """Raises Malformed for a native record with more candidates than `limit`."""
    count = len(record["candidates"])
    if limit is not None and count > limit:
        raise Malformed(f"{count} candidates, more than --max-candidates ({limit})", path, content=True)


def refuse_spread(first: Failure) -> None:
    """Raises InputError where the first line of a file that is not blank begins JSON that goes on in other lines.

    Of an array of records with one on each line, only the last would be read. A line that holds a whole list of other
    values is a bad record like any other.
    """
    begin, name = first.raw.strip(), first.origin.source
    if not begin.startswith(b"["):
        return
    try:
        value = orjson.loads(begin)
        array = bool(value) and all(isinstance(each, dict) for each in value)
    except orjson.JSONDecodeError:  # cut at RAW_CAP, perhaps
        array = begin == b"[" or begin[1:].lstrip().startswith(b"{")
    if array:
        raise InputError(f"{name}: a JSON array, expected one JSON object a line", by_jq(".[]", name))


def by_jq(path: str, name: str) -> str:
    """How JSON at a path of the input `name` becomes lines."""
    file = "" if name.startswith("<") else f" {shlex.quote(name)}"
    return f"Make lines of it first: jq -c '{path}'{file}"
