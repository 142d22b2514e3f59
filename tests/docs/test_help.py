"""--help: an example close to the top, and every option that the command line promises."""

import re

import pytest
from support.running import rerank

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


def shown(*command: str) -> str:
    done = rerank(*command, "--help", COLUMNS="100")
    assert (done.code, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.mark.parametrize("command", PROMISED)
def test_help_begins_with_an_example_that_can_be_pasted(command: str) -> None:
    top = shown(command).splitlines()[:NEAR_THE_TOP]
    assert any(line.strip().startswith(f"rerank {command}") for line in top)


def test_help_of_the_whole_begins_with_an_example_too() -> None:
    assert any(line.strip() == "rerank score input.jsonl -o out.jsonl" for line in shown().splitlines()[:NEAR_THE_TOP])


def test_help_of_the_whole_names_every_command_with_what_it_does() -> None:
    listed = dict(re.findall(r"^  (\w+)  +(\S.+)$", shown().partition("Commands:")[2], flags=re.MULTILINE))
    assert listed.keys() >= PROMISED.keys()


@pytest.mark.parametrize("command", PROMISED)
def test_help_names_every_promised_option(command: str) -> None:
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown(command).partition("Options:")[2]))
    assert set(PROMISED[command] + SHORT[command]) - options == set()


@pytest.mark.parametrize("command", PROMISED)
def test_short_and_long_help_are_the_same(command: str) -> None:
    assert rerank(command, "-h").stdout == rerank(command, "--help").stdout
