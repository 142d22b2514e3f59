"""How far two scorings agree."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from rerank_cli.evaluation.agreement import agreement, kendall_tau, overlap

few = st.integers(-3, 3).map(float)


@given(st.lists(st.tuples(few, few), max_size=12))
def test_kendall_tau_is_scipys_tau_b(both: list[tuple[float, float]]) -> None:
    a, b = [x for x, _ in both], [y for _, y in both]
    ours, theirs = kendall_tau(a, b), float(kendalltau(a, b, variant="b").statistic) if len(both) > 1 else math.nan
    assert ours is None if math.isnan(theirs) else ours == pytest.approx(theirs)


def test_equal_scorings_agree_wholly() -> None:
    logits = [[float(n) for n in range(11)], [0.5, -1.0]]
    found = agreement(logits, logits)
    assert (found.max_delta, found.mean_delta, found.kendall_tau, found.top_10) == (0, 0, 1, 1)
    assert (found.queries, found.pairs) == (2, 13)


def test_drift_is_measured_in_standard_deviations_of_the_reference() -> None:
    found = agreement([[0.0, 4.0]], [[0.0, 5.0]])
    assert (found.std, found.max_delta, found.mean_delta) == (2, 1, 0.5)
    assert (found.max_drift, found.mean_drift) == (0.5, 0.25)


def test_overlap_counts_the_ten_best_ties_by_position() -> None:
    a = [float(-i) for i in range(20)]
    assert overlap(a, [0.0] * 20) == 1
    assert overlap(a, list(reversed(a))) == 0
    assert overlap([1.0, 2.0], [2.0, 1.0]) == 1


def test_a_query_without_an_order_has_no_tau() -> None:
    found = agreement([[1.0]], [[2.0]])
    assert found.kendall_tau is None
    assert found.max_drift is None
    assert found.top_10 is None


def test_ten_candidates_or_fewer_say_nothing_about_the_top_ten() -> None:
    up = [float(n) for n in range(20)]
    found = agreement([up, up[:10]], [up[::-1], up[:10]])
    assert found.top_10 == 0


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        agreement([[1.0, 2.0, 3.0]], [[1.1, math.nan, 3.0]])


def test_scorings_of_other_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="same"):
        agreement([[1.0, 2.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"^no "):
        agreement([[]], [[]])
