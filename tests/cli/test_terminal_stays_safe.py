"""Text from data, names and options reaches the terminal only in a form that cannot act on it."""

import json
import os
import pty
import unicodedata
from pathlib import Path

import pytest
from running import Finished, rerank, started

HOSTILE = "\x1b]0;owned\x07\x1b[31m\r\x08\x00\x7f\u009b2J\u2028\u202e\u2066[bold]x[/bold][link=http://x]"
FAKE = ("--engine", "fake")


def assert_harmless(done: Finished) -> None:
    """No control but the newline, no change of direction, no line separator, and all of it is UTF-8."""
    for stream in (done.stdout, done.stderr):
        text = stream.decode("utf-8")
        wrong = {
            char
            for char in text
            if (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char != "\n")
            or unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        }
        assert wrong == set()


RECORDS = {
    "as query": {"query": HOSTILE, "candidates": ["a"]},
    "as candidate": {"query": "q", "candidates": [HOSTILE]},
    "as id": {"id": HOSTILE, "query": "q", "candidates": ["a"]},
    "as field names": {HOSTILE: 1, "query": "q"},
    "as candidate's field": {"query": "q", "candidates": [{HOSTILE: 1}]},
    "as an id of a wrong kind": {"id": {HOSTILE: 1}, "query": "q", "candidates": ["a"]},
    "as an unknown value": {"query": 7, "candidates": HOSTILE},
}


@pytest.mark.parametrize("place", RECORDS)
def test_hostile_text_in_a_record_is_harmless_in_check_and_in_errors(place: str) -> None:
    good = b'{"query": "q", "candidates": ["a"]}\n'
    raw = json.dumps(RECORDS[place], ensure_ascii=False).encode() + b"\n"
    assert_harmless(rerank("check", "-", stdin=raw))
    for stdin in (raw, good + raw):
        done = rerank("score", "-", "-o", os.devnull, *FAKE, "-v", stdin=stdin)
        assert_harmless(done)
        assert done.code in (0, 3, 4)


def test_hostile_bytes_that_are_no_json_are_harmless() -> None:
    raw = b'{"query": "q", "candidates": ["a"]}\n\x1b[2J\x9b\xff\xfe{"\x1b]52;c;x\x07": 1}\n' + HOSTILE.encode() + b"\n"
    assert_harmless(rerank("check", "-", stdin=raw))
    done = rerank("score", "-", "-o", os.devnull, *FAKE, stdin=raw)
    assert done.code == 3
    assert_harmless(done)


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "{}", "-o", "-"),
        ("score", "-", "-o", "none/{}"),
        ("score", "-", "-o", "-", "--model", "{}"),
        ("score", "-", "-o", "-", "--model", "fake:{}"),
        ("score", "-", "-o", "-", "--engine", "{}"),
        ("score", "-", "-o", "-", "--format", "{}"),
        ("score", "-", "-o", "-", "--max-errors", "{}"),
        ("score", "-", "-o", "-", "--top-k", "{}"),
        ("score", "-", "-o", "-", "--score", "{}"),
        ("score", "-", "-o", "-", "--errors", "none/{}"),
        ("score", "-", "-o", "-", "--query-field", "{}"),
        ("score", "-", "-o", "-", "--{}"),
        ("check", "{}"),
        ("doctor", "--engine", "{}"),
        ("{}",),
    ],
    ids=" ".join,
)
def test_hostile_arguments_are_harmless_in_messages(arguments: tuple[str, ...], tmp_path: Path) -> None:
    text = HOSTILE.replace("\x00", "") + "\udcff"  # what an argument can hold: no NUL, but a byte that is not UTF-8
    done = rerank(*(argument.replace("{}", text) for argument in arguments), stdin=b'{"a": 1}\n', cwd=tmp_path)
    assert done.code in (2, 4, 5, 6)
    assert done.stderr or done.stdout
    assert_harmless(done)


def test_hostile_file_names_are_harmless_and_work(tmp_path: Path) -> None:
    name = HOSTILE.replace("\x00", "").replace("/", "") + ".jsonl"
    (tmp_path / name).write_text('{"query": "q", "candidates": ["a"]}\nbad\n')
    for arguments in (["check", name], ["score", name, "-o", name + ".out", *FAKE, "-v"]):
        done = rerank(*arguments, cwd=tmp_path)
        assert done.code == 3
        assert_harmless(done)
    [error] = [json.loads(line) for line in (tmp_path / f"{name}.out.errors.jsonl").read_bytes().splitlines()]
    assert (error["source"], error["line"]) == (name, 2)


def test_file_names_that_are_not_utf8_work(tmp_path: Path) -> None:
    (tmp_path / "\udcff.jsonl").write_text('{"query": "q", "candidates": ["a"]}\nbad\n')
    done = rerank("score", "\udcff.jsonl", "-o", "\udcff.out", *FAKE, cwd=tmp_path)
    assert done.code == 3
    assert_harmless(done)
    assert len((tmp_path / "\udcff.out").read_bytes().splitlines()) == 1
    assert len((tmp_path / "\udcff.out.errors.jsonl").read_bytes().splitlines()) == 1


def test_a_bar_on_a_terminal_shows_no_sequence_from_data(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"query": "q", "candidates": ["a"]}\n')
    parent, child = pty.openpty()
    model = "fake:slow=\x1b]0;owned\x07"
    arguments = ("score", str(source), "-o", "-", "--model", model, "--progress", "bar")
    with started(*arguments, stderr=child) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                block = os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            shown += block
        assert process.wait(30) == 2
    os.close(parent)
    assert b"\x1b]0;" not in shown
    assert b"owned" in shown


@pytest.mark.parametrize("progress", ["bar", "lines", "none", "auto"])
def test_nothing_but_records_goes_to_standard_output_whatever_the_progress(ten: Path, progress: str) -> None:
    parent, child = pty.openpty()
    with started("score", ten, "-o", "-", *FAKE, "--progress", progress, stderr=child) as process:
        os.close(child)
        stdout = process.stdout.read()
        assert process.wait(30) == 0
    os.close(parent)
    assert len([json.loads(line) for line in stdout.splitlines()]) == 10
    assert b"\x1b" not in stdout
