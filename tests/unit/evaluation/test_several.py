"""Several rankings against the first: letters, corrected p-values, equal rankings."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.evaluation.measures import parse_measures
from rerank_cli.evaluation.rankings import Ranked, Results
from rerank_cli.evaluation.several import compare_all, equal_rankings, holm, letters_of

P_VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=8)
QRELS = {f"q{n}": {"a": 1} for n in range(6)}


def results(name: str, orders: list[str]) -> Results:
    queries = {f"q{n}": Ranked(tuple(order), array("d", range(len(order), 0, -1))) for n, order in enumerate(orders)}
    return Results(name, queries=queries)


@given(P_VALUES)
def test_holm_rejects_what_its_steps_reject(p_values):
    alpha = 0.05
    rejected = set()
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    for step, (p, place) in enumerate(known):
        if p * (len(p_values) - step) >= alpha:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p is not None and p < alpha} == rejected


@given(P_VALUES)
def test_corrected_p_are_never_smaller_and_at_most_one(p_values):
    for before, after in zip(p_values, holm(p_values), strict=True):
        assert (before is None) == (after is None)
        assert before is None or before <= after <= 1


def test_each_is_compared_with_the_first_under_a_letter_of_its_own():
    first, *others = (results(name, ["abc"] * 6) for name in "xyz")
    others[1].has_scores = False
    done = compare_all(first, others)
    assert [each.names for each in done] == [("A", "B"), ("A", "C")]
    assert done[1].why_no_drift == "C has no scores"
    assert len(set(letters_of(1000))) == 1000


def test_p_is_corrected_for_the_number_of_rankings_and_for_two_is_unchanged():
    first = results("x", ["cba", "cba", "cab", "bca", "cba", "acb"])
    others = [results(str(n), ["abc", "abc", "abc", "bac", "cab", "cab"][n:] + ["abc"] * n) for n in range(3)]
    measures = parse_measures("RR@10 AP")
    done = compare_all(first, others, QRELS, measures)
    for place in range(2):
        plain = [each.differences[place].p_value for each in done]
        assert [each.differences[place].p_holm for each in done] == pytest.approx(holm(plain))
        assert done[0].differences[place].p_holm > plain[0]
    (alone,) = compare_all(first, others[:1], QRELS, measures)
    assert [each.p_holm for each in alone.differences] == [each.p_value for each in alone.differences]
    assert [each.p_value for each in alone.differences] == [each.p_value for each in done[0].differences]


def test_rankings_with_the_same_orders_are_found_whatever_their_scores():
    rankings = [results(str(n), orders) for n, orders in enumerate((["ab"], ["ba"], ["ab"], ["ab", "a"], ["ba"]))]
    rankings[2].queries["q0"].scores[:] = array("d", [9, 8])
    assert equal_rankings(rankings) == [[0, 2], [1, 4]]
    assert equal_rankings(rankings[:2]) == []
