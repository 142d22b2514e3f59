"""What is said to a person: one line, named after the tool, whatever became of the stream."""

import io
import os
import sys

import pytest

from rerank_cli.core.errors import PipeClosed
from rerank_cli.display.messages import duration, print_line, report, short


def test_a_sentence_is_one_line_named_after_the_tool():
    stream = io.StringIO()
    report("first\nsecond", stream)
    assert stream.getvalue() == "rerank: first\\nsecond\n"


def test_what_the_encoding_of_a_stream_has_not_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    report("漢 é \udce9", stream)
    assert stream.buffer.getvalue() == b"rerank: \\u6f22 \\xe9 \\udce9\n"


def test_a_closed_stream_is_no_reason_to_fail():
    stream = io.StringIO()
    stream.close()
    report("nobody listens", stream)
    assert stream.closed


def test_a_full_stream_is_no_reason_to_fail():
    with open("/dev/full", "wb", buffering=0) as full:
        stream = io.TextIOWrapper(full, write_through=True)
        report("no room", stream)
        with pytest.raises(OSError, match="28"):
            stream.write("there really is none")


def test_without_a_standard_error_nothing_is_said_and_nothing_fails(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    report("nobody is there")
    assert sys.stderr is None


def test_a_line_of_a_report_goes_to_standard_output_harmlessly(capsys):
    print_line("a\x1b[31mb")
    assert capsys.readouterr().out == "a\\x1b[31mb\n"


def test_a_report_whose_reader_went_away_ends_quietly(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as raw:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, write_through=True))
        with pytest.raises(PipeClosed):
            print_line("a line")
        monkeypatch.undo()


def test_without_a_standard_output_a_report_is_not_shown(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    print_line("nobody is there")
    assert sys.stdout is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "--:--:--"), (0, "00:00:00"), (59.9, "00:00:59"), (3723.4, "01:02:03"), (360000, "100:00:00")],
)
def test_durations_are_hours_minutes_and_seconds(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (7, "7"), (7.25, "7.2"), (100.5, "100"), (9999, "9999"), (10_000, "10.0k"), (6_000_000, "6.00M")],
)
def test_counts_are_short(count, shown):
    assert short(count) == shown


@pytest.mark.parametrize("count", [99.99, 9_999.9, 99_999, 999_999, 99_999_999, 123_456_789, 12_345_678_901])
def test_a_short_count_has_at_most_four_digits(count):
    assert sum(char.isdigit() for char in short(count)) <= 4
