"""An input without any record is a success that is noticed: a line on standard error, and nothing with --quiet."""

from pathlib import Path

import pytest
from support.running import forked

FAKE = ("-o", "-", "--engine", "fake", "--progress", "none")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_run_without_records_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none.jsonl").write_bytes(content)
    done = forked("score", "none.jsonl", *FAKE, cwd=tmp_path)
    assert (done.code, done.stdout) == (0, b"")
    assert "rerank: none.jsonl: no records; the output is empty" in done.said.splitlines()
    assert forked("score", "none.jsonl", *FAKE, "-q", cwd=tmp_path).stderr == b""


def test_several_inputs_are_named(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_bytes(b"")
    assert "rerank: a, b, c, …: no records; the output is empty" in forked("score", *"abcd", *FAKE, cwd=tmp_path).said


def test_standard_input_is_named_too() -> None:
    assert "rerank: <stdin>: no records; the output is empty" in forked("score", "-", *FAKE).said


def test_a_run_that_was_to_read_none_says_nothing(ten: Path) -> None:
    assert "no records" not in forked("score", ten, *FAKE, "--limit", "0").said
    assert "no records" not in forked("score", ten, *FAKE).said


def test_check_says_so_too(tmp_path: Path, ten: Path) -> None:
    (tmp_path / "none.jsonl").write_bytes(b"")
    done = forked("check", "none.jsonl", cwd=tmp_path)
    assert (done.code, done.stdout.decode().splitlines()[-1]) == (0, "none.jsonl: no records")
    assert b"no records" not in forked("check", ten).stdout
