"""RERANK_* variables and their rank, and how much is said."""

import re
from pathlib import Path

import pytest
from support.running import forked

FAKE = ("--engine", "fake")


def test_a_flag_wins_over_the_environment_and_that_over_the_default(ten: Path) -> None:
    def kept(*flags: str, **variables: str) -> int:
        done = forked("score", ten, "-o", "-", *FAKE, "-q", *flags, **variables)
        return len(done.records[0]["candidates"])

    assert kept() == 4
    assert kept(RERANK_TOP_K="1") == 1
    assert kept("--top-k", "2", RERANK_TOP_K="1") == 2


def test_flags_without_a_value_are_variables_too(ten: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    for _ in range(2):
        done = forked("score", ten, "-o", output, *FAKE, RERANK_OVERWRITE="1", RERANK_NO_TEXT="true", RERANK_QUIET="1")
        assert (done.code, done.stderr) == (0, b"")
    assert b'"text"' not in output.read_bytes()
    assert forked("score", ten, "-o", output, *FAKE, RERANK_OVERWRITE="0").code == 8


def test_a_whole_run_can_be_configured_by_the_environment(ten: Path, tmp_path: Path) -> None:
    done = forked("score", ten, RERANK_OUTPUT=str(tmp_path / "out.jsonl"), RERANK_MODEL="fake", RERANK_LIMIT="3")
    assert done.code == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 3


def test_a_wrong_variable_is_a_usage_error(ten: Path) -> None:
    assert forked("score", ten, "-o", "-", *FAKE, RERANK_TOP_K="many").code == 2
    assert forked("score", ten, "-o", "-", *FAKE, RERANK_MAX_ERRORS="many").code == 2


@pytest.mark.parametrize("command", ["score", "check", "doctor"])
def test_every_option_has_its_variable(command: str) -> None:
    shown = re.sub(r"\s+", " ", forked(command, "--help").stdout.decode())
    options = set(re.findall(r" --([a-z-]+) ", shown.partition("Options:")[2])) - {"help"}
    assert len(options) > 7
    for option in options:
        assert f"RERANK_{option.replace('-', '_').upper()}" in shown, option


def test_quiet_is_silent_on_success_and_speaks_on_failure(ten: Path, tmp_path: Path) -> None:
    done = forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, "-q")
    assert (done.code, done.stdout, done.stderr) == (0, b"", b"")
    again = forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, "-q")
    assert again.code == 8
    assert again.stderr


def test_lines_of_progress_are_plain_and_dated(ten: Path) -> None:
    done = forked("score", ten, "-o", "-", *FAKE)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ done( [a-z_]+=[0-9.]+)+\n", done.said)
    assert forked("score", ten, "-o", "-", *FAKE, "--progress", "none").stderr == b""


def test_verbose_says_what_the_run_was_made_of(ten: Path) -> None:
    said = forked("score", ten, "-o", "-", *FAKE, "-v").said
    for name in ("model=fake", "batch_tokens=", "window_tokens=", "threads=", "rerank="):
        assert name in said
