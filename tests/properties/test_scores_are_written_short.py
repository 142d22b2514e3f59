"""Written logits read back as the same float32 and are as short as numpy's; written scores keep the order."""

import math
from decimal import Decimal

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rerank_cli.core.decimals import as_float32, score_with_digits, short_score, shortest_float32, with_digits
from rerank_cli.core.ranking import rank, sigmoid

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
USUAL = st.floats(-40, 40, width=32)
DIGITS = st.integers(1, 17)


def significant(value):
    """How many significant digits the shortest decimal of a float has."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


def is_power_of_two(value):
    return math.frexp(abs(value))[0] == 0.5


@given(FLOAT32 | USUAL)
@example(as_float32(1e-45))
@example(as_float32(0.1))
@example(as_float32(9.999999))
@example(2.0**-9)
@example(as_float32(999999.94))
@example(-0.0)
def test_a_logit_reads_back_as_the_same_float32(logit):
    short = shortest_float32(logit)
    assert as_float32(short) == logit
    assert math.copysign(1, short) == math.copysign(1, logit)


@given(FLOAT32 | USUAL)
@example(as_float32(0.001))
@example(as_float32(1.1754944e-38))
@example(as_float32(2.9802322e-08))
def test_no_shorter_decimal_of_a_logit_reads_back(logit):
    spare = is_power_of_two(logit) and abs(logit) < 1e-3  # below those, float32 is twice as fine
    assert significant(shortest_float32(logit)) <= significant(float(str(np.float32(logit)))) + spare


@given(USUAL, USUAL)
def test_different_logits_are_written_differently_and_in_order(one, other):
    assume(one < other)
    assert shortest_float32(one) < shortest_float32(other)


@given(st.floats(-110, 110, width=32), st.floats(-110, 110, width=32))
def test_a_larger_logit_never_has_a_smaller_score(one, other):
    low, high = sorted((one, other))
    assert short_score(sigmoid(low)) <= short_score(sigmoid(high))


@given(st.floats(0, 1), st.floats(0, 1), DIGITS)
@example(0.1, math.nextafter(0.1, 0), 3)
@example(0.9, math.nextafter(0.9, 1), 3)
@example(0.5, math.nextafter(0.5, 0), 1)
@example(1.0, math.nextafter(1.0, 0), 1)
def test_rounding_keeps_the_order_of_scores(one, other, digits):
    low, high = sorted((one, other))
    assert short_score(low) <= short_score(high)
    assert score_with_digits(low, digits) <= score_with_digits(high, digits)


@given(st.floats(1 / 32, 16, width=32) | st.floats(-16, -1 / 32, width=32))
def test_neighbouring_logits_have_different_scores(logit):
    above = float(np.nextafter(np.float32(logit), np.float32(math.inf)))
    assert short_score(sigmoid(logit)) < short_score(sigmoid(above))


@given(st.floats(0, 1))
@example(1e-7)
@example(1 - 1e-7)
@example(0.5)
@example(1.0)
@example(5e-324)
def test_a_score_has_nine_digits_of_its_distance_to_the_nearer_end(score):
    short = short_score(score)
    distance = min(Decimal(score), 1 - Decimal(score))
    assert abs(Decimal(short) - Decimal(score)) <= distance * Decimal("5.000001e-9") + Decimal(2**-53)
    if distance > 1e-7:
        written = Decimal(repr(short))
        assert len(min(written, 1 - written).normalize().as_tuple().digits) <= 9


@given(st.floats(0, 1), DIGITS)
def test_a_score_with_digits_is_as_near_as_these_allow(score, digits):
    distance = min(Decimal(score), 1 - Decimal(score))
    error = abs(Decimal(score_with_digits(score, digits)) - Decimal(score))
    assert error <= distance * Decimal(10) ** (1 - digits) / 2 * Decimal("1.000001") + Decimal(2**-53)


@given(USUAL, DIGITS)
def test_digits_of_a_logit_are_at_most_so_many(logit, digits):
    assert significant(with_digits(shortest_float32(logit), digits)) <= min(digits, 9)


@given(st.lists(USUAL, max_size=20), st.none() | DIGITS, st.sampled_from(["sigmoid", "logit"]))
def test_written_values_never_rise_along_a_ranking(logits, digits, kind):
    ranking = rank(logits, digits=digits, score=kind)
    assert ranking.indices == rank(logits).indices
    for values in (ranking.logits, ranking.scores):
        assert list(values) == sorted(values, reverse=True)
