"""One format read and another written: `rerank convert`, and a ranking with --output-format."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import Entry, Request, failed
from rerank_cli.files.inputs import Line
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.id_hints import UnusedIds, with_hint
from rerank_cli.formats.json_values import Malformed, number_of
from rerank_cli.formats.known import unmistakable
from rerank_cli.formats.record_format import RecordFormat
from rerank_cli.formats.texts import UNSCORED_TITLES, have_titles

NOTICED = 2**18  # ids among which one that comes again is noticed, so that memory stays bounded
SHOWN = 40  # characters of an id in a message
HELD = 1000  # bad and blank lines behind a record until which its id is compared with that of the next


def refuse_contradictions(candidates: list[Any], path: str) -> None:
    """Raises Malformed for a document with two different grades; a document without an id is known by its text."""
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


def _never(_body: Any) -> bool:
    return False


class Format(Protocol):
    """A format that is open: how lines are read as requests, and how those and their rankings are written."""

    name: str
    hashes: dict[str, str]  # of files that it looks into
    candidates_path: str  # where in a record the candidates are, for failures
    titled: bool  # whether candidates' titles are scored with their texts
    needs_candidates: bool  # whether a record of which no candidate is written leaves no line
    header: bytes  # the first line of an output, its newline included; empty where it has none
    one_a_line: bool  # whether each line of an input is a record
    in_place: bool  # whether the texts of a record keep their places, and say nothing of their rank

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was read so far."""

    @property
    def first_notes(self) -> list[str]:
        """Those of `notes` that what is read later does not change, so that they can be said before it is read."""

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """Turn lines into entries: every non-blank line ends in exactly one Request or Failure."""

    def to_native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request that was read; what it has no place for is counted in `dropped`."""

    def lines_of(self, request: Request) -> bytes:
        """The output lines, newlines included, for a request as it was read, without a ranking."""

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The output lines, newlines included, for a ranked request."""


class Translated:
    """Reads one format and writes another."""

    def __init__(self, source: Format, target: RecordFormat, name: str) -> None:
        """`name` is that of the target."""
        self._source, self._target, self._target_name = source, target, name
        self.name, self.hashes = source.name, source.hashes
        self.candidates_path, self.one_a_line = source.candidates_path, source.one_a_line
        self.titled, self.needs_candidates = source.titled, target.needs_candidates
        self.header: bytes = getattr(target, "header", b"")
        self.in_place = getattr(target, "in_place", False)
        self._dropped, self._unused_ids = Dropped(), UnusedIds()
        self._seen: set[int] = set()  # of ids, as hashes; only where records of one id would become one
        self._last = 0  # the id of the record before, as a hash
        self._again = 0  # records whose id came before
        self._titles = False  # whether a title was met that the other format does not score

    @property
    def notes(self) -> list[str]:
        """Sentences for the user on what was read so far."""
        notes = [*self._source.notes, *self._notes_on_titles()]
        if self._again:
            notes.append(
                f"{self._again:,} records have an id that came before, further up: in {self._target_name} they become "
                "one query, with documents that may stand in it twice"
            )
        if self._dropped.names:
            notes.append(self._dropped.sentence(self._target_name) + self._unused_ids.sentence(self._dropped))
        return notes

    @property
    def first_notes(self) -> list[str]:
        """Those of the notes that what is read later does not change."""
        return [*self._source.first_notes, *self._notes_on_titles()]

    def _notes_on_titles(self) -> list[str]:
        return [UNSCORED_TITLES.replace("candidates", f"{self._target_name} candidates", 1)] if self._titles else []

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """The entries of all lines. What lacks something that the other format must have is a failure."""
        entries = self._source.read(lines)
        made = (self._translate(entry) if isinstance(entry, Request) else entry for entry in entries)
        return self._distinct(made) if self._target.needs_candidates else made

    def _translate(self, entry: Request) -> Entry:
        try:
            return self._request_for_target(entry)
        except Malformed as fault:
            return replace(failed(entry, fault.reason, fault.path), followed=entry.followed)

    def _request_for_target(self, entry: Request) -> Request:
        record = self._source.to_native(entry, self._dropped)
        refuse_contradictions(record["candidates"], self.candidates_path)
        if self.name == "native":
            self._unused_ids.see(record, self.candidates_path.removeprefix("$."))
        try:
            made = self._target.from_native(record, self._dropped)
        except Malformed as fault:
            raise with_hint(fault, record, self.name, self.candidates_path) from None
        body = unmistakable(made, self._target_name, self._dropped)
        refuses_cut = getattr(self._target, "refuses_cut", _never)
        request = replace(entry, body=body, refuses_cut=entry.refuses_cut or refuses_cut(body))
        self._titles = self._titles or (self.titled and not self._target.titled and have_titles(record["candidates"]))
        if order := getattr(self._target, "order", None):
            places = order(record)
            fields = tuple([entry.fields[place] for place in places]) if entry.fields else ()
            request = replace(request, texts=tuple([entry.texts[place] for place in places]), fields=fields)
        return request

    def _distinct(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The same entries, but a record is a failure when the next one has its id: the two would be written as one.

        It is told by what follows and not by what came before, so that a resumed run decides alike.
        """
        held: list[Entry] = []  # a request, and what is no request behind it
        for entry in entries:
            if isinstance(entry, Request):
                self._note_if_seen(entry)
                if held and isinstance(held[0], Request):
                    held[0] = self._told_apart(held[0], entry)
                yield from held
                held = [entry]
            elif held and len(held) < HELD:
                held.append(entry)
            else:
                yield from held
                held = []
                yield entry
        yield from held

    def _note_if_seen(self, request: Request) -> None:
        key: Any = getattr(self._target, "key")  # noqa: B009 (formats of several lines have it)
        number = hash(key(request.body))
        if len(self._seen) == NOTICED:
            self._seen.clear()
        self._again += number in self._seen and number != self._last  # an equal neighbour is a failure
        self._seen.add(number)
        self._last = number

    def _told_apart(self, request: Request, following: Request) -> Entry:
        key: Any = getattr(self._target, "key")  # noqa: B009 (formats of several lines have it)
        name = key(request.body)
        if name != key(following.body):
            return request
        kind, value = name if isinstance(name, tuple) else ("id", name)
        lacks, way = (", and no id", "; ids of their own keep them apart") if kind == "query" else ("", "")
        shown = repr(str(value)[:SHOWN])
        reason = f"the next record has the {kind} {shown} too{lacks}: {self._target_name} would take the two for one"
        return replace(failed(request, f"{reason}{way}", f"$.{kind}"), followed=request.followed)

    def to_native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request that was read, as the target sees it."""
        return self._target.to_native(request.body, dropped)

    def lines_of(self, request: Request) -> bytes:
        """The lines of a request in the target format, without a ranking."""
        return self._target.to_lines(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The lines of a ranked request in the target format."""
        if request.top is not None and not self.in_place:
            ranking = ranking.first(request.top)
        return self._target.to_lines(self._target.with_ranking(request.body, ranking))
