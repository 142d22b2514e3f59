"""The charts of a page: ticks, a zero line, and a tooltip for each bar."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.display.page_charts import MOST, Bar, Intervals, axis, bars, sample
from rerank_cli.evaluation.evaluate import Difference

FINITE = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(FINITE, FINITE)
def test_an_axis_has_0_both_values_and_few_round_ticks(one: float, other: float) -> None:
    low, high = sorted((one, other))
    made = axis(low, high)
    assert made.low <= min(low, 0) <= max(high, 0) <= made.high
    assert 0 in made.ticks
    assert 2 <= len(made.ticks) <= 8
    assert made.ticks == sorted(made.ticks)
    assert len({made.label(tick) for tick in made.ticks}) == len(made.ticks)


def parsed(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.sub(r" class=zero>", ' class="zero">', drawing))


def test_each_bar_has_a_tooltip_and_the_chart_ticks_and_a_zero_line() -> None:
    shown = [Bar(-0.5, "q1\nwater & <tea>"), Bar(0.0, "q2"), Bar(1.0, "q3")]
    drawing = parsed(bars(shown, 'gain in "x"'))
    svg = drawing.find("svg")
    assert svg is not None
    assert svg.get("aria-label") == 'gain in "x"'
    assert [each.text for each in svg.iter("title")] == ["q1\nwater & <tea>", "q2", "q3"]
    assert [each.text for each in drawing.iter("span")] == ["−0.5", "0", "+0.5", "+1.0"]
    assert [each.get("class") for each in svg.iter("path")].count("zero") == 1
    assert not list(svg.iter("text"))  # it would be stretched


def test_bars_above_and_below_0_differ_only_where_they_are_gains() -> None:
    shown = [Bar(-0.5, "a"), Bar(0.5, "b")]
    assert {"rise", "fall"} <= set(re.findall(r'class="(\w+)"', bars(shown, "x")))
    assert not {"rise", "fall"} & set(re.findall(r'class="(\w+)"', bars(shown, "x", directed=False)))


def test_one_bar_is_no_chart_and_very_many_are_sampled_with_both_ends() -> None:
    assert bars([Bar(1.0, "q")], "x") == ""
    many = [Bar(float(number), str(number)) for number in range(3 * MOST)]
    kept = sample(many)
    assert len(kept) == MOST
    assert (kept[0], kept[-1]) == (many[0], many[-1])


def test_intervals_share_a_scale_and_one_without_ends_is_not_drawn() -> None:
    known = Difference("AP", 0.1, 0.3, 0.1, 0.3, 0.01, 3, 0, 0)
    none = Difference("R@9", 0.1, 0.1, None, None, None, 0, 0, 3)
    drawn = Intervals([known, none])
    assert drawn.place(-0.01) > 0 > drawn.place(-0.1)
    assert drawn.place(0.1) < drawn.place(0.2) < drawn.place(0.3) < 100
    assert drawn.draw(none) == ""
    assert drawn.drawn
    assert not Intervals([none]).drawn
