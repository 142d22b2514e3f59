"""Shell completion: candidates on standard output and nothing else, installed where it says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support.running import COMMAND, HANG_S, ROOT, Finished, environment, files_of, forked
from support.terminals import on_terminal
from typer._completion_shared import get_completion_script

from rerank_cli.cli.app import app
from rerank_cli.cli.topics import topics
from rerank_cli.core.dtypes import TRAINING_DTYPES
from rerank_cli.engines.registry import DEVICES, ENGINE_DTYPES, ENGINES, GRAPHS
from rerank_cli.formats.known import FORMATS
from rerank_cli.training.rows import LOSSES

SHELLS = ("bash", "zsh", "fish")
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
HEAVY = ("torch", "transformers", "numpy", "pyarrow", "openvino", "onnxruntime", "huggingface_hub", "tokenizers")


def asked(shell: str, *words: str, action: str = "get-args", **more: str) -> Finished:
    """What a shell gets when TAB is pressed after these words."""
    line = " ".join(["rerank", *words])
    return forked(
        _RERANK_COMPLETE=f"complete_{shell}",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words)),
        _TYPER_COMPLETE_ARGS=line,
        _TYPER_COMPLETE_FISH_ACTION=action,
        **more,
    )


def candidates(shell: str, *words: str) -> list[str]:
    """The candidates themselves, of a run that ended well and silently."""
    done = asked(shell, *words)
    assert (done.code, done.stderr) == (0, b"")
    lines = done.stdout.decode().strip().splitlines()
    if shell == "zsh":
        return [] if lines == ["_files"] else [line.removeprefix("_arguments '*: :((").split('"')[1] for line in lines]
    return [line.partition("\t")[0] for line in lines]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("begun", ["", "sc", "e", "frob"])
def test_commands_complete_in_every_shell(shell: str, begun: str) -> None:
    assert candidates(shell, begun) == [name for name in COMMANDS if name.startswith(begun)]


@pytest.mark.parametrize("shell", SHELLS)
def test_options_complete_one_a_line_though_their_help_is_long(shell: str) -> None:
    found = candidates(shell, "score", "--")
    options = {name for each in COMMANDS["score"].params for name in each.opts if name.startswith("--")}
    assert set(found) == {*options, "--help"}


VALUES: list[tuple[str, str, Callable[[], set[str]]]] = [
    ("score", "--format", lambda: {"auto", *FORMATS}),
    ("convert", "--output-format", lambda: {"same", *FORMATS} - {"beir"}),
    ("score", "--output-format", lambda: {"same", *FORMATS} - {"beir"}),
    ("score", "--engine", lambda: {"auto", *ENGINES} - {"fake"}),
    ("doctor", "--dtype", lambda: set(ENGINE_DTYPES)),
    ("train", "--dtype", lambda: set(TRAINING_DTYPES)),
    ("mine", "--dtype", lambda: set(ENGINE_DTYPES) - {"int8"}),
    ("export", "--format", lambda: set(GRAPHS)),
    ("train", "--loss", lambda: set(LOSSES)),
    ("score", "--device", lambda: {"auto", "cpu", "cuda", "mps"}),
    ("score", "--long-docs", lambda: {"truncate", "chunk", "error"}),
    ("score", "--score", lambda: {"sigmoid", "logit"}),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("command", "option", "values"), VALUES, ids=[f"{each[0]} {each[1]}" for each in VALUES])
def test_values_complete_to_what_is_accepted(command: str, option: str, values: Callable[[], set[str]]) -> None:
    known = values()
    first = min(known)
    assert set(candidates("bash", command, option, first[0])) == {each for each in known if each[0] == first[0]}
    assert all(DEVICES.fullmatch(value) for value in known if option == "--device")


@pytest.mark.parametrize("shell", SHELLS)
def test_help_completes_to_topics_and_commands(shell: str) -> None:
    assert candidates(shell, "help", "") == [*topics(), *COMMANDS]


def test_a_model_completes_to_mini_and_to_those_in_the_hub_cache(tmp_path: Path) -> None:
    for name in ("models--ms--marco--tiny", "models--mini--half", "datasets--ms--marco"):
        (tmp_path / "hub" / name / "snapshots" / "0a1b").mkdir(parents=True)
    for name in ("models--ms--marco--tiny", "datasets--ms--marco"):
        (tmp_path / "hub" / name / "snapshots" / "0a1b" / "config.json").touch()
    done = asked("bash", "score", "--model", "m", HF_HOME=str(tmp_path))
    assert (done.code, done.stdout, done.stderr) == (0, b"mini\nms/marco--tiny\n", b"")


def test_a_value_completes_behind_an_equals_sign_of_bash_too() -> None:
    words = "rerank\nscore\n--engine\n=\no"
    done = forked(_RERANK_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD="4")
    assert (done.code, done.stdout, done.stderr) == (0, b"openvino\nonnx\n", b"")


def test_a_command_line_that_cannot_be_run_completes_all_the_same() -> None:
    assert candidates("bash", "score", "--top-k", "9" * 30, "--format", "none", "--dev") == ["--device"]
    assert asked("bash", "score", "--dev", RERANK_TOP_K="nan", RERANK_MODEL="").stdout == b"--device\n"


@pytest.mark.parametrize(("words", "code"), [(("score", "--engine", "o"), 0), (("score", "nothing-like-it"), 1)])
def test_fish_is_answered_by_the_exit_code_alone(words: tuple[str, ...], code: int) -> None:
    done = asked("fish", *words, action="is-args")
    assert (done.code, done.stdout, done.stderr) == (code, b"", b"")


def test_nothing_heavy_is_imported_for_a_candidate() -> None:
    program = (
        "import sys\nfrom rerank_cli.cli.process import run\ncode = run([])\n"
        f"print(code, [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    line = {"COMP_WORDS": "rerank score --engine o", "COMP_CWORD": "3", "_RERANK_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(**line), capture_output=True, timeout=HANG_S, check=True
    )
    assert done.stdout == b"openvino\nonnx\n"
    assert done.stderr == b"0 []\n"


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"_RERANK_COMPLETE": "complete_bash"}, "COMP_WORDS"),
        ({"_RERANK_COMPLETE": "complete_bash", "COMP_WORDS": "rerank", "COMP_CWORD": "x"}, "'x'"),
        ({"_RERANK_COMPLETE": "complete_tcsh"}, "tcsh"),
        ({"_RERANK_COMPLETE": "rubbish"}, "completion"),
    ],
    ids=str,
)
def test_a_shell_that_asks_in_another_way_gets_a_sentence_and_2(variables: dict[str, str], names: str) -> None:
    done = forked(**variables)
    assert (done.code, done.stdout) == (2, b"")
    assert names in done.said
    assert "Traceback" not in done.said


def test_a_command_is_imported_only_when_it_is_named() -> None:
    program = (
        "import sys\nfrom rerank_cli.cli.process import run\nrun([])\n"
        "print(sorted(name for name in sys.modules if name.startswith('rerank_cli.')), file=sys.stderr)"
    )
    line = {"COMP_WORDS": "rerank ", "COMP_CWORD": "1", "_RERANK_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(**line), capture_output=True, timeout=HANG_S, check=True
    )
    assert done.stdout.decode().split() == list(COMMANDS)
    assert b"'rerank_cli.cli.app'" in done.stderr
    assert b"rerank_cli.jobs" not in done.stderr
    assert b"rerank_cli.cli.options" not in done.stderr


STUB = """#!/bin/sh
test -z "$_RERANK_COMPLETE" && {{ echo "typed <$*>"; exit; }}
exec '{python}' -m rerank_cli
"""
READY = b"begin here"
KEYS = [  # what is typed, Tab included, and what the command line is then
    (b"sco\t", b"score"),
    (b"score --eng\top\t", b"score --engine openvino"),
    (b"score my\t--lo\tch\t", b"score my file.jsonl --long-docs chunk"),
    (b"export --for\ton\t", b"export --format onnx"),
]


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with the script of each shell, and a `rerank` that completes, and otherwise says what was typed."""
    (tmp_path / "rerank").write_text(STUB.format(python=sys.executable))
    (tmp_path / "rerank").chmod(0o755)
    (tmp_path / "my file.jsonl").touch()
    for shell in SHELLS:
        script = get_completion_script(prog_name="rerank", complete_var="_RERANK_COMPLETE", shell=shell)
        (tmp_path / f"script.{shell}").write_text(script + "\n")
    return tmp_path


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("keys", "line"), KEYS, ids=lambda each: each.decode().expandtabs(1))
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_in_the_shell_itself(shell: str, keys: bytes, line: bytes, scripts: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    starts = {
        "bash": ("bash", "--norc", "--noprofile", "-i"),
        "zsh": ("zsh", "-f", "-i"),
    }
    loads = {"bash": b"", "zsh": b"autoload -Uz compinit; compinit -u -D; "}
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    with on_terminal(program=starts[shell], cwd=scripts, PATH=path, HOME=str(scripts), TERM="dumb") as terminal:
        terminal.type(loads[shell] + b"source ./script." + shell.encode() + b"; echo 'begin' 'here'\n")
        terminal.see(READY)
        terminal.type(b"rerank " + keys + b"\n")
        terminal.see(b"typed <" + line + b">")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("rerank sco", {"score"}),
        ("rerank score --engine o", {"onnx", "openvino"}),
        ("rerank export --for", {"--format"}),
        ("rerank score my", {"my file.jsonl"}),
    ],
)
def test_tab_completes_in_fish(line: str, found: set[str], scripts: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not here")
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source script.fish; complete -C '{line}'"],
        cwd=scripts, env=environment(PATH=path, HOME=str(scripts)), capture_output=True, timeout=HANG_S, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    assert {each.partition("\t")[0] for each in done.stdout.decode().splitlines()} == found


def in_a_shell(option: str, home: Path) -> Finished:
    """`rerank OPTION` typed at bash: typer looks at the processes above for the shell."""
    words = " ".join(f"'{word}'" for word in [*COMMAND, option])
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{words}; exit $?"],
        env=environment(HOME=str(home)),
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_the_script_is_shown_and_completes_in_bash_itself(tmp_path: Path) -> None:
    shown = in_a_shell("--show-completion", tmp_path)
    assert (shown.code, shown.stderr, list(tmp_path.iterdir())) == (0, b"", [])
    (tmp_path / "script").write_bytes(shown.stdout)
    (tmp_path / "rerank").write_text(f"#!/bin/sh\nexec '{sys.executable}' -m rerank_cli \"$@\"\n")
    (tmp_path / "rerank").chmod(0o755)
    program = (
        "source ./script\nCOMP_WORDS=(rerank score --engine o) COMP_CWORD=3\n_rerank_completion ./rerank\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=HANG_S,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"openvino\nonnx\n", b"")


def test_it_is_installed_where_it_says_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("alias l=ls")
    done = in_a_shell("--install-completion", tmp_path)
    assert (done.code, done.stderr) == (0, b"")
    script = tmp_path / ".bash_completions" / "rerank.sh"
    assert str(script) in done.stdout.decode()
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [script, tmp_path / ".bashrc"]
    assert (tmp_path / ".bashrc").read_text().startswith("alias l=ls\n")


def test_what_cannot_be_installed_is_an_output_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").mkdir()
    done = in_a_shell("--install-completion", tmp_path)
    assert (done.code, done.stdout) == (5, b"")
    assert str(tmp_path / ".bashrc") in done.said
    assert files_of(tmp_path) == {}


def test_a_reader_of_the_script_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = " ".join(f"'{word}'" for word in [*COMMAND, "--show-completion"])
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{words}; exit $?"], stdout=write, stderr=subprocess.PIPE,
        env=environment(HOME=str(tmp_path)), timeout=HANG_S, check=False, cwd=ROOT,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
