"""Progress of a training, or of encoding texts: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from datetime import UTC, datetime
from typing import Any

from rerank_cli.core.stats import Clock
from rerank_cli.display.messages import duration
from rerank_cli.display.progress import LINE_EVERY_S, Mode, Reporter


class TrainingProgress:
    """Shows steps, the last loss and measure, and the remaining time. Used as a context manager."""

    def __init__(self, reporter: Reporter, clock: Clock = time.monotonic, unit: str = "step") -> None:
        """`unit` is the name of a step."""
        self._reporter, self._clock, self._unit = reporter, clock, unit
        self._mode: Mode = reporter.mode
        self._known: dict[str, float] = {}
        self._done = self._first = self._total = 0
        self._started = self._said = clock()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, step: int, total: int) -> None:
        """Start after `step` of `total` steps."""
        self._done, self._first, self._total = step, step, total
        self._started = self._said = self._clock()
        if self._mode == "bar":
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            console = Console(file=sys.stderr)
            self._bar = Progress(BarColumn(24), TextColumn("{task.description}"), console=console)
            self._task = self._bar.add_task(self.figures_now(), total=total, completed=step)
            self._bar.start()

    def step(self, done: int) -> None:
        """Show that `done` steps are complete."""
        self._done = done
        self._show()

    def more(self, count: int) -> None:
        """Add `count` complete steps."""
        self.step(self._done + count)

    def figures(self, found: dict[str, float]) -> None:
        """Show a loss or a measure; a measure is always shown."""
        self._known.update(found)
        if self._mode == "lines" and "loss" not in found:
            self._line()
        self._show()

    def figures_now(self) -> str:
        """The current figures in one line."""
        seconds = self._clock() - self._started
        steps = self._done - self._first
        left = "?" if not steps else duration((self._total - self._done) * seconds / steps)
        known = " · ".join(f"{name} {value:.4f}" for name, value in self._known.items())
        return " · ".join(
            filter(None, [f"{self._unit} {self._done:,}/{self._total:,}", known, duration(seconds), f"eta {left}"])
        )

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self.figures_now())
        elif self._mode == "lines" and self._clock() - self._said >= LINE_EVERY_S:
            self._line()

    def _line(self) -> None:
        self._said = self._clock()
        known = [f"{name}={value:.4f}" for name, value in self._known.items()]
        done = [f"{self._unit}={self._done}", f"{self._unit}s={self._total}"]
        self._reporter.report_line(" ".join([f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", *done, *known]))
