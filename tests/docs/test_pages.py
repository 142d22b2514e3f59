"""The commands of the README and the pages, typed as written, give what is shown there.

Each ```console block is run in a copy of the sample data. Numbers after a decimal point are compared to two digits, and
lines with times or speeds only by their beginning: those differ from machine to machine.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "rerank_cli" / "docs" / f"{name}.md" for name in ("guide", "formats"))]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
]
PROGRESS = re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z records=.*\n", re.MULTILINE)  # as many as a machine is slow
TIMED = re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z (done records=\d+ scored=\d+ failed=\d+ pairs=\d+ truncated=\d+).*")
FRACTION = re.compile(r"(\.\d\d)\d+")


def commands(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output shown after it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def comparable(output: str, folder: Path) -> list[str]:
    """Output without what differs from run to run."""
    lines = PROGRESS.sub("", output.replace(f"{folder.resolve()}/", "")).splitlines()
    return sorted(FRACTION.sub(r"\1", TIMED.sub(r"\1", line)) for line in lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample data, and a `rerank` and a `python` on the path that are this checkout and this interpreter."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    (folder / "bin").mkdir()
    for name, arguments in (("rerank", "-m rerank_cli"), ("python", "")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        script.chmod(0o755)
    return folder


SLOW = (  # parts of commands
    "requests.jsonl -o -",
    "--dry-run",
    "rerank export",
    "long.jsonl",
    "ranked.jsonl",
    "mine.jsonl",
    "titled.jsonl",
    "nightly.jsonl",
    "best.jsonl",
    "--top-k 1",
    "messy.out.jsonl",
)


def marked(block: str) -> Any:
    """A block with its name, and its mark where it loads a model to show what others show as well."""
    slow = any(name in block for name in SLOW)
    return pytest.param(block, id=commands(block)[0][0][:60], marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize("block", [marked(block) for block in BLOCKS])
def test_commands_give_what_the_page_shows(block: str, folder: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RERANK_", "HF_"))},
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
        "HF_HOME": str(folder / "no models here"),
    }
    for block_before in BLOCKS[: BLOCKS.index(block)]:  # another process of the tests may have run them
        for command, _ in commands(block_before):
            made = re.search(r" -o (\w\S+)", command)
            if made and made[1] in block and f"-o {made[1]}" not in block and not (folder / made[1]).exists():
                subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=True)
    for command, shown in commands(block):
        ended = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        expected = comparable(shown, folder)
        code = next((line for line in expected if line.startswith("[exit ")), "[exit 0]")
        assert f"[exit {ended.returncode}]" == code, ended.stderr
        expected = [line for line in expected if not line.startswith("[exit ")]
        assert comparable(ended.stdout + ended.stderr, folder) == expected


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 8
