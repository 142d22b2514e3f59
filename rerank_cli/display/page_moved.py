"""The queries that moved, with their documents side by side."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rerank_cli.display import page_words as words
from rerank_cli.display.page_texts import QUERY, TEXT, short
from rerank_cli.evaluation.compare import TOP, side_by_side
from rerank_cli.evaluation.evaluate import EQUAL
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import Ranked, Results
from rerank_cli.evaluation.results import QueryTexts, texts_of

DRILLED = 200  # queries shown with their documents


class Side(NamedTuple):
    """A document in the top ten: its text, judgement and movement."""

    docid: str
    text: str
    relevance: int | None
    moved: str = ""


class Drill(NamedTuple):
    """A query with its documents in both rankings; `rows` are pairs."""

    qid: str
    query: str
    note: str
    rows: list[tuple[Side | None, Side | None]]


class Group(NamedTuple):
    """Queries with their documents, under a heading."""

    title: str
    drills: list[Drill]


class Moved(NamedTuple):
    """Queries that moved, in groups, and a sentence on those that did not; "" without any."""

    groups: list[Group]
    unmoved: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The two rankings of each query, the files with their texts, and the judgements."""

    rankings: Mapping[str, tuple[Ranked | None, Ranked | None]]
    files: Sequence[Results]
    qrels: Qrels = field(default_factory=dict)

    def moved(self) -> list[str]:
        """The queries whose two orders differ."""
        return [qid for qid, (one, two) in self.rankings.items() if _docids(one) != _docids(two)]

    def still(self) -> str:
        """A sentence on the queries whose two orders are the same; "" without any."""
        still = len(self.rankings) - len(self.moved())
        if not still:
            return ""
        if still == len(self.rankings):
            return "No query moved: both rankings are the same."
        return f"{words.counted(still, 'query has', 'queries have')} the same order in both rankings."


def _docids(ranked: Ranked | None) -> tuple[str, ...]:
    return () if ranked is None else ranked.docids


def moved_by_gain(pairs: Pairs, gains: Mapping[str, float], more: Mapping[str, str]) -> Moved:
    """The queries that gained or lost most, then those that moved without, at most DRILLED; `more` follows the gain."""
    order = sorted(pairs.moved(), key=lambda qid: -abs(gains[qid]))[:DRILLED]
    changed = [qid for qid in order if abs(gains[qid]) > EQUAL]
    unchanged = order[len(changed) :]
    notes = {qid: f"gain {words.signed(gains[qid])}" for qid in changed}
    shown = drills(pairs, {qid: ", ".join(filter(None, [notes.get(qid), more.get(qid)])) for qid in order})
    groups = [
        Group(heading(len(changed), "gained or lost", " most"), shown[: len(changed)]),
        Group(heading(len(unchanged), "moved without gain or loss"), shown[len(changed) :]),
    ]
    return Moved([group for group in groups if group.drills], pairs.still())


def heading(count: int, did: str, most: str = "") -> str:
    """The heading of a group.

    >>> heading(1, "moved", " most"), heading(2, "moved", " most")
    ('The query that moved', 'The 2 queries that moved most')
    """
    return f"The query that {did}" if count == 1 else f"The {count:,} queries that {did}{most}"


def drills(pairs: Pairs, notes: Mapping[str, str]) -> list[Drill]:
    """The queries of `notes` with their documents in both rankings; reads the texts from the files."""
    wanted = {qid: set(_top(pairs.rankings[qid])) for qid in notes}
    texts: dict[str, QueryTexts] = {}
    for results in pairs.files if wanted else ():
        for qid, (query, found) in texts_of(results, wanted).items():
            known = texts.setdefault(qid, QueryTexts(query, {}))
            known.documents.update(found)
    return [_drill(pairs, qid, texts.get(qid, QueryTexts("", {})), note) for qid, note in notes.items()]


def _top(both: Iterable[Ranked | None]) -> Iterable[str]:
    for ranked in both:
        yield from _docids(ranked)[:TOP]


def _drill(pairs: Pairs, qid: str, texts: QueryTexts, note: str) -> Drill:
    judged = pairs.qrels.get(qid, {})
    first, other = (ranked or Ranked((), array("d")) for ranked in pairs.rankings[qid])

    def side(docid: str, how: str = "") -> Side | None:
        text = short(texts.documents.get(docid, ""), TEXT)
        return Side(docid, text, judged.get(docid), how) if docid else None

    rows = [(side(x), side(y, how)) for x, y, how in side_by_side(first, other)]
    return Drill(qid, short(texts.query, QUERY), note, rows)
