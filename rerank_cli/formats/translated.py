"""Read one format and write another: for `rerank convert`, and for --output-format."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import Composed, Entry, Request, failed
from rerank_cli.files.inputs import Line
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.id_hints import UnusedIds, with_hint
from rerank_cli.formats.json_values import Malformed, number_of
from rerank_cli.formats.known import unmistakable
from rerank_cli.formats.per_group import GroupedRecordFormat
from rerank_cli.formats.record_format import RecordFormat, without_stages
from rerank_cli.formats.texts import UNSCORED_TITLES, have_titles

T = TypeVar("T")
NOTICED = 2**18  # ids that are remembered to detect repeated ones, to bound memory
SHOWN = 40  # characters of an id in a message
HELD = 1000  # bad and blank lines held between two records whose ids are compared


def refuse_contradictions(candidates: list[Any], path: str) -> None:
    """Raises Malformed for a document with two different grades. A document without an id is identified by its text."""
    judged: dict[Any, float] = {}
    for index, each in enumerate(candidates):
        if type(each) is not dict or (grade := each.get("relevance")) is None:
            continue
        value = float(grade) if isinstance(grade, bool) else number_of(grade)
        name = each.get("id")
        key = ("text", each["text"]) if name is None else ("id", str(name))
        if value is not None and judged.setdefault(key, value) != value:
            shown = key[1] if len(key[1]) <= SHOWN else key[1][:SHOWN] + "…"
            reason = f"the document {shown!r} is judged twice: {judged[key]:g} and {value:g}"
            raise Malformed(reason, f"{path}[{index}]", content=True)


def reordered(request: Request, places: list[int]) -> Request:
    """The request with its candidates in the order of their previous `places`."""

    def chosen(values: tuple[T, ...]) -> tuple[T, ...]:
        return tuple([values[place] for place in places]) if values else ()

    composed = [Composed(each.query, chosen(each.texts), chosen(each.fields)) for each in request.composed]
    texts, fields, scores = chosen(request.texts), chosen(request.fields), chosen(request.scores)
    return replace(request, texts=texts, fields=fields, scores=scores, composed=tuple(composed))


class Format(Protocol):
    """An open format: it reads lines as requests, and writes requests and rankings as lines."""

    name: str
    hashes: dict[str, str]  # SHA-256 of further files that it reads, by name
    candidates_path: str  # path of the candidates in a record, for failures
    titled: bool  # whether titles are scored with their texts
    needs_candidates: bool  # whether a record without written candidates has no line
    header: bytes  # first line of an output with its newline; empty without one
    one_a_line: bool  # whether each line of an input is a record
    in_place: bool  # whether texts keep their positions, which are not ranks

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was read so far."""

    @property
    def warnings(self) -> list[str]:
        """Sentences on what may give a wrong result; --quiet does not hide them."""

    @property
    def unmatched(self) -> str:
        """How to match answers with requests when some failed; "" if each has an id."""

    @property
    def parts(self) -> int:
        """Records that are later parts of a query, whose lines are not adjacent."""

    @property
    def first_notes(self) -> list[str]:
        """The notes that later lines do not change, to report them early."""

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """Read lines as entries: every line that is not blank belongs to one Request or Failure."""

    def to_native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request; fields that it cannot hold are counted in `dropped`."""

    def lines_of(self, request: Request) -> bytes:
        """The output lines of a request without a ranking, newlines included."""

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The output lines of a ranked request, newlines included."""


class Translated:
    """Reads one format and writes another."""

    def __init__(self, source: Format, target: RecordFormat, name: str, *, scored: bool = False) -> None:
        """`name` is the name of the target format. `scored`: a new ranking will be written."""
        self._drops_stages = not scored and not target.keeps_fields
        self._source, self._target, self._target_name = source, target, name
        self.name, self.hashes = source.name, source.hashes
        self.candidates_path, self.one_a_line = source.candidates_path, source.one_a_line
        self.titled, self.needs_candidates = source.titled, target.needs_candidates
        self.header, self.in_place = target.header, target.in_place
        self._dropped, self._unused_ids = Dropped(), UnusedIds()
        self._seen: set[int] = set()  # hashes of ids, if records with the same id would become one
        self._last = 0  # hash of the id of the previous record
        self._again = 0  # records whose id occurred before
        self._titles = False  # whether there is a title that the target does not score

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was read so far."""
        notes = [*self._source.notes, *self._notes_on_titles()]
        if self._dropped.names:
            notes.append(self._dropped.sentence(self._target_name) + self._unused_ids.sentence(self._dropped))
        return notes

    @property
    def warnings(self) -> list[str]:
        """What may give a wrong result: records that become one query."""
        again = (
            f"{self._again:,} record{'s repeat' if self._again > 1 else ' repeats'} an id: in {self._target_name} they "
            "become one query, possibly with repeated documents. Give each record its own id"
        )
        return [*self._source.warnings, *([again] if self._again else [])]

    @property
    def unmatched(self) -> str:
        """How to match answers of the target with their requests."""
        return self._target.unmatched

    @property
    def parts(self) -> int:
        """Records that are later parts of a query in the source."""
        return self._source.parts

    @property
    def first_notes(self) -> list[str]:
        """Those of the notes that what is read later does not change."""
        return [*self._source.first_notes, *self._notes_on_titles()]

    def _notes_on_titles(self) -> list[str]:
        return [UNSCORED_TITLES.replace("candidates", f"{self._target_name} candidates", 1)] if self._titles else []

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """The entries of all lines. A record that lacks a required field of the target format is a failure."""
        entries = self._source.read(lines)
        translated = (self._translate(entry) if isinstance(entry, Request) else entry for entry in entries)
        return self._distinct(translated) if self._target.needs_candidates else translated

    def _translate(self, entry: Request) -> Entry:
        try:
            return self._request_for_target(entry)
        except Malformed as fault:
            return replace(failed(entry, fault.reason, fault.path), followed=entry.followed)

    def _request_for_target(self, entry: Request) -> Request:
        record = self._source.to_native(entry, self._dropped)
        if self._drops_stages:
            record = without_stages(record)
        refuse_contradictions(record["candidates"], self.candidates_path)
        if self.name == "native":
            self._unused_ids.see(record, self.candidates_path.removeprefix("$."))
        try:
            converted = self._target.from_native(record, self._dropped)
        except Malformed as fault:
            raise with_hint(fault, record, self.name, self.candidates_path) from None
        body = unmistakable(converted, self._target_name, self._dropped)
        request = replace(entry, body=body, refuses_cut=entry.refuses_cut or self._target.refuses_cut(body))
        self._titles = self._titles or (self.titled and not self._target.titled and have_titles(record["candidates"]))
        if (places := self._target.order(record)) is not None:
            request = reordered(request, places)
        return request

    def _distinct(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The same entries, but a record with the id of the next one is a failure: they would be written as one.

        The comparison is with the next record, not the previous one, so that a resumed run decides the same.
        """
        held: list[Entry] = []  # a request and the other entries after it
        for entry in entries:
            if isinstance(entry, Request):
                self._note_if_seen(entry)
                if held and isinstance(held[0], Request):
                    held[0] = self._unless_same_key(held[0], entry)
                yield from held
                held = [entry]
            elif held and len(held) < HELD:
                held.append(entry)
            else:
                yield from held
                held = []
                yield entry
        yield from held

    def _key(self, request: Request) -> Any:
        assert isinstance(self._target, GroupedRecordFormat)  # as all formats that need candidates are
        return self._target.key(request.body)

    def _note_if_seen(self, request: Request) -> None:
        number = hash(self._key(request))
        if len(self._seen) == NOTICED:
            self._seen.clear()
        self._again += number in self._seen and number != self._last  # adjacent equal ids are failures
        self._seen.add(number)
        self._last = number

    def _unless_same_key(self, request: Request, following: Request) -> Entry:
        name = self._key(request)
        if name != self._key(following):
            return request
        kind, value = name if isinstance(name, tuple) else ("id", name)
        lacks, way = (", and no id", "; ids would distinguish them") if kind == "query" else ("", "")
        shown = repr(str(value)[:SHOWN])
        reason = f"the next record has the same {kind} {shown}{lacks}: {self._target_name} would read the two as one"
        return replace(failed(request, f"{reason}{way}", f"$.{kind}"), followed=request.followed)

    def to_native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request, as read from the target format."""
        return self._target.to_native(request.body, dropped)

    def lines_of(self, request: Request) -> bytes:
        """The lines of a request in the target format, without a ranking."""
        return self._target.to_lines(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The lines of a ranked request in the target format."""
        if request.top is not None and not self.in_place:
            ranking = ranking.first(request.top)
        return self._target.to_lines(self._target.with_ranking(request.body, ranking))
