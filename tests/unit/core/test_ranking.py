"""Order, ties, cuts and scores."""

import math

import pytest
from support.making import float32

from rerank_cli.core.decimals import as_float32
from rerank_cli.core.ranking import Ranking, rank, sigmoid
from rerank_cli.evaluation import results
from rerank_cli.formats import trec


def test_the_best_comes_first():
    assert rank([0.5, -1.0, 3.0]).indices == (2, 0, 1)
    assert rank([0.5, -1.0, 3.0]).logits == (3.0, 0.5, -1.0)


def test_ties_keep_the_input_order():
    assert rank([1.0, 2.0, 1.0, 2.0]).indices == (1, 3, 0, 2)


def test_zero_and_minus_zero_are_a_tie():
    assert rank([-0.0, 0.0, -0.0]).indices == (0, 1, 2)


def test_scores_are_sigmoids_unless_logits_are_asked_for():
    assert rank([0.0, 2.0]).scores == (0.880797078, 0.5)
    assert rank([0.0, 2.0], score="logit").scores == (2.0, 0.0)


def test_logits_that_a_half_precision_sigmoid_would_tie_are_still_told_apart():
    ranking = rank([17.0, 18.0])
    assert ranking.indices == (1, 0)
    assert ranking.scores[0] > ranking.scores[1]


def test_top_k_keeps_the_first_k():
    assert rank([1.0, 3.0, 2.0], top_k=2).indices == (1, 2)
    assert rank([1.0, 3.0], top_k=5).indices == (1, 0)


def test_min_score_is_in_units_of_the_score_and_keeps_what_equals_it():
    assert rank([0.0, 1.0, -1.0], min_score=0.5).indices == (1, 0)
    assert rank([0.0, 1.0, -1.0], min_score=1.0, score="logit").indices == (1,)
    assert rank([0.0, 1.0], min_score=0.99) == Ranking((), (), ())


def test_digits_are_those_of_score_and_logit_and_choose_nothing():
    logits = [float32(value) for value in (2.4268472, 2.4272, -3.17)]
    assert rank(logits, digits=3).logits == (2.43, 2.43, -3.17)
    assert rank(logits, digits=3).indices == (1, 0, 2)
    assert rank(logits, digits=3).scores == (0.9189, 0.9189, 0.0403)
    assert rank(logits, digits=2, score="logit").scores == (2.4, 2.4, -3.2)
    assert rank(logits, digits=1, min_score=0.91887).indices == (1,)  # 0.92, as the other is too


def test_digits_beyond_those_of_a_float32_show_no_more_of_a_logit():
    assert rank([float32(2.4268472)], digits=17).logits == (2.4268472,)
    assert rank([float32(2.4268472)], digits=17).scores == (sigmoid(float32(2.4268472)),)


def test_no_candidates_give_an_empty_ranking():
    assert rank([], top_k=3, min_score=0.1) == Ranking((), (), ())


def test_truncated_names_only_candidates_that_are_kept():
    assert rank([1.0, 3.0, 2.0], top_k=2, truncated=frozenset({0, 2})).truncated == {2}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_logit_that_is_not_finite_is_never_ranked(bad):
    with pytest.raises(ValueError, match="finite"):
        rank([1.0, bad, 2.0])


@pytest.mark.parametrize(
    ("logit", "value"), [(0.0, 0.5), (-0.0, 0.5), (1e38, 1.0), (-1e38, 0.0), (-745.0, 5e-324), (800.0, 1.0)]
)
def test_sigmoid_does_not_overflow_at_either_end(logit, value):
    assert sigmoid(logit) == value


def test_float32_values_are_kept_and_others_are_rounded_to_the_nearest():
    rounded = [as_float32(value) for value in (0.1, 1.0, -2.5, 3.4e38)]
    assert rounded == [0.10000000149011612, 1.0, -2.5, 3.3999999521443642e38]
    assert math.isnan(as_float32(math.nan))


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (1e39, math.inf),
        (-1e39, -math.inf),
        (3.4028235677973362e38, 3.4028234663852886e38),  # the last before the middle between the largest and 2**128
        (3.4028235677973366e38, math.inf),  # the middle, which rounds to even
        (math.inf, math.inf),
    ],
)
def test_what_float32_cannot_hold_is_infinite_and_never_an_error(value, rounded):
    assert as_float32(value) == rounded


def test_runs_are_written_and_read_with_the_rounding_of_the_ranking():
    assert trec.as_float32 is results.as_float32 is as_float32
