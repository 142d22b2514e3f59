"""`rerank help`: the pages that ship with the package, in a pager on a terminal and as they are elsewhere."""

import re
from pathlib import Path

import pytest
from support.running import ROOT, forked
from support.terminals import on_terminal

from rerank_cli.cli.app import COMMANDS
from rerank_cli.cli.topics import FOR_DEVELOPERS, WORDS, described, for_developers, topics

DOCS = ROOT / "rerank_cli" / "docs"
NARROW = 80  # columns
ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|[34]8;[\d;]+)m")


def test_the_list_has_every_page_for_users_and_every_command() -> None:
    done = forked("help")
    assert (done.code, done.stderr) == (0, b"")
    listed = re.findall(r"^  ([\w-]+)  +(\S.*)$", done.stdout.decode(), flags=re.MULTILINE)
    pages = {path.stem for path in DOCS.glob("*.md")} - set(FOR_DEVELOPERS)
    assert pages
    assert {name for name, _ in listed} == pages | set(COMMANDS)
    assert all(name in done.stdout.decode().splitlines()[-1] for name in for_developers())


def test_no_line_of_a_list_is_too_long_for_a_narrow_terminal() -> None:
    for arguments in (["help"], ["--help"], ["-h"], []):
        done = forked(*arguments, COLUMNS=str(NARROW))
        assert max(map(len, done.stdout.decode().splitlines())) <= NARROW
        for says in (row.says for row in COMMANDS.values()):
            assert says in done.stdout.decode()  # neither cut nor folded


@pytest.mark.parametrize("topic", [*topics(), *for_developers()])
def test_a_page_is_printed_as_it_is_where_no_terminal_shows_it(topic: str) -> None:
    done = forked("help", topic)
    assert (done.code, done.stderr) == (0, b"")
    assert done.stdout.decode().rstrip("\n") == (DOCS / f"{topic}.md").read_text(encoding="utf-8").rstrip("\n")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in topics()])
def test_a_command_is_a_topic_that_shows_its_help(command: str) -> None:
    asked = forked("help", command)
    assert (asked.code, asked.stderr) == (0, b"")
    assert asked.stdout == forked(command, "--help").stdout


def test_2_for_a_topic_that_there_is_not() -> None:
    done = forked("help", "frobnicate")
    assert (done.code, done.stdout) == (2, b"")
    assert "frobnicate" in done.said
    assert "`rerank help`" in done.said


def test_a_topic_that_is_close_is_named() -> None:
    assert "convert" in forked("help", "konvert").said


def shown(tmp_path: Path, **variables: str) -> bytes:
    """What the pager of a terminal was given when `rerank help limits` was typed."""
    (tmp_path / "pager").write_text(f"#!/bin/sh\nexec cat > '{tmp_path}/paged'\n")
    (tmp_path / "pager").chmod(0o755)
    with on_terminal("help", "limits", PAGER=str(tmp_path / "pager"), **variables) as terminal:
        assert terminal.code() == 0
        (tmp_path / "shown").write_bytes(terminal.shown)
    paged = tmp_path / "paged"
    return paged.read_bytes() if paged.exists() else terminal.shown


def test_on_a_terminal_a_page_is_rendered_and_given_to_the_pager(tmp_path: Path) -> None:
    paged = shown(tmp_path)
    assert (tmp_path / "shown").read_bytes() == b""
    assert COLOUR.search(paged)
    text = ESCAPE.sub(b"", paged).decode()
    assert "Known limits" in text
    assert "# Known limits" not in text
    assert max(map(len, text.splitlines())) <= NARROW


def test_no_color_is_honoured(tmp_path: Path) -> None:
    assert not COLOUR.search(shown(tmp_path, NO_COLOR="1"))


def test_a_terminal_that_can_nothing_gets_the_page_as_it_is(tmp_path: Path) -> None:
    assert shown(tmp_path, TERM="dumb") == (DOCS / "limits.md").read_bytes()


def test_each_page_says_what_it_is_about() -> None:
    assert all(len(says) > 2 for _, says in described(topics()))


@pytest.mark.parametrize("word", WORDS)
def test_a_word_shows_the_section_that_treats_it(word: str) -> None:
    name, heading = WORDS[word]
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    done = forked("help", word)
    assert (done.code, done.stderr) == (0, b"")
    first, _, rest = done.stdout.decode().partition("\n\n")
    assert f"`rerank help {name}`" in first
    assert rest.startswith(f"## {heading}\n")
    assert rest.strip() in text
    assert sum(line.startswith("## ") for line in rest.splitlines()) == 1
    assert word not in {*topics(), *for_developers(), *COMMANDS}
    assert word in forked("help").stdout.decode()


def test_a_word_that_is_close_to_one_with_a_section_is_named() -> None:
    assert "resume" in forked("help", "resmue").said
    assert "cron" in forked("help", "CRON").stdout.decode()
