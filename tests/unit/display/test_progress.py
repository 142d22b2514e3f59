"""What a person sees of a run."""

import io
import os
import re
import subprocess
import sys
import termios
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from rich.console import Console
from support.making import Clock
from support.running import HANG_S, environment

from rerank_cli.core.stats import Counters, Stats
from rerank_cli.display.progress import Reporter, choose_mode, closing_line, status_line, summary_rows
from rerank_cli.display.progress_bar import fitting, parts_of, run_bar, summary_table

NOW = datetime(2026, 11, 21, 1, 37, 0, 999, tzinfo=UTC)
DOCUMENT = {
    "records": 1200,
    "scored": 1190,
    "failed": 10,
    "pairs": 24000,
    "cached": 0,
    "truncated": 7,
    "resumed_pairs": 0,
    "wall_s": 12.345,
    "scoring_s": 12.0,
    "pairs_per_s": 2000.5,
    "tokens_per_s": 500000.0,
    "ms_per_pair": 0.5,
    "padding_share": 0.0312,
    "busy_share": 0.987,
    "peak_memory_bytes": 300 * 2**20,
    "model": "org/model",
    "weights_sha256": "ab12",
    "device": "cpu",
    "dtype": "fp32",
    "engine": "torch",
    "threads": 2,
    "batch_tokens": 4096,
    "window_tokens": 65536,
    "versions": {"rerank": "1", "python": "CPython 3"},
}


@pytest.mark.parametrize(
    ("wanted", "quiet", "terminal", "term", "mode"),
    [
        ("auto", False, True, "xterm", "bar"),
        ("auto", False, True, "dumb", "lines"),
        ("auto", False, False, "xterm", "lines"),
        ("auto", True, True, "xterm", "none"),
        ("bar", False, False, "dumb", "bar"),
        ("bar", True, True, "xterm", "none"),
        ("lines", False, True, "xterm", "lines"),
        ("none", False, True, "xterm", "none"),
    ],
)
def test_the_mode_follows_the_option_the_terminal_and_quiet(wanted, quiet, terminal, term, mode):
    assert choose_mode(wanted, quiet, terminal, term) == mode


def going_on():
    """A run in the middle: 10 s since its first batch, half of its input read."""
    clock = Clock()
    stats = Stats(clock, earlier=Counters(records=100, scored=100, pairs=2000), bytes_total=2000)
    stats.batch_scored(pairs=12_345, tokens=100_000, padded=125_000, seconds=0)
    clock.now += 10
    stats.done = Counters(records=600, scored=597, failed=3, pairs=12_000, truncated=5)
    stats.bytes_scored, stats.bytes_done = 1000, 900
    return stats


def test_a_status_line_is_key_and_value():
    assert status_line(going_on(), NOW) == (
        "2026-11-21T01:37:00Z saved=700 pairs=14345 failed=3 percent=50 pairs_per_s=1234 eta=00:00:10"
    )


def test_a_status_line_within_the_first_window_counts_pairs_and_has_a_time_left():
    stats = going_on()
    stats.earlier = stats.done = Counters()
    stats.bytes_done = 0
    assert status_line(stats, NOW).endswith("saved=0 pairs=12345 failed=0 percent=50 pairs_per_s=1234 eta=00:00:10")


def test_a_status_line_of_a_run_that_scores_nothing_yet_says_what_it_does_and_no_rate():
    stats = Stats(Clock(), doing="loading the model")
    assert status_line(stats, NOW).endswith('Z saved=0 pairs=0 failed=0 doing="loading the model"')


def test_a_status_line_without_a_size_has_no_percentage():
    stats = going_on()
    stats.bytes_total = None
    assert status_line(stats, NOW).endswith("failed=3 pairs_per_s=1234 eta=--:--:--")


def test_a_slow_rate_is_not_rounded_to_nothing():
    clock = Clock()
    stats = Stats(clock)
    stats.batch_scored(pairs=3, tokens=9, padded=9, seconds=0)
    clock.now += 10
    assert "pairs_per_s=0.3 " in status_line(stats, NOW)


def test_a_closing_line_says_what_the_run_came_to():
    assert closing_line(DOCUMENT, NOW) == (
        "2026-11-21T01:37:00Z done records=1200 scored=1190 failed=10 pairs=24000 truncated=7 wall_s=12.345 "
        "scoring_s=12.0 pairs_per_s=2000.5 tokens_per_s=500000.0"
    )
    assert "resumed_pairs=4000 wall_s=" in closing_line({**DOCUMENT, "resumed_pairs": 4000}, NOW)


# the bar


def console_of(width, terminal=False):
    """A console, and what it writes to."""
    stream = io.StringIO()
    colours = None if not terminal else "standard"
    return Console(file=stream, width=width, highlight=False, force_terminal=terminal, color_system=colours), stream


def drawn(stats, width=160):
    console, stream = console_of(width)
    for renderable in run_bar(stats, console).get_renderables():
        console.print(renderable)
    return stream.getvalue().rstrip("\n")


EVERYTHING = (
    "50% · 14.3k pairs · 1234 pairs/s · 700 saved · 10.0k tokens/s · 20% padding · 5 truncated · 3 failed · "
    "00:00:10 · eta 00:00:10"
)


def test_a_wide_bar_shows_percent_counts_rates_and_times():
    assert drawn(going_on(), 160).endswith(EVERYTHING)


WIDTHS = {  # what is shown
    160: EVERYTHING,
    120: "50% · 14.3k pairs · 1234 pairs/s · 700 saved · 3 failed · 00:00:10 · eta 00:00:10",
    100: "50% · 14.3k pairs · 1234 pairs/s · 3 failed · 00:00:10 · eta 00:00:10",
    80: "50% · 14.3k pairs · 1234 pairs/s · 3 failed · eta 00:00:10",
    60: "50% · 3 failed · eta 00:00:10",
    40: "50% · 3 failed · eta 00:00:10",
    20: "50% · eta 00:00:10",
}


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_bar_shows_depends_on_the_width_and_never_lacks_percent_and_time_left(width):
    line = drawn(going_on(), width)
    assert line.lstrip("━╸╺ ") == WIDTHS[width]
    assert len(line) <= max(width - 4, len(" 50% · eta 00:00:10"))
    assert "\n" not in line


@pytest.mark.parametrize("width", range(24, 200))
def test_at_every_width_there_is_one_line_with_percent_and_time_left(width):
    stats = going_on()
    for failed in (0, 3, 123_456):
        stats.done = Counters(records=failed, failed=failed)
        line = drawn(stats, width)
        assert "50%" in line
        assert "eta 00:00:10" in line
        assert len(line) <= width - 4


def test_zeros_and_padding_go_before_rates_and_times():
    stats = going_on()
    stats.done = Counters(records=600, scored=600)
    lines = [drawn(stats, width) for width in range(40, 200)]
    narrowest = [
        next(place for place, line in enumerate(lines) if part in line)
        for part in ("pairs/s", " pairs ", "00:00:10 · eta", "saved", "tokens/s", "padding", "0 truncated", "0 failed")
    ]
    assert narrowest == sorted(narrowest)
    assert narrowest[-1] <= 160 - 40, "all is shown at 160 columns"


def test_a_bar_follows_the_width_of_the_terminal_from_drawing_to_drawing():
    console, stream = console_of(160)
    (frame,) = run_bar(going_on(), console).get_renderables()
    for width in (160, 80, 120):
        console.width = width
        console.print(frame)
        console.line()
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= width - 4 for line, width in zip(lines, (160, 80, 120), strict=True))
    assert [(" padding" in line, " saved" in line) for line in lines] == [(True, True), (False, False), (False, True)]


def test_what_a_narrower_terminal_broke_into_lines_is_cleared():
    console, stream = console_of(160, terminal=True)
    (frame,) = run_bar(going_on(), console).get_renderables()
    console.print(frame)
    assert "\x1b[1A" not in stream.getvalue()
    for width, lines in ((80, 1), (80, 0), (30, 2)):
        console.width = width
        stream.truncate(0)
        console.print(frame)
        assert stream.getvalue().count("\x1b[1A\x1b[2K") == lines


def test_a_bar_follows_the_statistics_from_drawing_to_drawing():
    stats = going_on()
    assert "700 saved" in drawn(stats)
    stats.done = Counters(records=900, scored=900)
    stats.bytes_done = 2000
    assert "1000 saved" in drawn(stats)
    assert "100%" in drawn(stats)


def test_before_the_first_batch_the_bar_says_what_is_waited_for():
    stats = Stats(Clock(), doing="loading the model")
    assert drawn(stats).endswith("━ loading the model")
    stats.bytes_total, stats.bytes_done = 1000, 430  # of a run that is continued
    assert drawn(stats).endswith(" 43% · loading the model")


@pytest.mark.parametrize("width", [5, 12, 20, 30])
def test_a_line_is_never_as_wide_as_a_narrow_terminal(width):
    console, stream = console_of(width, terminal=True)
    (frame,) = run_bar(Stats(Clock(), doing="reading the first records"), console).get_renderables()
    for _ in range(2):
        console.print(frame)
    assert "\x1b[1A" not in stream.getvalue()
    assert len(drawn(Stats(Clock(), doing="reading the first records"), width)) < width


def test_a_run_not_begun_shows_no_figures():
    assert drawn(Stats(Clock())).endswith("━ starting")


def test_an_input_without_a_size_has_no_percentage_and_no_time_left():
    stats = going_on()
    stats.bytes_total = None
    assert "%" not in drawn(stats).replace("20% padding", "")
    assert "eta" not in drawn(stats)


def screen(text):
    """The lines that stand on a terminal after what rich writes there."""
    lines, at = [""], 0
    for piece in re.findall(r"\r|\n|\x1b\[[0-9;?]*[A-Za-z]|[^\r\n\x1b]+", text):
        if piece == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif piece == "\x1b[1A":
            at -= 1
        elif piece == "\x1b[2K":
            lines[at] = ""
        elif piece[0] not in "\r\x1b":
            lines[at] += piece
    return [line.rstrip() for line in lines if line.strip()]


def left_behind(stats, fault=None):
    """What stands on a terminal of 80 columns after a run."""
    stream = io.StringIO()
    made = Reporter("bar", stream)
    with suppress(ValueError), made.watching(stats):
        made.report("a sentence")
        if fault is not None:
            raise fault
    return screen(stream.getvalue())


@pytest.fixture
def terminal(monkeypatch):
    """Rich takes any stream for a terminal of 80 columns."""
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("fault", [None, ValueError("broken")])
def test_a_run_leaves_one_line_behind_without_a_time_left(terminal, fault):
    sentence, line = left_behind(going_on(), fault)
    assert sentence == "rerank: a sentence"
    assert line.strip("━╸╺ ") == "50% · 14.3k pairs · 1234 pairs/s · 3 failed · 00:00:10"


@pytest.mark.parametrize("fault", [None, ValueError("broken")])
def test_a_run_that_scored_nothing_leaves_no_line_behind(terminal, fault):
    assert left_behind(Stats(Clock(), doing="loading the model"), fault) == ["rerank: a sentence"]


# the reporter


def reporter(mode, quiet=False):
    stream = io.StringIO()
    return Reporter(mode, stream, quiet), stream


@pytest.mark.parametrize("mode", ["bar", "lines", "none"])
def test_a_sentence_is_said_in_every_mode_harmlessly_and_without_markup(mode):
    made, stream = reporter(mode)
    with made.watching(going_on()):
        made.report("[bold]x[/foo] \x1b[31m :smile:")
    assert "rerank: [bold]x[/foo] \\x1b[31m :smile:" in stream.getvalue()


@pytest.mark.parametrize("mode", ["bar", "lines", "none"])
def test_a_sentence_after_the_run_is_said_too(mode):
    made, stream = reporter(mode)
    with made.watching(going_on()):
        pass
    made.report("after")
    assert stream.getvalue().endswith("rerank: after\n")


def test_quiet_says_nothing():
    made, stream = reporter("none", quiet=True)
    with made.watching(going_on()):
        made.report("x")
    made.conclude(DOCUMENT, verbose=True)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("mode", ["bar", "lines", "none"])
def test_a_fault_in_the_run_passes_through(mode):
    made, _ = reporter(mode)
    with pytest.raises(ValueError, match="broken"), made.watching(going_on()):
        raise ValueError("broken")


def test_a_run_ends_with_a_line_where_there_is_no_terminal():
    made, stream = reporter("lines")
    made.conclude(DOCUMENT, verbose=False)
    assert " done records=1200 scored=1190 failed=10 " in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_a_run_ends_with_a_table_on_a_terminal():
    made, stream = reporter("bar")
    made.conclude(DOCUMENT, verbose=False)
    table = stream.getvalue()
    for part in ("1,200 (1,190 scored, 10 failed)", "24,000 (7 truncated)", "12.3 s", "2,000.5 (0.5 ms a pair)"):
        assert part in table
    for part in ("500,000", "3.1%", "98.7%", "300 MiB", "org/model on cpu, fp32 (torch)"):
        assert part in table


def test_a_run_without_progress_ends_silently():
    made, stream = reporter("none")
    made.conclude(DOCUMENT, verbose=False)
    assert stream.getvalue() == ""


def test_verbose_adds_what_the_run_was_made_of():
    made, stream = reporter("lines")
    made.conclude(DOCUMENT, verbose=True)
    said = stream.getvalue()
    for part in ("model=org/model", "weights_sha256=ab12", "rerank=1", "batch_tokens=4096", "threads=2"):
        assert part in said


def test_a_name_in_the_table_is_text_and_never_markup_or_control():
    stream = io.StringIO()
    rows = summary_rows({**DOCUMENT, "model": "[red]a\x1b[31m[/nope]"})
    Console(file=stream, width=120).print(summary_table(rows))
    assert "[red]a\\x1b[31m[/nope] on cpu" in stream.getvalue()


def test_long_runs_are_told_in_hours_and_runs_without_pairs_have_no_time_per_pair():
    rows = dict(summary_rows({**DOCUMENT, "ms_per_pair": 77.712}))
    assert rows["pairs/s"].endswith("(77.7 ms a pair)")
    rows = dict(summary_rows({**DOCUMENT, "wall_s": 3723.0, "ms_per_pair": None, "pairs_per_s": 0.0}))
    assert rows["wall time"] == "01:02:03 (12.0 s of scoring)"
    assert rows["pairs/s"] == "0.0"


def test_a_stream_that_is_closed_does_not_end_the_run():
    made, stream = reporter("lines")
    stream.close()
    with made.watching(going_on()):
        made.report("x")
    made.conclude(DOCUMENT, verbose=True)
    assert stream.closed


AFTER_A_BAR = """
import os, sys, time
from rerank_cli.core.stats import Stats
from rerank_cli.display.progress import Reporter, show_cursor
if sys.argv[1:]:
    with Reporter("bar", sys.stderr).watching(Stats(time.monotonic)):
        pass
print("over", flush=True)
sys.stdin.readline()
show_cursor()
"""


@pytest.mark.parametrize(("arguments", "again"), [(["bar"], b"\x1b[?25h"), ([], b"")])
def test_the_end_of_a_stopped_process_shows_the_cursor_again_since_ctrl_c_empties_a_terminal(arguments, again):
    """A terminal discards what it has not yet shown when Ctrl-C is typed: the sequence that the bar ended with, too."""
    person, device = os.openpty()
    command = [sys.executable, "-c", AFTER_A_BAR, *arguments]
    kinds = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": device, "env": environment(TERM="xterm")}
    with subprocess.Popen(command, **kinds) as process:
        assert process.stdout.readline() == b"over\n"
        termios.tcflush(person, termios.TCIFLUSH)
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(HANG_S) == 0
    os.set_blocking(person, False)
    try:
        assert os.read(person, 4096) == again
    except BlockingIOError:
        assert again == b""
    finally:
        os.close(person)
        os.close(device)


@pytest.mark.parametrize("columns", [90, 120, 200])
def test_the_share_of_known_pairs_is_worth_more_than_what_is_saved(columns):
    stats = Stats(Clock())
    stats.pairs_found(60)
    stats.batch_scored(20, 200, 220, 0.5)
    shown, _ = fitting(parts_of(stats), columns, 3)
    assert "75% cached" in [part.text for part in shown]
    assert not any("tokens/s" in part.text for part in shown)
