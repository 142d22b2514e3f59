"""Compare several rankings with the first, and correct p for the number of comparisons."""

import string
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.compare import Comparison, compare
from rerank_cli.evaluation.evaluate import evaluate
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import Results


class Common(NamedTuple):
    """Judgements of the queries that all rankings have, and a sentence on the queries that were left out."""

    qrels: Qrels | None
    note: str


def keep_common_queries(named: Sequence[tuple[str, Results]], qrels: Qrels | None) -> Common:
    """Leave out of these rankings, and of the judgements, the queries that one of the rankings lacks.

    Raises InputError if nothing is left.
    """
    common = set.intersection(*(set(each.queries) for _, each in named))
    if not common:
        raise InputError("--common-queries: no query is in all files", "Use the same ids in all files.")
    left_out = [f"{name} {len(each.queries) - len(common):,}" for name, each in named]
    kept = None if qrels is None else {qid: grades for qid, grades in qrels.items() if qid in common}
    if qrels is not None and kept is not None:
        left_out.append(f"judgements {len(qrels) - len(kept):,}")
        if not kept:
            raise InputError(
                "--common-queries: none of the queries that are in all files is judged",
                "Use the same ids in all files.",
            )
    for _, each in named:
        each.queries = {qid: ranked for qid, ranked in each.queries.items() if qid in common}
        each.relevance = {qid: grades for qid, grades in each.relevance.items() if qid in common}
    counted = "the query that is" if len(common) == 1 else f"the {len(common):,} queries that are"
    return Common(kept, f"Only {counted} in all files (--common-queries). Left out: {', '.join(left_out)}.")


def compare_all(
    first: Results,
    others: Sequence[Results],
    qrels: Qrels | None = None,
    measures: Sequence[Any] = (),
    *,
    any_scores: bool = False,
    common: str = "",
) -> list[Comparison]:
    """Compare each of the others with the first, as `compare` does. Differences of measures have their `p_holm`.

    `common` is the sentence on queries that were left out, if they were.
    """
    measured = None if qrels is None else evaluate(first, qrels, measures)
    letters = letters_of(1 + len(others))
    done = [
        compare(first, other, qrels, measures, any_scores=any_scores, names=(letters[0], letter), measured=measured)
        for letter, other in zip(letters[1:], others, strict=True)
    ]
    for place in range(len(done[0].differences)):
        corrected = holm([each.differences[place].p_value for each in done])
        for each, p_value in zip(done, corrected, strict=True):
            each.differences[place] = replace(each.differences[place], p_holm=p_value)
    for each in done if common else ():
        each.common = common
        each.notes.insert(0, common)
    return done


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """These p-values, corrected for their number. One that is undefined stays None and counts as a comparison.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    Boytsov, Belova and Westfall, CIKM 2013, use it for rankings that are compared with a baseline.

    >>> holm([0.25, 0.125]), holm([0.125, None]), holm([0.5, 0.5, 0.0])
    ([0.25, 0.25], [0.25, None], [1.0, 1.0, 0.0])
    """
    corrected: list[float | None] = [None] * len(p_values)
    reached = 0.0
    known = [(p_value, place) for place, p_value in enumerate(p_values) if p_value is not None]
    for rank, (p_value, place) in enumerate(sorted(known)):
        reached = max(reached, min(1.0, p_value * (len(p_values) - rank)))
        corrected[place] = reached
    return corrected


def letters_of(count: int) -> list[str]:
    """The letters of so many rankings: A to Z, then AA, AB and so on.

    >>> letters_of(3), letters_of(28)[-3:]
    (['A', 'B', 'C'], ['Z', 'AA', 'AB'])
    """
    letters: list[str] = []
    width = 1
    while len(letters) < count:
        letters += ["".join(each) for each in product(string.ascii_uppercase, repeat=width)]
        width += 1
    return letters[:count]


def equal_rankings(rankings: Sequence[Results]) -> list[list[int]]:
    """The places of rankings with the same documents in the same order, in groups of two or more."""
    orders = [{qid: ranked.docids for qid, ranked in each.queries.items()} for each in rankings]
    groups: list[list[int]] = []
    for place, order in enumerate(orders):
        known = next((group for group in groups if orders[group[0]] == order), None)
        if known is None:
            groups.append([place])
        else:
            known.append(place)
    return [group for group in groups if len(group) > 1]
