"""Help: an example close to the top, -h short, --help whole and in groups, each text understandable alone."""

import re
from typing import Any

import pytest
import typer.main
from support.running import forked

from rerank_cli.cli.app import COMMANDS, app
from rerank_cli.cli.completing import first_sentence
from rerank_cli.cli.option_groups import GROUP_OF, GROUPS, MOST, MOST_USED, long_name

READING = [
    "--format",
    "--query-field",
    "--candidates-field",
    "--text-field",
    "--id-field",
    "--limit",
    "--max-line-bytes",
    "--max-candidates",
]
MODEL = [
    "--model",
    "--revision",
    "--offline",
    "--engine",
    "--device",
    "--dtype",
    "--max-length",
    "--query-max-length",
    "--threads",
]
RUNNING = [
    "--output",
    "--output-format",
    "--top-k",
    "--min-score",
    "--no-text",
    "--score",
    "--overwrite",
    "--resume",
    "--errors",
    "--max-errors",
    "--strict",
    "--batch-tokens",
    "--window-tokens",
    "--progress",
    "--quiet",
    "--stats",
]
PROMISED = {"score": READING + MODEL + RUNNING, "check": READING, "doctor": MODEL}
SHORT = {"score": ["-o", "-m", "-q", "-v", "-h"], "check": ["-h"], "doctor": ["-m", "-h"]}
NEAR_THE_TOP = 8  # lines

LOADED: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
WIDTHS = (60, 80, 100, 120, 160)  # columns
ONE_LINE = 62  # characters beside an option in zsh and fish
LEANING = ("of", "its", "their", "his", "as", "it", "they", "these", "those", "instead")  # needs the line above


def options_of(command: str) -> list[Any]:
    """The options of a command but for --help."""
    return [each for each in LOADED[command].params if each.param_type_name == "option" and not each.hidden]


def shown(*command: str, option: str = "--help", columns: int = 100) -> str:
    done = forked(*command, option, COLUMNS=str(columns))
    assert (done.code, done.stderr) == (0, b"")
    return done.stdout.decode()


def named(text: str) -> set[str]:
    """The long options that help lists, each at the beginning of a line."""
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_begins_with_an_example_that_can_be_pasted(command: str, option: str) -> None:
    top = shown(command, option=option).splitlines()[: NEAR_THE_TOP + 2]
    assert any(line.startswith(f"  rerank {command}") for line in top)


def test_help_of_the_whole_begins_with_an_example_too() -> None:
    assert any(line.strip() == "rerank score input.jsonl -o out.jsonl" for line in shown().splitlines()[:NEAR_THE_TOP])


def test_help_of_the_whole_names_every_command_with_what_it_does() -> None:
    listed = re.findall(r"^  (\w+)  +(\S.+)$", shown(columns=80).partition("Commands:")[2], flags=re.MULTILINE)
    assert listed == [(name, row.says) for name, row in COMMANDS.items()]


@pytest.mark.parametrize("command", PROMISED)
def test_help_names_every_promised_option(command: str) -> None:
    assert set(PROMISED[command]) - named(shown(command)) == set()
    assert all(re.search(rf"^  {short}, --", shown(command), flags=re.MULTILINE) for short in SHORT[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_whole_help_has_every_option_once_and_in_its_group(command: str) -> None:
    text = shown(command)
    assert named(text) == {f"--{long_name(each)}" for each in options_of(command)} | {"--help"}
    for title, rows in re.findall(r"^(\w+):\n((?:  .*\n)+)", text, flags=re.MULTILINE):
        if title != "Arguments":
            assert {GROUP_OF[name.removeprefix("--")] for name in named(rows)} == {title}


@pytest.mark.parametrize("command", COMMANDS)
def test_short_help_has_what_people_use_and_says_where_the_others_are(command: str) -> None:
    text = shown(command, option="-h")
    known = {long_name(each) for each in options_of(command)}
    used = {f"--{name}" for name in MOST_USED.get(command, "").split() if name in known}
    assert named(text) == (used or {"--help"})
    assert len(used) <= MOST
    assert len(re.findall(r"^  rerank ", text, flags=re.MULTILINE)) == 1
    assert not used or f"`rerank {command} --help` shows all" in text


def test_every_option_has_a_group_and_every_name_in_the_tables_is_one_of_an_option() -> None:
    assert {long_name(each) for command in COMMANDS for each in options_of(command)} <= set(GROUP_OF)
    assert sum(len(names.split()) for names in GROUPS.values()) == len(GROUP_OF)
    assert {name for names in MOST_USED.values() for name in names.split()} <= set(GROUP_OF)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_line_but_an_example_is_wider_than_the_terminal(command: str, columns: int) -> None:
    for option in ("-h", "--help"):
        lines = shown(*filter(None, [command]), option=option, columns=columns).splitlines()
        text = [line for line in lines if not re.match(r"  (rerank|zcat) |    --", line)]
        assert max(map(len, text)) < columns


@pytest.mark.parametrize("command", COMMANDS)
def test_each_text_is_understandable_alone_and_begins_with_a_short_sentence(command: str) -> None:
    for option in options_of(command):
        says = first_sentence(option.help)
        assert 8 <= len(says) <= ONE_LINE, says
        assert says.split()[0].lower() not in LEANING, says
        assert not set(says) & set("'\"`[]$"), says  # zsh loses or takes them as its own
        assert option.help.endswith("."), option.help


def test_no_variable_stands_beside_an_option_and_all_stand_in_one_sentence() -> None:
    for command in COMMANDS:
        text = " ".join(shown(command).split())
        variables = [each.envvar for each in options_of(command) if each.envvar]
        assert "env var" not in text
        assert all(text.count(name) == 1 for name in variables)
        assert text.count("RERANK_") == len(variables)
