"""Formats with one JSON line per record."""

import shlex
from collections.abc import Iterator

import orjson

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.records import RAW_CAP, Blank, Entry, Failure, Request
from rerank_cli.files.inputs import Line
from rerank_cli.formats.causes import CUT, ENDS
from rerank_cli.formats.json_values import REWRAPPED, Malformed, check_id, parse_object
from rerank_cli.formats.record_format import RecordFormat, RequestWriter, given_scores
from rerank_cli.formats.texts import UNSCORED_TITLES, Composer, check_count, check_length


class Records(RequestWriter):
    """Reads and writes a format with one line per record."""

    header = b""
    one_a_line = True

    def __init__(self, name: str, record_format: RecordFormat, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__(record_format)
        self.name = name
        self.hashes: dict[str, str] = {}
        self.candidates_path = record_format.candidates_path
        self.titled, self.needs_candidates = record_format.titled, record_format.needs_candidates
        self.in_place = record_format.in_place
        self._deeper = 0 if name == "native" and write.format in ("same", "native") else REWRAPPED
        self._composer = Composer(read, record_format.titled)
        self._max_candidates = read.max_candidates
        self._max_line_bytes = read.max_line_bytes
        self._need_scores = read.need_scores

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the lines read so far."""
        notes = self.record_format.notes
        return [*notes, UNSCORED_TITLES] if self._composer.unscored_titles else notes

    @property
    def first_notes(self) -> list[str]:
        """The notes that later lines do not change."""
        notes = self.record_format.first_notes
        return [*notes, UNSCORED_TITLES] if self._composer.unscored_titles else notes

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """One entry per line."""
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
        pairs = self.record_format.pairs(body)
        if pairs is None:
            record = self.record_format.to_native(body)
            check_id(record, "id", "$")
            check_count(record["candidates"], self._max_candidates, self.candidates_path)
            texts = self._composer.texts(record, self.candidates_path)
            composed = self._composer.of_stages(record, self.candidates_path)
            scores = given_scores(record, self.candidates_path) if self._need_scores else ()
        else:
            composed, scores = (), ()
            check_count(pairs, self._max_candidates, self.candidates_path)
            texts = self._composer.of_pairs(pairs, self.candidates_path)
        return Request(
            line.origin,
            line.end,
            line.raw[:RAW_CAP],
            texts.query,
            texts.texts,
            body,
            texts.fields,
            refuses_cut=self.record_format.refuses_cut(body),
            top=self.record_format.top(body),
            queries=texts.queries,
            scores=scores,
            composed=composed,
        )


def failure_of(line: Line, fault: Malformed) -> Failure:
    """The failure of a line."""
    reason = fault.reason.replace(CUT, ENDS) if line.unfinished else fault.reason
    return Failure(line.origin, line.end, line.raw[:RAW_CAP], reason, fault.path, content=fault.content)


def refuse_spread(first: Failure) -> None:
    """Raises InputError if the first line of a file that is not blank begins JSON on several lines.

    Of an array with one record per line, only the last record would be read. A line with a complete list of other
    values is a bad record.
    """
    begin, name = first.raw.strip(), first.origin.source
    if not begin.startswith(b"["):
        return
    try:
        value = orjson.loads(begin)
        array = bool(value) and all(isinstance(each, dict) for each in value)
    except orjson.JSONDecodeError:  # may be cut at RAW_CAP
        array = begin == b"[" or begin[1:].lstrip().startswith(b"{")
    if array:
        raise InputError(f"{name}: a JSON array, expected one JSON object per line", by_jq(".[]", name))


def by_jq(path: str, name: str) -> str:
    """Advice to convert the JSON at a path of the input `name` to lines."""
    file = "" if name.startswith("<") else f" {shlex.quote(name)}"
    return f"Convert it to JSON lines: jq -c '{path}'{file}"
