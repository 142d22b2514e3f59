"""What a person sees of a run: a bar on a terminal, plain lines elsewhere, a small table at the end.

It only reads Stats. The bar is drawn by rich's own thread; lines are `key=value`, so that a log can be searched.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

from rerank_cli.core.printable import printable
from rerank_cli.core.stats import Stats
from rerank_cli.display.messages import duration, report
from rerank_cli.display.run_summary import summary_rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

Mode = Literal["bar", "lines", "none"]
LINE_EVERY_S = 30.0
FIRST_LINE_S = 5.0  # after which the first line comes, if something is scored by then
STDERR = 2
SHOWN_S = 0.05  # enough for a terminal to show what was written; a pseudoterminal cannot be asked when it has


def choose_mode(wanted: str, quiet: bool, terminal: bool, term: str) -> Mode:
    """`auto` is a bar on a terminal that can draw one, lines elsewhere; quiet is none."""
    if quiet:
        return "none"
    if wanted == "auto":
        return "bar" if terminal and term != "dumb" else "lines"
    return "bar" if wanted == "bar" else "lines" if wanted == "lines" else "none"


def status_line(stats: Stats, now: datetime) -> str:
    """One plain line on a run that goes on. `saved` are records: it stands still within a window, `pairs` moves."""
    total, share, rate = stats.total, stats.share_done, stats.per_second(stats.live.pairs)
    begun = f"{now:%Y-%m-%dT%H:%M:%SZ} saved={total.records} pairs={stats.pairs_scored} failed={total.failed}"
    if stats.doing:
        return f'{begun} doing="{stats.doing}"'
    percent = "" if share is None else f" percent={share * 100:.0f}"
    return f"{begun}{percent} pairs_per_s={rate:.{0 if rate >= 100 else 1}f} eta={duration(stats.eta_s)}"


def closing_line(document: dict[str, Any], now: datetime) -> str:
    """One plain line on a run that is over."""
    counts = ("records", "scored", "failed", "pairs", "truncated", *(("cached",) if document["cached"] else ()))
    vectors = tuple(name for name in ("vectors_found", "vectors_computed") if name in document)
    resumed = ("resumed_pairs",) if document["resumed_pairs"] else ()  # not in the rates
    sent = tuple(name for name in ("requests", "retried_requests", "billed") if document.get(name) is not None)
    rates = ("pairs_per_s",) if sent else ("pairs_per_s", "tokens_per_s")
    names = (*counts, *vectors, *sent, *resumed, "wall_s", "scoring_s", *rates)
    shown = {name: "unknown" if document[name] is None else document[name] for name in names}
    for stage in document.get("stages", ()):
        if "busy_s" in stage:
            shown[f"stage_{stage['stage']}_pairs"] = stage["pairs"]
            shown[f"stage_{stage['stage']}_s"] = round(stage["busy_s"], 3)
    return f"{now:%Y-%m-%dT%H:%M:%SZ} done " + " ".join(f"{name}={value}" for name, value in shown.items())


class Deaf:
    """A stream that does not complain: a terminal or a reader that went away is no reason to end a run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_bar_began = threading.Event()  # never cleared: Ctrl-C empties a terminal, of the end of the bar too


_showing = threading.Lock()


def show_cursor() -> None:
    """Give the terminal its cursor back if there ever was a bar: for the end of a process that was stopped.

    Ctrl-C makes a terminal discard what it has not shown yet. Until it had time to show this, it does not.
    """
    if not _bar_began.is_set() or not os.isatty(STDERR):
        return
    with _showing:
        modes = _keep_output(STDERR)
        with suppress(OSError):
            os.write(STDERR, b"\x1b[?25h")
        if modes is not None:
            time.sleep(SHOWN_S)
            _set_modes(STDERR, modes)


def replace_bar(sentence: str) -> None:
    """Write a sentence where a bar is still drawn, for a process that ends with its main thread inside a library."""
    if _bar_began.is_set() and os.isatty(STDERR):
        with suppress(OSError):
            os.write(STDERR, f"\r\x1b[2Krerank: {sentence}\r\n".encode())


def _keep_output(terminal: int) -> list[Any] | None:
    """Have a terminal keep its output on Ctrl-C; its modes before, or None where they are not ours to change.

    A process in the background may not change them, and Ctrl-C does not reach it.
    """
    import termios

    local = 3  # the place of the local modes
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return None
        modes = termios.tcgetattr(terminal)
    except (OSError, termios.error):
        return None
    _set_modes(terminal, [*modes[:local], modes[local] | termios.NOFLSH, *modes[local + 1 :]])
    return modes


def _set_modes(terminal: int, modes: list[Any]) -> None:
    import termios

    with suppress(OSError, termios.error):  # it is gone
        termios.tcsetattr(terminal, termios.TCSANOW, modes)


def _stop(bar: "Bar") -> None:
    with suppress(IndexError):  # rich's, when the start was interrupted: there is no hook to remove
        bar.stop()


def _printer_above(bar: "Bar", console: "Console") -> Callable[[str], None]:
    """What prints a sentence above a bar; the bar first has a look at the width of the terminal."""
    from rich.text import Text

    def print_above(sentence: str) -> None:
        bar.refresh()
        console.print(Text(sentence))

    return print_above


class Reporter:
    """Says sentences and shows progress in the chosen mode; `stream` is standard error."""

    def __init__(self, mode: Mode, stream: TextIO, quiet: bool = False) -> None:
        self.mode, self._stream, self._quiet = mode, stream, quiet
        self._above_bar: Callable[[str], None] | None = None

    def report(self, sentence: str) -> None:
        """A sentence for the user, above the bar if there is one; nothing when quiet."""
        if not self._quiet:
            self._say(sentence)

    def _say(self, sentence: str) -> None:
        if self._above_bar is not None:
            self._above_bar(f"rerank: {printable(sentence)}")
        else:
            report(sentence, self._stream)

    def warn(self, sentence: str) -> None:
        """A sentence on what may be wrong with a result: quiet does not hide it."""
        self._say(f"warning: {sentence}")

    def announce(self, sentence: str) -> None:
        """A sentence about what will happen: part of what --progress shows."""
        if self.mode != "none":
            self.report(sentence)

    def report_line(self, text: str) -> None:
        """A line of a report; nothing when quiet."""
        if not self._quiet:
            self._plain(printable(text))

    @contextmanager
    def watching(self, stats: Stats) -> Iterator[None]:
        """Show progress while the block runs."""
        if self.mode == "bar":
            with self._bar(stats):
                yield
        elif self.mode == "lines":
            with self._lines(stats):
                yield
        else:
            yield

    @contextmanager
    def _lines(self, stats: Stats) -> Iterator[None]:
        over = threading.Event()

        def report_status() -> None:
            waited = 0.0
            while not over.wait(FIRST_LINE_S):
                waited += FIRST_LINE_S
                if stats.has_begun or waited >= LINE_EVERY_S:
                    break
            while not over.is_set():
                self._plain(status_line(stats, datetime.now(UTC)))
                over.wait(LINE_EVERY_S)

        threading.Thread(target=report_status, name="progress", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _plain(self, line: str) -> None:
        try:
            print(line, file=self._stream, flush=True)
        except (OSError, ValueError):
            return  # nobody listens; the run goes on

    @contextmanager
    def _bar(self, stats: Stats) -> Iterator[None]:
        from rich.console import Console

        from rerank_cli.display.progress_bar import run_bar

        console = Console(file=cast("TextIO", Deaf(self._stream)), highlight=False, markup=False, emoji=False)
        bar = run_bar(stats, console)
        with ExitStack() as last:  # a signal may come at any step of this, that of starting the bar included
            last.callback(console.show_cursor)
            last.callback(_stop, bar)
            _bar_began.set()
            bar.start()
            self._above_bar = _printer_above(bar, console)
            try:
                yield
            finally:
                self._above_bar = None

    def conclude(self, document: dict[str, Any], verbose: bool) -> None:
        """After the run: a table on a terminal, a line elsewhere; `verbose` adds what the run was made of."""
        if verbose:
            made_of = {"model": document["model"], "weights_sha256": document["weights_sha256"], **document["versions"]}
            made_of |= {name: document[name] for name in ("batch_tokens", "window_tokens", "threads")}
            self.report(" ".join(f"{name}={value}" for name, value in made_of.items()))
        if self.mode == "bar":
            from rich.console import Console

            from rerank_cli.display.progress_bar import summary_table

            Console(file=cast("TextIO", Deaf(self._stream)), highlight=False).print(
                summary_table(summary_rows(document))
            )
        elif self.mode == "lines":
            self._plain(closing_line(document, datetime.now(UTC)))


def monotonic_seconds() -> float:
    """The clock of a run: seconds that never go backwards."""
    return time.monotonic()
