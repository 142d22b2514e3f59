"""Compare two or more files of results, with or without judgements.

Without judgements, rankings are compared by their common top documents, rank-biased overlap, Kendall's tau, and scores.
With judgements, their measures are compared too. The first file is the reference.
"""

import math
import statistics
from bisect import bisect_left, insort
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.cautions import deepest, longest, most_overlap, on_lengths, on_lost, on_measures
from rerank_cli.evaluation.evaluate import Difference, Evaluation, differences, evaluate, few_queries
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import Ranked, Results

TOP = 10
PERSISTENCE = 0.9  # parameter of rank-biased overlap: the first ten ranks have 86 % of the weight
SAME = "="  # of a document that did not move
SHOWN = 5  # queries that moved most


@dataclass(frozen=True, slots=True)
class Move:
    """A query in both rankings. `gain` is the difference of the first measure, if there are judgements."""

    qid: str
    overlap: float
    rbo: float
    tau: float | None
    gain: float | None = None
    moved: bool = True  # whether the two rankings differ at all


@dataclass(slots=True)
class Comparison:
    """A file compared with the first. `drift` is the mean |difference| of scores, `std` the first's standard deviation.

    `why_no_drift` says why scores are not compared: "A has the tag 'bm25', not 'rerank'".
    `moves` are the queries of both files, those that moved most first: by `gain` with judgements, else by `rbo`.
    `names` are the letters of the two files in reports.
    """

    first: str
    other: str
    queries: int
    only_first: int
    only_other: int
    overlap: float
    rbo: float
    tau: float | None
    drift: float | None
    std: float | None
    moves: list[Move]
    why_no_drift: str = ""
    differences: list[Difference] = field(default_factory=list)
    evaluations: tuple[Evaluation, Evaluation] | None = None
    notes: list[str] = field(default_factory=list)  # what the figures cannot show
    names: tuple[str, str] = ("A", "B")
    judged: str = ""  # how many queries the measures are of, and which file has them
    common: str = ""  # which queries were left out of both

    def moved_most(self, count: int) -> list[Move]:
        """The queries whose rankings differ, at most `count`, those that moved most first."""
        return [move for move in self.moves if move.moved][:count]

    def as_dict(self) -> dict[str, Any]:
        """The figures by name, without the queries."""
        names = ("first", "other", "queries", "only_first", "only_other", "overlap", "rbo", "tau", "drift", "std")
        return {name: getattr(self, name) for name in names}


def compare(
    first: Results,
    other: Results,
    qrels: Qrels | None = None,
    measures: Sequence[Any] = (),
    *,
    any_scores: bool = False,
    names: tuple[str, str] = ("A", "B"),
    measured: Evaluation | None = None,
) -> Comparison:
    """Compare two files. Raises InputError when they have no query, or no judged query, in common.

    Scores are compared where both files have logits, with `any_scores` also where they have other scores. `measured`
    has the measures of the first file, if they are known.
    """
    common = [qid for qid in first.queries if qid in other.queries]
    if not common:
        ids = [next(iter(each.queries), "none") for each in (first, other)]
        raise InputError(
            f"{first.name} and {other.name}: no query in common ({ids[0]!r}, {ids[1]!r})",
            "Use the same ids in both files.",
        )
    moves = [_move(qid, first.queries[qid], other.queries[qid]) for qid in common]
    taus = [move.tau for move in moves if move.tau is not None]
    why_no_drift = _why_no_drift(dict(zip(names, (first, other), strict=True)), any_scores)
    drift, std = (None, None) if why_no_drift else _drift(first, other, common)
    comparison = Comparison(
        first.name,
        other.name,
        len(common),
        len(first.queries) - len(common),
        len(other.queries) - len(common),
        statistics.fmean(move.overlap for move in moves),
        statistics.fmean(move.rbo for move in moves),
        statistics.fmean(taus) if taus else None,
        drift,
        std,
        sorted(moves, key=lambda move: move.rbo),
        why_no_drift or ("" if drift is not None else "no common document has finite scores"),
        names=names,
    )
    if qrels is not None:
        comparison.evaluations = measured or evaluate(first, qrels, measures), evaluate(other, qrels, measures)
        _add_measures(comparison, *comparison.evaluations, list(qrels))
        comparison.judged, lost = _judged(names, qrels.keys(), first.queries.keys(), other.queries.keys())
        comparison.notes += on_lost(names, lost)
    comparison.notes += _notes(comparison, [(first.queries[qid], other.queries[qid]) for qid in common])
    return comparison


def _judged(names: tuple[str, str], judged: Set[str], first: Set[str], other: Set[str]) -> tuple[str, int]:
    """Judged queries by the files that have results for them, and the number of those that only the first has."""
    both, lost = len(judged & first & other), len(judged & first - other)
    won, neither = len(judged & other - first), len(judged - first - other)
    by_file = f"in both {both:,}, only {names[0]} {lost:,}, only {names[1]} {won:,}, in neither {neither:,}"
    return f"{len(judged):,} ({by_file})", lost


def _notes(comparison: Comparison, pairs: Sequence[tuple[Ranked, Ranked]]) -> list[str]:
    """Notes on too few judged queries, and on lists that end before the ranks that are compared."""
    lengths = longest(first for first, _ in pairs), longest(other for _, other in pairs)
    depth = deepest(each.measure for each in comparison.differences)
    notes = [*few_queries(comparison.differences), *on_lengths(comparison.names, lengths, max(TOP, depth))]
    if min(lengths) < TOP and (most := most_overlap(pairs, TOP)) < 1:
        notes.append(f"overlap@{TOP} can be at most {most:.4f}.")
    return [*notes, *on_measures(lengths, depth)]


def _add_measures(comparison: Comparison, first: Evaluation, other: Evaluation, qids: list[str]) -> None:
    """Add the differences of the measures, and sort the queries by their difference of the first measure."""
    before, after = first.values, other.values
    comparison.differences = differences(before, after, first.means, other.means, qids)
    leading = next(iter(after))
    gains = {qid: after[leading].get(qid, 0.0) - before[leading].get(qid, 0.0) for qid in qids}
    judged = [replace(move, gain=gains[move.qid]) for move in comparison.moves if move.qid in gains]
    comparison.moves = sorted(judged, key=lambda move: (-abs(move.gain or 0.0), move.rbo))


def _move(qid: str, first: Ranked, other: Ranked) -> Move:
    a, b = first.docids, other.docids
    depth = min(TOP, max(len(a), len(b)))
    shared = len(set(a[:TOP]) & set(b[:TOP])) / depth if depth else 1.0
    return Move(qid, shared, rank_biased_overlap(a, b), tau_of_orders(a, b), moved=a != b)


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = PERSISTENCE) -> float:
    """Rank-biased overlap of two rankings, extrapolated beyond their ends: 1 if they are equal, 0 if disjoint.

    Source: Webber, Moffat and Zobel, A similarity measure for indefinite rankings, TOIS 28 (2010), equation 32, which
    for rankings of equal length is their equation 23.

    >>> [round(rank_biased_overlap("abc", other), 4) for other in ("abc", "bac", "xyz")]
    [1.0, 0.9, 0.0]
    """
    short, long = sorted((a, b), key=len)
    if not short:
        return float(not long)
    seen_short: set[str] = set()
    seen_long: set[str] = set()
    shared, shared_short, total = 0, 0, 0.0
    for depth, docid in enumerate(long, 1):
        seen_long.add(docid)
        if depth <= len(short):
            other = short[depth - 1]
            seen_short.add(other)
            shared += (docid in seen_short) + (other in seen_long) - (docid == other)
            shared_short = shared
        else:
            shared += docid in seen_short
            total += shared_short * (depth - len(short)) / (len(short) * depth) * p**depth
        total += shared / depth * p**depth
    rest = (shared - shared_short) / len(long) + shared_short / len(short)
    return (1 - p) / p * total + rest * p ** len(long)


def tau_of_orders(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Kendall's tau over the common documents of two rankings; None with fewer than two.

    >>> tau_of_orders("abcd", "abdc"), tau_of_orders("ab", "ba"), tau_of_orders("a", "a")
    (0.6666666666666667, -1.0, None)
    """
    places = {docid: place for place, docid in enumerate(b)}
    order = [places[docid] for docid in a if docid in places]
    if len(order) < 2:
        return None
    passed: list[int] = []
    inversions = 0
    for place in order:
        inversions += len(passed) - bisect_left(passed, place)
        insort(passed, place)
    return 1 - 4 * inversions / (len(order) * (len(order) - 1))


def _why_no_drift(named: dict[str, Results], any_scores: bool) -> str:
    """Why the scores of two files are not compared; "" if they are. Files without any scores come first."""
    for name, each in sorted(named.items(), key=lambda pair: pair[1].has_scores):
        if not (each.scored or any_scores) or not each.has_scores:
            return f"{name} has {each.why_no_logits}{'; --any-scores compares them' if each.has_scores else ''}"
    return ""


def _drift(first: Results, other: Results, common: Sequence[str]) -> tuple[float | None, float | None]:
    """The mean |difference| of the scores of common documents, and the standard deviation of the first's scores."""
    count = 0
    total = squares = differences = 0.0
    for qid in common:
        a, b = first.queries[qid], other.queries[qid]
        scores = dict(zip(b.docids, b.scores, strict=True))
        for docid, score in zip(a.docids, a.scores, strict=True):
            if docid in scores:
                count += 1
                total += score
                squares += score * score
                differences += abs(score - scores[docid])
    if not count:
        return None, None
    mean = total / count
    drift, variance = differences / count, squares / count - mean * mean
    if not (math.isfinite(drift) and math.isfinite(variance)):  # overflow of very large scores
        return None, None
    return drift, max(0.0, variance) ** 0.5


class Places(NamedTuple):
    """The documents of two rankings at one rank ("" for none), and the movement of the other's."""

    first: str
    other: str
    movement: str


def side_by_side(first: Ranked, other: Ranked, depth: int = TOP) -> list[Places]:
    """The top of both rankings, rank by rank.

    >>> from array import array
    >>> side_by_side(Ranked(("a", "b"), array("d")), Ranked(("b", "c"), array("d")))
    [Places(first='a', other='b', movement='↑1'), Places(first='b', other='c', movement='new')]
    """
    before = {docid: place for place, docid in enumerate(first.docids)}
    rows = []
    for place in range(min(depth, max(len(first.docids), len(other.docids)))):
        a = first.docids[place] if place < len(first.docids) else ""
        b = other.docids[place] if place < len(other.docids) else ""
        rows.append(Places(a, b, movement(before.get(b), place) if b else ""))
    return rows


def movement(before: int | None, after: int) -> str:
    """The movement of a document between two ranks, as text."""
    if before is None:
        return "new"
    return SAME if before == after else f"↑{before - after}" if after < before else f"↓{after - before}"
