"""Shell completion: candidates on standard output and nothing else, installed where it says."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support.running import COMMAND, HANG_S, ROOT, Finished, environment, files_of, rerank

from rerank_cli.cli.app import app
from rerank_cli.core.dtypes import TRAINING_DTYPES
from rerank_cli.engines.registry import DEVICES, ENGINE_DTYPES, ENGINES, GRAPHS
from rerank_cli.formats.known import FORMATS
from rerank_cli.training.rows import LOSSES

SHELLS = ("bash", "zsh", "fish")
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
HEAVY = ("torch", "transformers", "numpy", "pyarrow", "openvino", "onnxruntime", "huggingface_hub", "tokenizers")


def asked(shell: str, *words: str, action: str = "get-args", **more: str) -> Finished:
    """What a shell is told when TAB is pressed behind these words."""
    line = " ".join(["rerank", *words])
    return rerank(
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
    ("score", "--engine", lambda: {"auto", *ENGINES}),
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
    done = rerank(**variables)
    assert (done.code, done.stdout) == (2, b"")
    assert names in done.said
    assert "Traceback" not in done.said


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
