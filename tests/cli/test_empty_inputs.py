"""An input without any record is a success that is noticed: a warning, or for standard input a note.

Only an INPUT that nobody named must hold something: an empty variable of a shell names none.
"""

from pathlib import Path

import pytest
from support.running import forked

FAKE = ("-o", "-", "--engine", "fake", "--progress", "none")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_run_without_records_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none.jsonl").write_bytes(content)
    done = forked("score", "none.jsonl", *FAKE, cwd=tmp_path)
    assert (done.code, done.stdout) == (0, b"")
    assert "rerank: warning: none.jsonl: no records; the output is empty" in done.said.splitlines()
    quiet = forked("score", "none.jsonl", *FAKE, "-q", cwd=tmp_path)
    assert "rerank: warning: none.jsonl: no records; the output is empty" in quiet.said.splitlines()


def test_several_inputs_are_named(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_bytes(b"")
    assert (
        "rerank: warning: a, b, c, …: no records; the output is empty"
        in forked("score", *"abcd", *FAKE, cwd=tmp_path).said
    )


def test_standard_input_is_named_too() -> None:
    assert "rerank: <stdin>: no records; the output is empty" in forked("score", "-", *FAKE).said
    assert "no records" not in forked("score", "-", *FAKE, "-q").said


def test_a_run_that_was_to_read_none_says_nothing(ten: Path) -> None:
    assert "no records" not in forked("score", ten, *FAKE, "--limit", "0").said
    assert "no records" not in forked("score", ten, *FAKE).said


def test_check_says_so_too(tmp_path: Path, ten: Path) -> None:
    (tmp_path / "none.jsonl").write_bytes(b"")
    done = forked("check", "none.jsonl", cwd=tmp_path)
    assert (done.code, done.stdout.decode().splitlines()[-1]) == (0, "none.jsonl: no records")
    assert b"no records" not in forked("check", ten).stdout


@pytest.mark.parametrize("format", ["auto", "native", "csv"])
def test_an_input_that_nobody_named_must_not_be_empty(tmp_path: Path, format: str) -> None:
    """`rerank score $F -o keep.jsonl --overwrite` in cron, where F is empty."""
    (tmp_path / "keep.jsonl").write_bytes(b"good\n")
    options = ("--engine", "fake", "--overwrite", "--resume", "-q", "--format", format)
    for stdin in (b"", Path("/dev/null")):
        done = forked("score", "-o", "keep.jsonl", *options, cwd=tmp_path, stdin=stdin)
        assert (done.code, [path.name for path in tmp_path.iterdir()]) == (2, ["keep.jsonl"])
        assert (tmp_path / "keep.jsonl").read_bytes() == b"good\n"
        first, second = done.said.splitlines()
        assert "no INPUT" in first
        assert "standard input is empty" in first
        assert "`-`" in second


@pytest.mark.parametrize("command", ["check", "convert -o keep.jsonl --overwrite", "score --dry-run --engine fake"])
def test_every_command_refuses_it(tmp_path: Path, command: str) -> None:
    (tmp_path / "keep.jsonl").write_bytes(b"good\n")
    assert forked(*command.split(), cwd=tmp_path).code == 2
    assert forked(*command.split(), "-", cwd=tmp_path).code in (0, 8)
    assert forked(*command.split(), cwd=tmp_path, stdin=b"\n").code in (0, 8)


def test_a_filter_that_selects_nothing_is_a_success(tmp_path: Path) -> None:
    """`jq … | rerank score - -o out.jsonl`, with the dash."""
    assert forked("score", "-", "-o", "out.jsonl", "--engine", "fake", cwd=tmp_path).code == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""
