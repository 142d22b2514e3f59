"""The rich half of progress: a bar that reads Stats each time it is drawn, and the table after a run.

What stands next to the bar is decided for each frame by the width of the terminal at that moment. A frame leaves the
last columns free, so that the ^C which a terminal shows there does not begin another line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.progress import Progress
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from rerank_cli.core.stats import Stats
from rerank_cli.display.messages import duration, short

FREE = 4  # columns at the end of a line: for ^C, and so that no line is full
LEAST_BAR, MOST_BAR = 8, 24  # columns of the bar itself
NUMBER = 6  # columns that a number is given, so that parts do not come and go with its digits


@dataclass(frozen=True, slots=True)
class Part:
    """A figure next to the bar. The one with the lowest `rank` is worth most; 0 is never left out."""

    rank: int
    text: str
    reserved: int  # columns
    style: str = ""


BAR = Part(2, "", LEAST_BAR + 1)  # worth less than a failure and more than a rate


def counted(rank: int, value: str, name: str, style: str = "") -> Part:
    """A part that is a number and what it counts."""
    return Part(rank, f"{value} {name}", NUMBER + 1 + len(name), style)


def parts_of(stats: Stats, over: bool = False) -> Iterator[Part]:
    """The figures of this moment, in the order in which they are shown; once a run is `over` there is no time left."""
    total, share = stats.total, stats.share_done
    if share is not None:
        yield Part(0, f"{share:>4.0%}", 4)
    if doing := stats.doing or ("" if stats.has_begun else "starting"):
        yield Part(0, doing, len(doing), "dim")
        return
    yield counted(4, short(stats.pairs_scored), "pairs")
    yield counted(3, short(stats.per_second(stats.live.pairs)), "pairs/s")
    cached = stats.live.cached > 0
    yield counted(8 if cached else 6, short(total.records), "saved")
    if cached:
        yield counted(6, f"{stats.cached_share:.0%}", "cached")
    else:
        yield counted(8, short(stats.per_second(stats.live.tokens)), "tokens/s")
    yield counted(9, f"{stats.live.padding_share:.0%}", "padding")
    yield counted(7 if total.truncated else 10, short(total.truncated), "truncated")
    yield counted(1 if total.failed else 11, short(total.failed), "failed", "bold red" if total.failed else "")
    yield Part(5, duration(stats.wall_s), 8, "cyan")
    if stats.eta_s is not None and not over:
        yield Part(0, f"eta {duration(stats.eta_s)}", 12, "cyan")


def fitting(parts: Iterable[Part], columns: int, between: int) -> tuple[list[Part], int]:
    """Those parts for which there is room, and the columns left for the bar (0: no bar).

    Parts are left out from the one that is worth least.
    """
    every = list(parts)
    room, kept, bar = columns - FREE + between, set(), 0
    for part in sorted([*every, BAR], key=lambda part: part.rank):
        needed = part.reserved + (0 if part is BAR else between)
        if part.rank and needed > room:
            break
        room -= needed
        kept.add(part.rank)
    if BAR.rank in kept:
        bar = min(MOST_BAR, LEAST_BAR + room)
    return [part for part in every if part.rank in kept], bar


class Frame:
    """The line as it is to be drawn now; it clears what is left of the one before, where the terminal became narrower.

    Such a terminal has broken that line into several, of which rich clears the last.
    """

    def __init__(self, stats: Stats) -> None:
        self.over = False
        self._stats, self._drawn = stats, 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        between = ", " if options.ascii_only else " · "
        parts, bar = fitting(parts_of(self._stats, self.over), options.max_width, len(between))
        if console.is_terminal and self._drawn >= options.max_width:
            above = (self._drawn - 1) // options.max_width
            yield Control(*((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * above)
        figures = Text(between).join(Text(part.text, part.style) for part in parts)
        figures = Text(" " if bar else "", end="", no_wrap=True, overflow="ellipsis").append(figures)
        figures.truncate(max(1, options.max_width - bar - 1), overflow="ellipsis")
        self._drawn = bar + figures.cell_len
        if bar:
            share = self._stats.share_done
            yield ProgressBar(total=None if share is None else 1.0, completed=share or 0.0, width=bar)
        yield figures


class _RunProgress(Progress):
    """A Progress of one line that follows Stats. It leaves the line behind, but for a run that has scored nothing."""

    def __init__(self, stats: Stats, console: Console) -> None:
        self._stats, self._frame = stats, Frame(stats)
        super().__init__(console=console, refresh_per_second=4)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The line."""
        yield self._frame

    def stop(self) -> None:
        """Draw the line for the last time, or take it away."""
        self._frame.over = True
        if self._stats.has_begun and not self._stats.doing:
            super().stop()
        else:
            self.live.transient = True
            self.live.stop()


def run_bar(stats: Stats, console: Console) -> Progress:
    """The bar of a run; a context manager that draws while it is entered."""
    return _RunProgress(stats, console)


def summary_table(rows: Iterable[tuple[str, str]]) -> Table:
    """Two columns, names and values; the values are text, never markup."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table
