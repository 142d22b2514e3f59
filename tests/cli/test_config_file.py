"""--config FILE.toml: what it may hold, what wins over it, and what is said of where each value came from."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from support.running import Finished, forked, lines, rerank

from rerank_cli.cli.app import app
from rerank_cli.cli.config_file import parameters

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
NIGHTLY = """\
input = "in.jsonl"   # relative to the current folder
output = "out.jsonl"
engine = "fake"
top-k = 2
min-score = 0
no-text = true
quiet = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an input and the file of a nightly job."""
    (tmp_path / "in.jsonl").write_bytes(lines(3))
    (tmp_path / "nightly.toml").write_text(NIGHTLY)
    return tmp_path


def refused(folder: Path, text: str | bytes, *arguments: str) -> Finished:
    """A run of `score` with a file of this text, which must end with exit code 2 before anything is written."""
    (folder / "a.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    done = forked("score", "--config", "a.toml", "-o", "out.jsonl", *arguments, cwd=folder)
    assert done.code == 2, done.said
    assert not (folder / "out.jsonl").exists()
    return done


def shown(folder: Path, *arguments: str, **variables: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What --show-config prints: the values, and the comment on each key, set or not."""
    done = forked(*arguments, "--show-config", cwd=folder, **variables)
    assert (done.code, done.stderr) == (0, b"")
    rows = [line.rpartition("  # ") for line in done.stdout.decode().splitlines()]
    return tomllib.loads(done.stdout.decode()), {
        left.removeprefix("# ").partition(" ")[0]: right.partition(":")[0] for left, _, right in rows if left
    }


def test_a_file_describes_a_whole_run(folder: Path) -> None:
    done = forked("score", "--config", "nightly.toml", cwd=folder)
    assert (done.code, done.stderr) == (0, b"")
    records = [json.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    assert [len(each["candidates"]) for each in records] == [2, 2, 2]
    assert "text" not in records[0]["candidates"][0]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(folder: Path) -> None:
    (folder / "a.toml").write_text('engine = "torch"\nthreads = 1\ntop-k = 3\ninput = "absent"\n')
    _, sources = shown(folder, "score", "--config", "a.toml", "in.jsonl", "--engine", "fake", RERANK_THREADS="2")
    given = {key: source for key, source in sources.items() if not source.startswith("default")}
    assert given == {
        "input": "flag",
        "engine": "flag",
        "threads": "environment, RERANK_THREADS",
        "top-k": "file",
    }
    values, _ = shown(folder, "score", "--config", "a.toml", "in.jsonl", "--engine", "fake", RERANK_THREADS="2")
    assert (values["input"], values["engine"], values["threads"], values["top-k"]) == (["in.jsonl"], "fake", 2, 3)


def test_the_file_can_be_named_in_the_environment_and_is_never_found_otherwise(folder: Path) -> None:
    assert shown(folder, "score", RERANK_CONFIG="nightly.toml")[0]["top-k"] == 2
    for name in ("rerank.toml", "config.toml", ".rerank.toml", "pyproject.toml"):
        (folder / name).write_text(NIGHTLY)
    assert "top-k" not in shown(folder, "score")[0]
    absent = forked("score", RERANK_CONFIG="absent.toml", cwd=folder)
    assert absent.code == 2
    assert "RERANK_CONFIG absent.toml" in absent.said


def test_several_inputs_are_an_array(folder: Path) -> None:
    (folder / "more.jsonl").write_bytes(lines(2, start=3))
    (folder / "a.toml").write_text(NIGHTLY.replace('"in.jsonl" ', '["in.jsonl", "more.jsonl"] '))
    assert forked("score", "--config", "a.toml", cwd=folder).code == 0
    assert len((folder / "out.jsonl").read_bytes().splitlines()) == 5


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "help"])
def test_what_show_config_prints_is_a_file_with_the_same_values(folder: Path, command: str) -> None:
    needed = {
        "convert": ["-o", "o"],
        "eval": ["a"],
        "compare": ["a", "b"],
        "train": ["-o", "o"],
        "export": ["-o", "o"],
        "mine": ["q", "-o", "o", "--pool", "p", "--model", "m"],
    }
    values, sources = shown(folder, command, *needed.get(command, []))
    assert sources.keys() == parameters(COMMANDS[command]).keys()
    (folder / "again.toml").write_bytes(forked(command, *needed.get(command, []), "--show-config", cwd=folder).stdout)
    again, origins = shown(folder, command, "--config", "again.toml")
    assert again == values
    assert {key for key, origin in origins.items() if origin == "file"} == values.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("top_k = 5", ["a.toml: top_k", "top-k"]),
        ("batch-size = 8", ["a.toml: batch-size", "The closest is batch-tokens."]),
        ("top_n = 8", ["a.toml: top_n", "The closest is top-k."]),
        ("modle = 'mini'", ["a.toml: modle", "model"]),
        ("moved = 3", ["a.toml: moved", "`rerank score`"]),
        ("config = 'b.toml'", ["a.toml: config"]),
        ("show-config = true", ["a.toml: show-config"]),
        ("[score]\ntop-k = 5", ["a.toml: [score]", "section"]),
        ('top-k = "5"', ["a.toml: top-k", "a whole number", "top-k = 5"]),
        ("top-k = true", ["a.toml: top-k", "a whole number"]),
        ("top-k = 1.5", ["a.toml: top-k", "a whole number"]),
        ("top-k = 0", ["top-k in a.toml"]),
        ("top-k = 99999999999", ["top-k in a.toml"]),
        ("min-score = 'x'", ["a.toml: min-score", "a number"]),
        ("min-score = nan", ["min-score in a.toml"]),
        (f"min-score = 1{'0' * 400}", ["min-score in a.toml"]),
        ("max-errors = 5", ["a.toml: max-errors", 'max-errors = "5"']),
        ("no-text = 1", ["a.toml: no-text", "true or false"]),
        ("model = ''", ["model in a.toml"]),
        ("score = 'cosine'", ["score in a.toml"]),
        ("input = []", ["a.toml: input"]),
        ("corpus = ['a', 1]", ["a.toml: corpus", "array of strings"]),
        ("stats = 1979-05-27", ["a.toml: stats", "a string"]),
        ('query-field = "a\\u0000b"', ["a.toml: query-field", "NUL"]),
        ('top-k = "\\u001b[31m"', ["a.toml: top-k"]),
        ('"\\u001b[31m" = 1', ["\\x1b[31m"]),
        ("top-k = x", ["a.toml", "line 1"]),
        (b"model = '\xff'", ["a.toml", "not TOML"]),
        (f"input = {'[' * 5000}", ["a.toml", "not TOML"]),
    ],
    ids=lambda each: str(each)[:30],
)
def test_2_names_the_file_the_key_and_what_to_write(folder: Path, text: str | bytes, said: list[str]) -> None:
    done = refused(folder, text)
    assert all(word in done.said for word in said), done.said
    assert b"\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("option", ["--output", "--errors", "--stats"])
def test_a_run_does_not_write_over_its_own_file(folder: Path, option: str) -> None:
    done = forked("score", "--config", "nightly.toml", "--overwrite", option, "./nightly.toml", cwd=folder)
    assert done.code == 2
    assert option in done.said
    assert (folder / "nightly.toml").read_text() == NIGHTLY


def test_a_name_in_the_file_is_what_it_would_be_if_typed(folder: Path) -> None:
    (folder / "in.jsonl").rename(folder / "入力.jsonl")
    (folder / "a.toml").write_text(NIGHTLY.replace("in.jsonl", "入力.jsonl"), "utf-8")
    ascii_names = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = rerank("score", "--config", "a.toml", cwd=folder, **ascii_names)
    assert (done.code, done.stderr) == (0, b"")


def test_file_and_sources_stand_in_the_meta_data(folder: Path) -> None:
    forked("score", "--config", "nightly.toml", "--stats", "stats.json", cwd=folder, RERANK_DEVICE="cpu")
    meta, stats = (json.loads((folder / name).read_bytes()) for name in ("out.jsonl.meta.json", "stats.json"))
    for document in (meta, stats):
        assert document["config_file"] == "nightly.toml"
        assert document["config_file_sha256"] == hashlib.sha256(NIGHTLY.encode()).hexdigest()
        assert document["sources"] == {
            **dict.fromkeys(tomllib.loads(NIGHTLY), "file"),
            "stats": "flag",
            "device": "environment",
        }
    planned = forked("score", "--config", "nightly.toml", "--dry-run", "--stats", "plan.json", cwd=folder)
    assert planned.code == 0
    assert json.loads((folder / "plan.json").read_bytes())["config_file"] == "nightly.toml"
    forked("convert", "in.jsonl", "-o", "converted.jsonl", cwd=folder)
    converted = json.loads((folder / "converted.jsonl.meta.json").read_bytes())
    assert (converted["config_file"], converted["sources"]) == (None, {"input": "flag", "output": "flag"})


def test_a_run_is_the_same_wherever_its_values_come_from(folder: Path) -> None:
    words = ("in.jsonl", "-o", "out.jsonl", "--engine", "fake", "--top-k", "2", "--min-score", "0", "--no-text", "-q")
    assert forked("score", *words, cwd=folder).code == 0
    again = forked("score", "--config", "nightly.toml", "--resume", "--progress", "lines", cwd=folder)
    assert (again.code, forked("score", "--config", "nightly.toml", cwd=folder).code) == (0, 8)


def test_help_and_completion_do_not_read_the_file(folder: Path) -> None:
    assert forked("score", "--help", cwd=folder, RERANK_CONFIG="absent.toml").code == 0
    line = {"COMP_WORDS": "rerank score --conf", "COMP_CWORD": "2", "_RERANK_COMPLETE": "complete_bash"}
    done = forked(cwd=folder, RERANK_CONFIG="absent.toml", **line)
    assert done.stdout == b"--config\n"


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_command_that_tries_a_run_takes_its_file(folder: Path, command: str) -> None:
    (folder / "nightly.toml").write_text(NIGHTLY.replace("top-k = 2", "top-k = 2\nlimit = 1"))
    done = forked(command, "--config", "nightly.toml", cwd=folder)
    assert (done.code, done.stderr) == (0, b"")
    assert (b"records                     1" in done.stdout) == (command == "check")
    assert not (folder / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("modle = 'mini'", ["a.toml: modle", "The closest is model."]),
        ("top-k = '2'", ["a.toml: top-k", "a whole number"]),
        ("moved = 3", ["a.toml: moved", "`rerank check --help` or `rerank score --help`"]),
    ],
)
def test_a_key_that_neither_has_is_an_error_there_too(folder: Path, line: str, said: list[str]) -> None:
    (folder / "a.toml").write_text(f"{line}\n{NIGHTLY.replace('top-k = 2', '')}")
    done = forked("check", "--config", "a.toml", cwd=folder)
    assert (done.code, done.stdout) == (2, b"")
    assert all(word in done.said for word in said), done.said


def test_a_command_that_writes_takes_no_file_of_another(folder: Path) -> None:
    done = forked("convert", "--config", "nightly.toml", cwd=folder)
    assert done.code == 2
    assert "`rerank convert` has no such option" in done.said


@pytest.mark.parametrize(
    ("typed", "meanings"),
    [
        (["--engine", "fake"], {"dtype": "fp32 here"}),
        (["--device", "cpu", "--engine", "torch"], {"dtype": "fp32 here"}),
        (["--device", "cpu", "--model", "a/b"], {"engine": "depends on the model", "dtype": "depends on the model"}),
        (["--device", "cpu", "--model", "./absent"], {"engine": "depends on the model"}),
        (["--device", "cuda", "--model", "a/b"], {"engine": "depends on the model and the device"}),
        (["--device", "cuda:1", "--engine", "torch", "--dtype", "fp16"], {}),
    ],
)
def test_what_auto_stands_for_is_shown_where_it_is_known(
    folder: Path, typed: list[str], meanings: dict[str, str]
) -> None:
    done = forked("score", "in.jsonl", "-o", "o", *typed, "--show-config", cwd=folder)
    comments = {
        key: line.rpartition("  # default: ")[2]
        for line in done.stdout.decode().splitlines()
        for key, _, value in [line.partition(" = ")]
        if value.startswith('"auto"') and ": " in line
    }
    device = comments.pop("device", None)
    assert (device is None) == ("--device" in typed)
    assert device in (None, "cpu here", "a GPU if torch finds one, else cpu")
    assert meanings.items() <= comments.items()
    assert bool(meanings) == bool(comments)
