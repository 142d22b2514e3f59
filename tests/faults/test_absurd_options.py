"""Absurd values for every option of every command, typed or in the environment: a sentence, never a traceback.

Where a value is refused (exit 2), the sentence names the option and nothing is left behind. What is accepted may end
in any other way that the table of exit codes knows, but not as a bug.
"""

import contextlib
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support.inside import rerank_inside
from support.points import Points
from support.running import Finished, forked, lines

from rerank_cli.cli.app import app
from rerank_cli.cli.environment import variable
from rerank_cli.core.errors import ExitStatus

VALUES = {
    "empty": "",
    "blank": " ",
    "minus one": "-1",
    "nought": "0",
    "nan": "nan",
    "infinity": "inf",
    "minus infinity": "-Infinity",
    "beyond 64 bits": "99999999999999999999",
    "beyond 64 bits, negative": "-99999999999999999999",
    "2^63": "9223372036854775808",
    "2^31": "2147483648",
    "5,000 digits": "9" * 5000,
    "1e400": "1e400",
    "1e300": "1e300",
    "a fraction": "0.5",
    "Arabic digits": "\u0661\u0662",
    "a word": "rubbish",
    "5,000 characters": "x" * 5000,
    "not UTF-8": "\udcff\udcfe",
    "/dev/null": "/dev/null",
    "the root": "/",
    "a dot": ".",
    "a brace": "{",
    "an empty field": "{}",
    "a bracket": "[",
    "percent": "%",
    "huge percent": "1e400%",
    "an assignment": "a=b",
    "commas": ",,",
    "dots": "..",
    "a colon": "1:99999999999999999999",
    "a colon and words": ":",
    "fake with nothing": "fake:slow=nan",
    "cuda of many": "cuda:99999999999999999999",
    "emoji": "\U0001f642",
    "right to left": "\u202e\u061c",
    "escape": "\x1b[2J",
    "newline": "a\nb",
}
NONE = ["--model", "./none", "--offline"]  # a model that is not there: what is checked before it is loaded
BASES = {
    "score": ["in.jsonl", "-o", "out.jsonl", "--engine", "fake"],
    "check": ["in.jsonl"],
    "convert": ["in.jsonl", "-o", "out.jsonl", "--output-format", "tei"],
    "eval": ["run", "--qrels", "qrels"],
    "compare": ["run", "run", "--qrels", "qrels"],
    "train": ["in.jsonl", "-o", "made", *NONE],
    "mine": ["in.jsonl", "-o", "made", "--pool", "pool.jsonl", *NONE],
    "export": ["-o", "made", *NONE],
    "bench": ["in.jsonl", "--peers", "none", "--engines", "torch:fp32", *NONE],
    "doctor": ["--engine", "fake"],
    "models": ["mini"],
    "cache": [],
    "help": [],
}
HEAVY = {"train", "mine", "export", "bench", "doctor"}
KNOWN = {status.value for status in ExitStatus} - {ExitStatus.BUG, ExitStatus.ACCOUNTING}
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def options(command: str) -> list[Any]:
    """The options of a command that take a value."""
    return [each for each in COMMANDS[command].params if each.param_type_name == "option" and not each.is_flag]


def filled(folder: Path) -> Path:
    """A folder with what the commands read."""
    folder.mkdir()
    record = {"query": "tea", "candidates": [{"id": "d1", "text": "hot", "relevance": 1}, {"id": "d2", "text": "cup"}]}
    (folder / "in.jsonl").write_bytes(lines(2) + json.dumps(record).encode() + b"\n")
    (folder / "pool.jsonl").write_text('{"id": "p1", "text": "leaf"}\n')
    (folder / "run").write_text("q1 Q0 d1 1 2.0 x\nq1 Q0 d2 2 1.0 x\n")
    (folder / "qrels").write_text("q1 0 d1 1\n")
    return folder


def judge(done: Finished, folder: Path, *names: str) -> None:
    """What must hold however a run ended; `names` are those of the option that was tried."""
    assert done.code in KNOWN, (done.code, done.said)
    assert b"Traceback" not in done.stderr, done.said
    assert b"\x1b" not in done.stderr
    if done.code == ExitStatus.USAGE:
        said = done.said + done.stdout.decode()  # of doctor, whose findings are its report
        assert any(name in said for name in names) or ("--output" in names and "error: -o " in said), said
        assert sorted(os.listdir(folder)) == ["in.jsonl", "pool.jsonl", "qrels", "run"]


def ended(command: str, words: list[str], cwd: Path, **variables: str) -> Finished:
    """Run a command to its end: in a fork, or here if it is one of those that import torch."""
    if command not in HEAVY:
        return forked(command, *words, cwd=cwd, **variables)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as shown:
        patch.chdir(cwd)
        for name, value in variables.items():
            patch.setenv(name, value)
        done = rerank_inside(command, *words)
    return Finished(done.code, shown.getvalue().encode(errors="replace"), done.said.encode(errors="replace"))


def tried(points: Points, command: str, folder: Path, sample: int, typed: bool) -> None:
    """Try values for the options of a command, typed or in the environment, read there or refused."""
    cases = [(each, kind) for each in options(command) for kind in VALUES]
    for number, (each, kind) in enumerate(points.of(cases, sample)):
        inside = filled(folder / str(number))
        name = max(each.opts, key=len)
        words = [*BASES[command], *([f"{name}={VALUES[kind]}"] if typed else [])]
        inherited = each.envvar or variable(name.removeprefix("--"))
        variables = {} if typed else {inherited: VALUES[kind]}
        with points.trying("absurd options"):
            judge(ended(command, words, inside, **variables), inside, name, inherited)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("command", BASES)
def test_every_option_takes_every_value_with_a_sentence(tmp_path: Path, command: str, points: Points) -> None:
    tried(points, command, tmp_path, 15, typed=True)


@pytest.mark.parametrize("command", BASES)
def test_so_does_every_variable(tmp_path: Path, command: str, points: Points) -> None:
    tried(points, command, tmp_path, 8, typed=False)


def test_every_command_is_tried() -> None:
    assert BASES.keys() == COMMANDS.keys()
