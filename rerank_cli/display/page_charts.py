"""The charts of a page: bars per query, and intervals, as HTML and SVG without scripts.

Text is HTML and lines do not scale, so that a drawing may take any width without distorting either.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from rerank_cli.core.printable import printable_page
from rerank_cli.evaluation.evaluate import Difference

MOST = 1000  # bars: more are thinner than a pixel
TICKS = 5  # intervals between ticks, at most
SOON = 0.35  # of a step: an axis is extended so far to end at a tick
TOUCHING = 200  # bars: more have no gaps between them
FEWEST = 2  # bars of a chart
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LEAST = 0.01  # height of a bar that is drawn, in units of a drawing
HEIGHT = 100.0  # units of a drawing


class Bar(NamedTuple):
    """A query in a chart: its value, and what is shown when it is pointed at."""

    value: float
    says: str


class Axis(NamedTuple):
    """An axis from `low` to `high`, with its ticks in ascending order."""

    low: float
    high: float
    ticks: list[float]

    def place(self, value: float) -> float:
        """The distance of a value from the top, in units of a drawing."""
        return HEIGHT * (self.high - value) / (self.high - self.low)

    def label(self, tick: float) -> str:
        """A tick as text, with as many decimals as the step needs and a sign where some are negative."""
        step = self.ticks[1] - self.ticks[0]
        digits = next(count for count in range(12) if abs(step - round(step, count)) < step * 1e-6)
        if abs(tick) < step / 2:
            return "0"
        return (f"{tick:+.{digits}f}" if self.low < 0 else f"{tick:.{digits}f}").replace("-", "−")


def axis(low: float, high: float) -> Axis:
    """An axis with round ticks that has 0 and both values on it. It ends at a value or at a tick soon after.

    >>> axis(-0.67, 1.0), axis(0.0, 0.58)
    (Axis(low=-0.67, high=1.0, ticks=[-0.5, 0.0, 0.5, 1.0]), Axis(low=0.0, high=0.6, ticks=[0.0, 0.2, 0.4, 0.6]))
    """
    low, high = min(low, 0.0), max(high, 0.0)
    span = high - low or 1.0
    power = 10.0 ** (math.floor(math.log10(span)) - 1)
    step = next(each for factor in (1, 10) for each in (power * factor * one for one in STEPS) if span / each <= TICKS)
    first, last = math.ceil(low / step - SOON), math.floor(high / step + SOON)
    ticks = [round(place * step, 12) for place in range(first, max(last, first + 1) + 1)]
    return Axis(min(low, ticks[0]), max(high, ticks[-1]), ticks)


def bars(shown: Sequence[Bar], about: str, *, directed: bool = True) -> str:
    """A chart of bars in this order; "" for fewer than two. `directed`: those above and below 0 differ in colour."""
    if len(shown) < FEWEST:
        return ""
    values = [bar.value for bar in shown]
    scale = axis(min(values), max(values))
    drawn = sample(shown)
    count = len(drawn)
    lines = "".join(f"M0 {scale.place(tick):.6g}h{count}" for tick in scale.ticks)
    marks = _drawn(drawn, scale, directed=directed) + "".join(_spot(place, bar) for place, bar in enumerate(drawn))
    labels = "".join(
        f'<span style="top:{scale.place(tick):.6g}%"{" class=zero" if not tick else ""}>{scale.label(tick)}</span>'
        for tick in scale.ticks
    )
    return (
        f'<div class="plot" style="--bars:{count}"><div class="ticks" aria-hidden="true">{labels}</div>'
        f'<svg viewBox="0 0 {count} {HEIGHT:g}" preserveAspectRatio="none" role="img" aria-label="{escape(about)}">'
        f'<path class="grid" d="{lines}"/>{marks}<path class="zero" d="M0 {scale.place(0):.6g}h{count}"/></svg></div>'
    )


def sample(shown: Sequence[Bar]) -> Sequence[Bar]:
    """At most MOST bars, evenly spaced, the first and the last among them."""
    if len(shown) <= MOST:
        return shown
    return [shown[round(place * (len(shown) - 1) / (MOST - 1))] for place in range(MOST)]


def _drawn(drawn: Sequence[Bar], scale: Axis, *, directed: bool) -> str:
    """The bars as one path, or those above and below 0 as one each."""
    gap = 0.16 if len(drawn) <= TOUCHING else 0.0
    zero = scale.place(0)
    paths: dict[str, list[str]] = {}
    for place, bar in enumerate(drawn):
        if abs((top := scale.place(bar.value)) - zero) >= LEAST:
            kind = "all" if not directed else "rise" if bar.value > 0 else "fall"
            path = f"M{place + gap / 2:g} {zero:.4g}h{1 - gap:g}V{top:.4g}h{gap - 1:g}z"
            paths.setdefault(kind, []).append(path)
    return "".join(f'<path class="{kind}" d="{"".join(path)}"/>' for kind, path in paths.items())


def _spot(place: int, bar: Bar) -> str:
    """Where to point at to see what a bar says: above and below it too, since it may be short."""
    says = escape(printable_page(bar.says), quote=False)
    return f'<path class="spot" d="M{place} 0h1v{HEIGHT:g}h-1z"><title>{says}</title></path>'


class Intervals:
    """The intervals of several differences, drawn on one scale."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        known = [each for each in differences if each.low is not None and each.high is not None]
        low = min([0.0, *(each.low or 0.0 for each in known)])
        high = max([0.0, *(each.high or 0.0 for each in known)])
        margin = 0.04 * (high - low or 1.0)
        self._low, self._span = low - margin, high - low + 2 * margin
        self.drawn = bool(known)

    def place(self, value: float) -> float:
        """The distance of a value from the left, in percent."""
        return 100 * (value - self._low) / self._span

    def draw(self, difference: Difference) -> str:
        """A difference as a dot on a line that ends where its interval does; "" without an interval."""
        if difference.low is None or difference.high is None:
            return ""
        low, gain, high = (self.place(value) for value in (difference.low, difference.gain, difference.high))
        return (
            f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><path class="zero" '
            f'd="M{self.place(0):.4g} 0v10"/><path d="M{low:.4g} 5H{high:.4g}"/><path class="dot" d="M{gain:.4g} 5h0"/>'
            f"</svg>"
        )
