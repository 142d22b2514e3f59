"""The rich half of progress: a bar that reads Stats each time it is drawn, and the table after a run."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn
from rich.table import Column, Table
from rich.text import Text

from rerank_cli.core.stats import Stats
from rerank_cli.display.messages import duration, short

NARROW = 100  # columns: below, the bar leaves out what can be read in the table afterwards


class _Figures(ProgressColumn):
    """The counters and rates beside the bar."""

    max_refresh = None

    def __init__(self, stats: Stats, width: int) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))
        self._stats, self._narrow = stats, width < NARROW

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich asks for it
        """Figures of this moment."""
        stats, total = self._stats, self._stats.total
        if not stats.live.batches:
            return Text("loading the model" if not total.records else "starting", style="dim")
        parts = [
            f"{short(total.records)} records",
            f"{short(stats.per_second(stats.live.pairs))} pairs/s",
        ]
        if not self._narrow:
            parts.append(f"{short(stats.per_second(stats.live.tokens))} tokens/s")
            parts.append(f"{stats.live.padding_share:.0%} padding")
            parts.append(f"{short(total.truncated)} truncated")
        text = Text(" · ".join(parts))
        text.append(f" · {short(total.failed)} failed", style="bold red" if total.failed else "")
        text.append(f" · {duration(stats.wall_s)}", style="cyan")
        if stats.eta_s is not None:
            text.append(f" eta {duration(stats.eta_s)}", style="cyan")
        return text


class _RunProgress(Progress):
    """A Progress whose only task follows Stats."""

    def __init__(self, stats: Stats, console: Console) -> None:
        self._stats = stats
        bar = BarColumn(bar_width=12 if console.width < NARROW else 24)  # pulses while the size is unknown
        figures = _Figures(stats, console.width)
        super().__init__(bar, TaskProgressColumn(), figures, console=console, refresh_per_second=4)
        self._run = self.add_task("", total=None)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Bring the task up to date, then draw."""
        if self._tasks:
            task = self._tasks[self._run]
            task.total, task.completed = self._stats.bytes_total, self._stats.bytes_done
        yield from super().get_renderables()


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
