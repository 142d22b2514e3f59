"""The commands of the README and the pages for users, typed as written, give what is shown there.

Each page has a folder of its own with a copy of sample_data, where its ```console blocks run in order. Output is
compared to the byte, standard output and standard error as they come, but for what differs from run to run and from
machine to machine: times, rates, durations and sizes (VARYING), the lines that a slow run adds (PROGRESS), decimals
beyond the third of numbers that have more (CLOSE), the folder (CHECKOUT) and the port of a server (SERVER). A line
`[exit 3]` is the exit code; without one it is 0. The README states this rule in a sentence.

A ```python block whose first line is `# NAME.py` is a file of that name in the folder.

`UPDATE_PAGES=1 pytest tests/docs/test_pages.py` writes what comes out into the pages: read the difference.
"""

import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.running import ROOT, environment
from support.shell import Shell
from support.stub_api import Stub, serving

from rerank_cli.core.dialects import PROFILES

DOCS = ROOT / "rerank_cli" / "docs"
FOR_DEVELOPERS = {"decisions", "limits", "experiments", "release", "changelog"}
PAGES = [ROOT / "README.md", *sorted(page for page in DOCS.glob("*.md") if page.stem not in FOR_DEVELOPERS)]
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
CHECKOUT = "/home/me/rerank"
SERVER = "127.0.0.1:8080"  # of a reranking API, which is the tests' own, on a free port
FILE = re.compile(r"(?<=^```python\n)# (\w+\.py)\n.*?(?=^```$)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*\n)", re.MULTILINE)  # a line that ends with \ goes on
SLOW = re.compile(r"\brerank (export|train|mine|bench)\b")
PROGRESS = re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z saved=.*\n", re.MULTILINE)  # one each 30 s
VARYING = [
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "<time>"),
    (r"\b(wall_s|scoring_s|pairs_per_s|tokens_per_s|stage_\d_s)=[0-9.]+", r"\1=<figure>"),
    (r"\b(less than|about) [0-9.]+ (s|min|h|days)\b", "<duration>"),
    (r"\b\d+ threads?\b", "<threads>"),
    (r"\bby \d+ batch(es)? of\b", "by <batches> of"),  # as many as a time is estimated from
    (r"\b[0-9][0-9.,]* ([KMG]i?B|ms|s|min|h)\b", r"<figure> \1"),
]
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+\.\d{3,}(?:e[+-]?\d+)?")
CLOSE = 2e-3


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of a page, what is shown after it, and where that begins in the page."""

    command: str
    shown: str
    start: int


def typed(page: str, slow: bool) -> Iterator[Typed]:
    """The commands of a page's blocks: of those that train or export, or of the others."""
    for block in BLOCK.finditer(page):
        if bool(SLOW.search(block[0])) == slow:
            found = list(COMMAND.finditer(block[0]))
            ends = [*(command.start() for command in found[1:]), len(block[0])]
            for command, end in zip(found, ends, strict=True):
                yield Typed(command[1], block[0][command.end() : end], block.start() + command.end())


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    text = PROGRESS.sub("", text)
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


def alike(output: str, shown: str) -> bool:
    """Whether output is what is shown, by the rule above."""
    output, shown = masked(output), masked(shown)
    pairs = zip(NUMBER.findall(output), NUMBER.findall(shown), strict=False)
    return NUMBER.sub("<number>", output) == NUMBER.sub("<number>", shown) and all(
        math.isclose(float(one), float(other), abs_tol=CLOSE) for one, other in pairs
    )


@pytest.fixture
def server() -> Iterator[str]:
    """The host of a reranking API: that of SERVER in the pages."""
    with serving(Stub(PROFILES["llamacpp"])) as stub:
        yield stub.base.removeprefix("http://")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    shell = Shell(folder, environment(HF_HOME=str(tmp_path / "no models here")))
    yield shell
    shell.close()


def compare(page: Path, shell: Shell, server: str, slow: bool) -> None:
    text, shift = page.read_text("utf-8"), 0
    for block in FILE.finditer(text):
        (shell.folder / block[1]).write_text(block[0], "utf-8")
    wrong = []
    for each in typed(page.read_text("utf-8"), slow):
        ended = shell.run(each.command.replace(SERVER, server))
        output = ended.output.replace(str(shell.folder.resolve()), CHECKOUT).replace(server, SERVER)
        output += f"[exit {ended.code}]\n" if ended.code else ""
        if os.environ.get("UPDATE_PAGES") and masked(output) != masked(each.shown):
            start = each.start + shift
            text = text[:start] + output + text[start + len(each.shown) :]
            shift += len(output) - len(each.shown)
        elif not alike(output, each.shown):
            wrong.append(f"$ {each.command}{output}--- but shown is\n{each.shown}")
    if text != page.read_text("utf-8"):
        page.write_text(text, "utf-8")
    assert not wrong, "\n".join([page.name, *wrong])


def with_blocks(slow: bool) -> list[Any]:
    """The pages that have commands to run. The guide scores hundreds of pairs, so it is left to the slow tests."""
    found = [page for page in PAGES if any(typed(page.read_text("utf-8"), slow))]
    return [pytest.param(page, marks=[pytest.mark.slow] * (page.stem == "guide"), id=page.stem) for page in found]


@pytest.mark.parametrize("page", with_blocks(slow=False))
def test_commands_give_what_the_page_shows(page: Path, shell: Shell, server: str) -> None:
    compare(page, shell, server, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", with_blocks(slow=True))
def test_commands_that_train_or_export_do_so_too(page: Path, shell: Shell, server: str) -> None:
    compare(page, shell, server, slow=True)


def test_the_rule_sees_what_is_wrong() -> None:
    shown = 'q1 Q0 d5 1 2.42681 rerank\n{"id":"q1","score":0.91885,"n":3}\n2026-11-21T06:33:59Z pairs=31 wall_s=4.833\n'
    assert alike(shown.replace("2.42681", "2.42690").replace("4.833", "9.1").replace("06:33", "07:01"), shown)
    for other in ("2.42681 -> 2.43681", '"q1" -> "q2"', "d5 1 -> d5 2", "pairs=31 -> pairs=30", '"n":3 -> "n":4'):
        before, _, after = other.partition(" -> ")
        assert not alike(shown.replace(before, after), shown)


def test_the_readme_and_the_guide_have_commands_to_run() -> None:
    for page, least in ((PAGES[0], 5), (DOCS / "guide.md", 15)):
        assert sum(1 for _ in typed(page.read_text("utf-8"), slow=False)) >= least
