"""The environment: RERANK_* variables and their rank, locales, streams that are missing, a home that is not there."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from running import COMMAND, ROOT, environment, rerank

FAKE = ("--engine", "fake")


def test_a_flag_wins_over_the_environment_and_that_over_the_default(ten: Path) -> None:
    def kept(*flags: str, **variables: str) -> int:
        done = rerank("score", ten, "-o", "-", *FAKE, "-q", *flags, **variables)
        return len(done.records[0]["candidates"])

    assert kept() == 4
    assert kept(RERANK_TOP_K="1") == 1
    assert kept("--top-k", "2", RERANK_TOP_K="1") == 2


def test_flags_without_a_value_are_variables_too(ten: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    for _ in range(2):
        done = rerank("score", ten, "-o", output, *FAKE, RERANK_OVERWRITE="1", RERANK_NO_TEXT="true", RERANK_QUIET="1")
        assert (done.code, done.stderr) == (0, b"")
    assert b'"text"' not in output.read_bytes()
    assert rerank("score", ten, "-o", output, *FAKE, RERANK_OVERWRITE="0").code == 8


def test_a_whole_run_can_be_configured_by_the_environment(ten: Path, tmp_path: Path) -> None:
    done = rerank("score", ten, RERANK_OUTPUT=str(tmp_path / "out.jsonl"), RERANK_MODEL="fake", RERANK_LIMIT="3")
    assert done.code == 0
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 3


def test_a_wrong_variable_is_a_usage_error(ten: Path) -> None:
    assert rerank("score", ten, "-o", "-", *FAKE, RERANK_TOP_K="many").code == 2
    assert rerank("score", ten, "-o", "-", *FAKE, RERANK_MAX_ERRORS="many").code == 2


@pytest.mark.parametrize("command", ["score", "check", "doctor"])
def test_every_option_has_its_variable(command: str) -> None:
    shown = re.sub(r"\s+", " ", rerank(command, "--help").stdout.decode())
    options = set(re.findall(r" --([a-z-]+) ", shown.partition("Options:")[2])) - {"help"}
    assert len(options) > 7
    for option in options:
        assert f"RERANK_{option.replace('-', '_').upper()}" in shown, option


SURROUNDINGS = {
    "LC_ALL=C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "colourful and narrow": {"TERM": "xterm-256color", "FORCE_COLOR": "1", "COLUMNS": "1"},
    "no home": {"HOME": "/nonexistent", "HF_HOME": None},
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_bytes_are_the_same_in_any_surroundings(messy: Path, name: str) -> None:
    usual = rerank("score", messy, "-o", "-", *FAKE, "-q")
    here = rerank("score", messy, "-o", "-", *FAKE, "-q", **SURROUNDINGS[name])
    assert (here.code, here.stdout) == (3, usual.stdout)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_check_works_in_any_surroundings(messy: Path, name: str) -> None:
    done = rerank("check", ROOT / "sample_data" / "multilingual.jsonl", **SURROUNDINGS[name])
    assert (done.code, done.stderr) == (0, b"")
    assert rerank("check", messy, **SURROUNDINGS[name]).code == 3


def test_an_empty_environment_is_enough(ten: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "score", str(ten), "-o", "-", *FAKE],
        env={"PYTHONPATH": environment()["PYTHONPATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 10


@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        ("-o {out} <&-", 0),
        ("-o {out} >&-", 0),
        ("-o {out} 2>&-", 0),
        ("-o {out} <&- >&- 2>&-", 0),
        ("-o - >&-", 5),
        ("- -o {out} <&-", 4),
        ("-o - 2>&- | cat > {out}", 0),
        ("-o {out} 2> /dev/full", 0),
    ],
)
def test_closed_and_full_streams_are_no_reason_to_fail_unless_they_are_needed(
    ten: Path, tmp_path: Path, redirection: str, code: int
) -> None:
    out = tmp_path / "out.jsonl"
    source = "" if redirection.startswith("- ") else f"{ten}"
    script = f'set -o pipefail; "$@" {source} {redirection.format(out=out)}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, "score", *FAKE], env=environment(), timeout=60, check=False
    )
    assert done.returncode == code
    if code == 0:
        assert [json.loads(line)["id"] for line in out.read_bytes().splitlines()] == [f"q{n}" for n in range(10)]


def test_a_closed_standard_stream_never_lends_its_number_to_a_file_of_ours(ten: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    script = f'"$@" {ten} -o {out} >&- 2>&-'
    subprocess.run(["bash", "-c", script, "bash", *COMMAND, "score", *FAKE, "-v"], env=environment(), check=False)
    for line in out.read_bytes().splitlines() + (tmp_path / "out.jsonl.meta.json").read_bytes().splitlines()[:1]:
        assert line.startswith(b"{")


def test_with_a_closed_standard_error_standard_output_still_holds_only_records(messy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    script = f'"$@" {messy} -o - 2>&- | cat > {out}'
    subprocess.run(["bash", "-c", script, "bash", *COMMAND, "score", *FAKE], env=environment(), check=False)
    assert all(line.startswith(b"{") for line in out.read_bytes().splitlines())


def test_quiet_is_silent_on_success_and_speaks_on_failure(ten: Path, tmp_path: Path) -> None:
    done = rerank("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, "-q")
    assert (done.code, done.stdout, done.stderr) == (0, b"", b"")
    again = rerank("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, "-q")
    assert again.code == 8
    assert again.stderr


def test_lines_of_progress_are_plain_and_dated(ten: Path) -> None:
    done = rerank("score", ten, "-o", "-", *FAKE)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ done( [a-z_]+=[0-9.]+)+\n", done.said)
    assert rerank("score", ten, "-o", "-", *FAKE, "--progress", "none").stderr == b""


def test_verbose_says_what_the_run_was_made_of(ten: Path) -> None:
    said = rerank("score", ten, "-o", "-", *FAKE, "-v").said
    for name in ("model=fake", "batch_tokens=", "window_tokens=", "threads=", "rerank="):
        assert name in said
