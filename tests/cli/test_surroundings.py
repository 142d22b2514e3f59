"""RERANK_* variables: which are read, which are refused, their rank; and how much is said."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from support.running import ROOT, forked

from rerank_cli.cli.app import app
from rerank_cli.cli.environment import EARLIER, OPTIONS, READ, variable

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PAGE = ROOT / "rerank_cli" / "docs" / "configuration.md"
FAKE = ("--engine", "fake")


def test_a_flag_wins_over_the_environment_and_that_over_the_default(ten: Path) -> None:
    def lines(*flags: str, **variables: str) -> bytes:
        return forked("score", ten, "-o", "-", *FAKE, *flags, **variables).stderr

    assert lines()
    assert lines(RERANK_PROGRESS="none") == b""
    assert lines("--progress", "lines", RERANK_PROGRESS="none")


def test_a_variable_without_a_value_is_none(ten: Path) -> None:
    assert forked("score", ten, "-o", "-", "-q", RERANK_ENGINE="fake", RERANK_THREADS="", RERANK_TOP_K="").code == 0


def test_a_wrong_variable_is_a_usage_error(ten: Path) -> None:
    done = forked("score", ten, "-o", "-", *FAKE, RERANK_THREADS="many")
    assert done.code == 2
    assert "RERANK_THREADS in the environment" in done.said


def test_variables_that_are_not_ours_are_ignored(ten: Path) -> None:
    others = {"RERANK_SERVICE_HOST": "10.0.0.1", "RERANK_PORT": "tcp://10.0.0.1:80", "RERANK_API_KEY": "secret"}
    assert forked("score", ten, "-o", "-", "-q", *FAKE, **others, RERANK_TAG="a").code == 0


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"RERANK_TOP_K": "5"}, "`top-k = 5`"),
        ({"RERANK_MIN_SCORE": "0.5"}, "`min-score = 0.5`"),
        ({"RERANK_MAX_ERRORS": "5"}, '`max-errors = "5"`'),
        ({"RERANK_OVERWRITE": "1"}, "`overwrite = true`"),
        ({"RERANK_NO_TEXT": "false"}, "`no-text = false`"),
        ({"RERANK_CORPUS": "a b"}, '`corpus = ["a", "b"]`'),
        ({"RERANK_DOC_TEMPLATE": 'a\n"{text}"\x1b'}, r'`doc-template = "a\n\"{text}\"\u001b"`'),
        ({"RERANK_SCORE": "logit", "RERANK_LIMIT": "x"}, 'each on its own line: `limit = "x"`, `score = "logit"`'),
    ],
    ids=str,
)
def test_a_variable_of_an_earlier_version_is_refused_with_the_line_to_write(
    ten: Path, tmp_path: Path, value: dict[str, str], line: str
) -> None:
    done = forked("score", ten, "-o", "out.jsonl", *FAKE, cwd=tmp_path, **value)
    assert done.code == 2
    assert all(name in done.said for name in value)
    assert line in done.said
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("command", "name", "line"),
    [
        ("export", "RERANK_EXPORT_DTYPE", 'dtype = "int8"'),
        ("train", "RERANK_TRAIN_DTYPE", 'dtype = "int8"'),
        ("mine", "RERANK_MINE_DTYPE", 'dtype = "int8"'),
        ("compare", "RERANK_MOVED", 'moved = "int8"'),
    ],
)
def test_each_command_refuses_what_it_read(command: str, name: str, line: str) -> None:
    done = forked(command, **{name: "int8"})
    assert done.code == 2
    assert name in done.said
    assert line in done.said
    assert forked("check", "-", **{name: "int8"}).code == 0


@pytest.mark.parametrize("arguments", [("score", "--help"), ("score", "-h"), ("--help",), ("help",)], ids=str)
def test_help_works_whatever_the_environment_holds(arguments: tuple[str, ...]) -> None:
    plain, around = forked(*arguments), forked(*arguments, RERANK_TOP_K="5")
    assert (around.code, around.stdout, around.stderr) == (plain.code, plain.stdout, plain.stderr)


def test_no_option_has_a_variable_but_those_of_the_machine_and_the_person() -> None:
    variables = {each.envvar for command in COMMANDS.values() for each in command.params if each.envvar}
    assert variables == {variable(name) for name in OPTIONS}
    for command in ("train", "mine", "export"):
        assert all(each.envvar is None for each in COMMANDS[command].params if "--dtype" in each.opts), command


def test_the_closed_list_names_options_that_commands_have() -> None:
    for command, names in EARLIER.items():
        options = {opt for each in COMMANDS[command].params for opt in each.opts}
        for name in names.split():
            assert f"--{name.removeprefix(f'{command}-')}" in options, (command, name)


def test_quiet_is_silent_on_success_and_speaks_on_failure(ten: Path, tmp_path: Path) -> None:
    done = forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, "-q")
    assert (done.code, done.stdout, done.stderr) == (0, b"", b"")
    again = forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, "-q")
    assert again.code == 8
    assert again.stderr


def test_lines_of_progress_are_plain_and_dated(ten: Path) -> None:
    done = forked("score", ten, "-o", "-", *FAKE)
    opening, _, last = done.said.partition("\n")
    assert opening == f"rerank: scoring {ten} (10 records, {ten.stat().st_size / 1000:.1f} kB) with fake, fp32"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ done( [a-z_]+=[0-9.]+)+\n", last)
    assert forked("score", ten, "-o", "-", *FAKE, "--progress", "none").stderr == b""


def test_verbose_says_what_the_run_was_made_of(ten: Path) -> None:
    said = forked("score", ten, "-o", "-", *FAKE, "-v").said
    for name in ("model=fake", "batch_tokens=", "window_tokens=", "threads=", "rerank="):
        assert name in said


def test_the_page_lists_the_variables_that_are_read() -> None:
    rows = re.findall(r"^\| `(RERANK_\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(variable(name) for name in READ)
