"""How many digits of a score are written: as few as distinguish it, so that files are short and keep their order.

A logit is a float32, of which the shortest decimal that reads back as the same float32 is enough: 2.4268472 for
2.426847219467163. A score between 0 and 1 is written with DIGITS significant digits of its distance to the nearer end,
so that scores near 1 are distinguished as well as those near 0.

The values stay Python floats; rounded ones are those whose `repr`, and whose JSON, is short. The trade refused: numpy,
which writes float32 in this way, but takes longer to import than a small run takes.
"""

import math
from array import array
from bisect import bisect_right

DIGITS = 9  # of a score, unless others are asked for
MOST_DIGITS = 17  # more than these, a float64 has not

_FLOAT32_DIGITS = 9  # always enough for a float32
_SAFE_DIGITS = 6  # a decimal of so many digits is never lost in a float32
_LEAST, _MOST = 1e-3, 1e6  # sizes between which the arithmetic of `shortest_float32` is exact
_DECADES = tuple(10.0**exponent for exponent in range(-2, 6))
_NINE, _EIGHT, _SEVEN, _SIX = (
    tuple(10.0 ** (digits - 1 - exponent) for exponent in range(-3, 6)) for digits in (9, 8, 7, 6)
)
_ULPS = 2.0**28  # of a float64: half a unit in the last place of a float32
_FINEST = 1e-7  # of the distance to 1: nearer to it, float64 has no more than DIGITS digits
_SMALLEST = 1e-14  # of a score that is rounded by arithmetic
_SMALL_DECADES = tuple(float(f"1e{exponent}") for exponent in range(-14, 0))
_SMALL_SCALES = tuple(10.0 ** (DIGITS - 1 - exponent) for exponent in range(-15, 0))


def as_float32(value: float) -> float:
    """The nearest float32, as a Python float, which holds each float32 exactly.

    Beyond the range of float32 it is infinite, as a cast in C has it: so evaluators read a run.

    >>> as_float32(0.1), as_float32(3.4e38), as_float32(-1e39)
    (0.10000000149011612, 3.3999999521443642e+38, -inf)
    """
    return array("f", (value,))[0]


def shortest_float32(value: float) -> float:
    """The shortest decimal that a float32 `value` is the nearest float32 of, as a Python float.

    >>> shortest_float32(0.10000000149011612), shortest_float32(2.426847219467163), shortest_float32(-8.0)
    (0.1, 2.4268472, -8.0)
    """
    size = abs(value)
    if not _LEAST <= size < _MOST:
        return _by_text(value)
    decade, room = bisect_right(_DECADES, size), math.ulp(value) * _ULPS
    scale = _SEVEN[decade]
    near = round(value * scale) / scale
    if abs(near - value) < room:
        scale = _SIX[decade]
        shorter = round(value * scale) / scale
        return shorter if abs(shorter - value) < room else near
    scale = _EIGHT[decade]
    near = round(value * scale) / scale
    if abs(near - value) < room:
        return near
    scale = _NINE[decade]
    return round(value * scale) / scale


def _by_text(value: float) -> float:
    for digits in range(1, _FLOAT32_DIGITS):
        short = float(f"{value:.{digits}g}")
        if as_float32(short) == value:
            return short
    return float(f"{value:.{_FLOAT32_DIGITS}g}")


def short_score(score: float) -> float:
    """A score between 0 and 1 with DIGITS significant digits of its distance to the nearer end.

    A larger score is never made the smaller one.

    >>> short_score(0.918851733167), short_score(0.99999995860062), short_score(4.1399375473e-08)
    (0.9188517332, 0.99999995860062, 4.13993755e-08)
    """
    distance = score if score < 0.5 else 1.0 - score
    if distance < (_SMALLEST if score < 0.5 else _FINEST):
        return score_with_digits(score, DIGITS)
    scale = _SMALL_SCALES[bisect_right(_SMALL_DECADES, distance)]
    return round(score * scale) / scale


def score_with_digits(score: float, digits: int) -> float:
    """A score between 0 and 1 with so many significant digits of its distance to the nearer end.

    >>> score_with_digits(0.918851733, 3), score_with_digits(0.00123456, 3), score_with_digits(0.99999995860062, 3)
    (0.9189, 0.00123, 0.9999999586)
    """
    if not 0.5 <= score < 1:
        return with_digits(score, digits)
    return round(score, digits - 1 - math.floor(math.log10(1 - score)))


def with_digits(value: float, digits: int) -> float:
    """A number with so many significant digits.

    >>> with_digits(2.4268472, 3), with_digits(-17.0, 1)
    (2.43, -20.0)
    """
    return float(f"{value:.{digits}g}")
