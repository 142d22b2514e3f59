"""Shapes whose records are single lines of JSON, and what all records go through: texts, templates, limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.formats.shape import REWRAPPED, Malformed, Shape, check_id, parse_object
from rerank_cli.formats.streams import Line
from rerank_cli.formats.templates import Template
from rerank_cli.ranking import Ranking
from rerank_cli.records import RAW_CAP, Blank, Entry, Failure, Request


@dataclass(frozen=True, slots=True)
class Texts:
    """What of a native record is scored."""

    query: str
    texts: tuple[str, ...]
    fields: tuple[tuple[int, int] | None, ...]  # where in each text the candidate's own stands; empty: it is all of it


class Composer:
    """Takes the texts to score out of native records, by templates where there are any."""

    def __init__(self, read: ReadConfig, document: str | None = None) -> None:
        """`document` is the shape's own template for documents. Raises ConfigError."""
        self._query = Template.of("--query-template", read.query_template) if read.query_template else None
        document = read.doc_template or document
        self._document = Template.of("--doc-template", document) if document else None
        if self._document:
            self._document = self._document.renamed(read.text_field, "text")
        if self._query:
            self._query = self._query.renamed(read.query_field, "query")

    def texts(self, record: dict[str, Any], path: str) -> Texts:
        """The texts of a native record whose candidates stand at `path`. Raises Malformed."""
        query = record["query"]
        if self._query:
            query, _ = self._query.render(((record, "$"),))
        candidates = record["candidates"]
        if self._document is None:
            return Texts(query, tuple([each if type(each) is str else each["text"] for each in candidates]), ())
        rendered = []
        for index, each in enumerate(candidates):
            body = {"text": each} if isinstance(each, str) else each
            rendered.append(self._document.render(((body, f"{path}[{index}]"), (record, "$")), "text"))
        return Texts(query, tuple([text for text, _ in rendered]), tuple([field for _, field in rendered]))


class Records:
    """A format whose records are single lines."""

    def __init__(self, name: str, shape: Shape, read: ReadConfig, write: WriteConfig) -> None:
        self.name = name
        self.shape = shape
        self.hashes: dict[str, str] = {}
        self.candidates_path = shape.candidates_path
        self._deeper = 0 if name == "native" and write.format in ("same", "native") else REWRAPPED
        self._composer = Composer(read)
        self._max_candidates = read.max_candidates
        self._max_line_bytes = read.max_line_bytes

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """One entry a line."""
        for line in lines:
            if not line.raw.strip() and not line.too_long:
                yield Blank(line.end)
                continue
            try:
                yield self._request(line)
            except Malformed as fault:
                yield Failure(line.origin, line.end, line.raw[:RAW_CAP], fault.reason, fault.path)

    def _request(self, line: Line) -> Request:
        if line.too_long:
            raise Malformed(f"the line is longer than --max-line-bytes ({self._max_line_bytes})")
        body = parse_object(line.raw, self._deeper)
        record = self.shape.native(body)
        check_id(record, "id", "$")
        check_count(record, self._max_candidates, self.candidates_path)
        found = self._composer.texts(record, self.candidates_path)
        return Request(line.origin, line.end, line.raw[:RAW_CAP], found.query, found.texts, body, found.fields)

    def native(self, request: Request) -> dict[str, Any]:
        """The native record of a request that was read."""
        return self.shape.native(request.body)

    def converted(self, request: Request) -> bytes:
        """The lines of a request as it was read."""
        return self.shape.dumped(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The line of a ranked request."""
        return self.shape.dumped(self.shape.ranked(request.body, ranking))


def check_count(record: dict[str, Any], limit: int | None, path: str) -> None:
    """Raises Malformed for a native record with more candidates than `limit`."""
    count = len(record["candidates"])
    if limit is not None and count > limit:
        raise Malformed(f"{count} candidates, more than --max-candidates ({limit})", path)
