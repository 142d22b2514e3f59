"""Sentences on what a comparison cannot show: few judged queries, queries in one ranking alone, short lists."""

import re
from collections.abc import Iterable, Sequence

from rerank_cli.evaluation.rankings import Ranked

# Coverage of the 95 % interval (percentiles of a bootstrap), simulated: 3,000 samples of n gains with a known mean.
# n                        3     5    10    15    20    50
# normal                0.75  0.83  0.90  0.91  0.94  0.94
# skewed, as of nDCG    0.74  0.84  0.88  0.91  0.93  0.94
# mostly 0, as of RR    0.54  0.62  0.73  0.80  0.82  0.91
FEW = 20  # judged queries below which the interval is too narrow for any of these
ENOUGH = 50
CUTOFF = re.compile(r"@(\d+)$")


def on_few(queries: int, *, has_interval: bool) -> list[str]:
    """That these judged queries are too few for a conclusion; [] if they are enough.

    >>> on_few(1, has_interval=False)
    ['Only 1 judged query: the gain is a hint, not evidence. For a decision, judge 50 or more.']
    """
    if queries >= FEW:
        return []
    counted = "1 judged query" if queries == 1 else f"{queries} judged queries"
    narrow = "the interval is too narrow, and " if has_interval else ""
    return [f"Only {counted}: {narrow}the gain is a hint, not evidence. For a decision, judge {ENOUGH} or more."]


def on_lost(names: tuple[str, str], lost: int) -> list[str]:
    """That so many judged queries have results in the first ranking alone; [] for none.

    >>> on_lost(("bm25.run", "a.run"), 18)
    ['18 judged queries have results in bm25.run and none in a.run: they count as losses.']
    """
    if not lost:
        return []
    counted = "1 judged query has" if lost == 1 else f"{lost:,} judged queries have"
    it = "it counts as a loss" if lost == 1 else "they count as losses"
    return [f"{counted} results in {names[0]} and none in {names[1]}: {it}."]


def longest(rankings: Iterable[Ranked]) -> int:
    """The length of the longest ranking."""
    return max((len(each.docids) for each in rankings), default=0)


def deepest(measures: Iterable[str]) -> int:
    """The deepest rank at which a measure with a cutoff looks; 0 without one.

    >>> deepest(["nDCG@10", "R@100", "AP"])
    100
    """
    return max((int(found[1]) for name in measures if (found := CUTOFF.search(name))), default=0)


def on_lengths(names: tuple[str, str], lengths: tuple[int, int], depth: int) -> list[str]:
    """That the longest list of one ranking ends before the rank `depth`, and that of the other later; else [].

    >>> on_lengths(("A", "B"), (13, 3), 10)
    ['B has at most 3 documents per query, A up to 13.']
    """
    (short, which), (long, other) = sorted(zip(lengths, names, strict=True))
    if not 0 < short < min(long, depth):
        return []
    documents = "1 document" if short == 1 else f"{short:,} documents"
    return [f"{which} has at most {documents} per query, {other} up to {long:,}."]


def on_measures(lengths: Sequence[int], depth: int) -> list[str]:
    """What measures down to `depth` compare, if a longest list ends before; else []."""
    short = min(lengths)
    if not 0 < short < min(depth, max(lengths)):
        return []
    return [
        f"Measures beyond rank {short:,} compare lists of {short:,} with lists of up to {min(depth, max(lengths)):,}."
    ]


def most_overlap(pairs: Iterable[tuple[Ranked, Ranked]], top: int) -> float:
    """The largest overlap at `top` that lists of these lengths can have: the mean over pairs; 1 without pairs."""
    most = []
    for pair in pairs:
        short, long = sorted(min(top, len(each.docids)) for each in pair)
        most.append(short / long if long else 1.0)
    return sum(most) / len(most) if most else 1.0
