"""One test for each exit code, with the state of the output that the table of exit codes promises.

Not here: 70, and 1 but for a library that misbehaves. They are bugs of ours; no input and no option is known to
bring them about.
"""

import fcntl
import json
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest
from support.running import COMMAND, HANG_S, commits, environment, files_of, forked, lines, rerank, started, wait_until

FAKE = ("--engine", "fake")
SMALL = ("--batch-tokens", "64", "--window-tokens", "256")  # a commit every few records
SLOW = ("--model", "fake:slow=0.01", *SMALL)


INTEGERS = ("--top-k", "--limit", "--batch-tokens", "--window-tokens", "--max-candidates", "--max-length",
            "--query-max-length", "--chunk-overlap", "--threads", "--max-line-bytes")  # fmt: skip


def left_overs(output: Path) -> list[str]:
    """The files next to `output` that only an unfinished run has."""
    return [
        path.name for path in output.parent.iterdir() if path.name.endswith((".partial", ".journal", ".lock", ".tmp"))
    ]


def test_0_means_every_record_is_in_the_final_output(ten: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = forked("score", ten, "-o", output, *FAKE)
    assert done.code == 0
    assert [json.loads(line)["id"] for line in output.read_bytes().splitlines()] == [f"q{n}" for n in range(10)]
    assert left_overs(output) == []
    assert sorted(files_of(tmp_path)) == ["out.jsonl", "out.jsonl.meta.json", "ten.jsonl"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--no-such-option",),
        ("--top-k", "none"),
        ("--score", "cosine"),
        ("--engine", "steam"),
        ("--format", "xml"),
        ("--max-errors", "some"),
        ("--stats", "-"),
        ("--model", "fake:explode=1"),
        ("--query-max-length", "2"),
        *((option, "9" * 20) for option in INTEGERS),
        ("--threads", "5000"),
        ("--min-score", "nan"),
        ("--min-score", "1e400"),
        ("--max-errors", "9" * 20),
        ("--model", "fake:slow=nan"),
        ("--model", "fake:slow=-1"),
        ("--model", "fake:slow_load=inf"),
        ("--model", "fake:nan=2"),
        ("--model", "fake:lose_at=0"),
        ("--model", ""),
        ("--errors", ""),
    ],
    ids=" ".join,
)
def test_2_for_wrong_options_and_nothing_is_touched(ten: Path, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    before = files_of(tmp_path)
    done = forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE, *wrong)
    assert done.code == 2
    assert done.stdout == b""
    assert done.said.startswith("rerank: ")
    assert "\\n" not in done.said
    assert files_of(tmp_path) == before


def test_2_for_rows_of_csv_into_json_lines(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("query,text\nw,a\n")
    for command in ("score", "convert"):
        options = FAKE if command == "score" else ("--output-format", "csv")
        done = forked(command, "in.csv", "-o", "out.jsonl", *options, cwd=tmp_path)
        assert done.code == 2
        assert "--output-format pairs" in done.said
        assert files_of(tmp_path).keys() == {"in.csv"}


def test_2_without_an_output_names_the_missing_option(ten: Path) -> None:
    done = forked("score", ten, *FAKE)
    assert done.code == 2
    assert "--output" in done.said


def test_2_for_an_unknown_command() -> None:
    done = forked("score-all")
    assert done.code == 2
    assert "score-all" in done.said


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (["score", "--foo"], "score"),
        (["eval"], "eval"),
        (["train", "--epochs", "x"], "train"),
        (["mine", "q", "-o", "m", "--margin", "nan"], "mine"),
        (["bench", "--rounds", "0"], "bench"),
    ],
    ids=lambda each: str(each),
)
def test_2_names_the_help_of_the_command_that_was_typed(typed: list[str], command: str) -> None:
    done = forked(*typed)
    assert done.code == 2
    assert f"`rerank {command} --help`" in done.said


def test_2_blames_the_environment_for_what_came_from_there_and_for_nothing_else(tmp_path: Path) -> None:
    typed = forked("score", "x", "-o", "y", "--threads", "0", cwd=tmp_path)
    assert "'--threads'" in typed.said
    assert "RERANK_THREADS" not in typed.said
    inherited = rerank("score", "x", "-o", "y", cwd=tmp_path, RERANK_THREADS="0")
    assert (typed.code, inherited.code) == (2, 2)
    assert "RERANK_THREADS in the environment" in inherited.said


def test_alone_it_prints_short_help_that_people_can_read() -> None:
    done = forked()
    shown = (done.stdout + done.stderr).decode()
    assert "\nCommands:\n" in shown
    assert "\\n" not in shown
    assert "error:" not in shown


def test_2_when_standard_input_is_named_twice(tmp_path: Path) -> None:
    assert rerank("score", "-", "-", "-o", tmp_path / "out.jsonl", *FAKE, stdin=lines(1)).code == 2
    assert files_of(tmp_path) == {}


def test_2_when_the_output_is_the_input(ten: Path) -> None:
    before = files_of(ten.parent)
    assert forked("score", ten, "-o", ten, *FAKE, "--overwrite").code == 2
    assert files_of(ten.parent) == before


@pytest.mark.parametrize("suffix", [".partial", ".journal", ".errors.jsonl"])
def test_2_when_the_input_is_a_file_that_the_run_would_write_beside_its_output(ten: Path, suffix: str) -> None:
    source = ten.rename(ten.with_name("out.jsonl" + suffix))
    before = files_of(source.parent)
    assert forked("score", source, "-o", source.parent / "out.jsonl", *FAKE, "--overwrite").code == 2
    assert files_of(source.parent) == before


@pytest.mark.parametrize("option", ["--errors", "--stats"])
def test_2_when_the_errors_or_the_statistics_would_replace_the_input(ten: Path, tmp_path: Path, option: str) -> None:
    before = files_of(tmp_path)
    assert forked("score", ten, "-o", tmp_path / "out.jsonl", option, ten, "--overwrite", *FAKE).code == 2
    assert rerank("score", ten, "-o", "-", option, ten, "--overwrite", *FAKE).code == 2
    assert files_of(tmp_path) == before


def test_2_when_the_output_and_the_errors_have_one_name(ten: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    assert forked("score", ten, "-o", output, "--errors", output, *FAKE).code == 2
    assert not output.exists()


@pytest.mark.parametrize("option", ["--errors", "--stats"])
@pytest.mark.parametrize("suffix", [".partial", ".meta.json"])
def test_2_when_the_errors_or_the_statistics_have_a_name_that_the_run_itself_uses(
    ten: Path, tmp_path: Path, option: str, suffix: str
) -> None:
    output = tmp_path / "out.jsonl"
    before = files_of(tmp_path)
    assert forked("score", ten, "-o", output, option, f"{output}{suffix}", *FAKE).code == 2
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("option", ["-o", "--errors", "--stats"])
def test_2_or_5_when_an_output_is_a_folder_before_any_work_is_done(ten: Path, tmp_path: Path, option: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    before = files_of(tmp_path)
    others = [] if option == "-o" else ["-o", tmp_path / "out.jsonl"]
    done = forked("score", ten, *others, option, folder, *FAKE, "--overwrite")
    assert done.code in (2, 5)
    assert list(folder.iterdir()) == []
    assert files_of(tmp_path) == before


def test_3_when_some_records_failed_and_the_output_is_final(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(2) + b"not json\n" + lines(1, start=2))
    done = forked("score", source, "-o", output, *FAKE)
    assert done.code == 3
    assert [json.loads(line)["id"] for line in output.read_bytes().splitlines()] == ["q0", "q1", "q2"]
    [error] = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_bytes().splitlines()]
    assert (error["source"], error["line"], error["raw"]) == (str(source), 3, "not json")
    assert error["byte_offset"] == len(lines(2))
    assert left_overs(output) == []


def test_4_for_a_missing_input_and_nothing_is_written(tmp_path: Path) -> None:
    done = forked("score", tmp_path / "none.jsonl", "-o", tmp_path / "out.jsonl", *FAKE)
    assert done.code == 4
    assert "none.jsonl" in done.said
    assert files_of(tmp_path) == {}


def test_4_for_a_folder_as_input(tmp_path: Path) -> None:
    assert forked("score", tmp_path, "-o", tmp_path / "out.jsonl", *FAKE).code == 4


def test_4_for_too_many_bad_records_keeps_a_partial_that_more_tolerance_can_resume(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(20) + b"bad\nworse\n" + lines(20, start=20))
    done = forked("score", source, "-o", output, *FAKE, *SMALL, "--max-errors", "1")
    assert done.code == 4
    assert not output.exists()
    assert commits(output) >= 1
    assert "line" in done.said or ":21" in done.said or ":22" in done.said
    assert forked("score", source, "-o", output, *FAKE, *SMALL, "--max-errors", "2", "--resume").code == 3
    assert len(output.read_bytes().splitlines()) == 40


def test_5_when_the_folder_is_missing_or_is_a_file_and_nothing_is_written(ten: Path, tmp_path: Path) -> None:
    before = files_of(tmp_path)
    assert forked("score", ten, "-o", tmp_path / "none" / "out.jsonl", *FAKE).code == 5
    assert forked("score", ten, "-o", ten / "out.jsonl", *FAKE).code == 5
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("option", ["--errors", "--stats"])
def test_5_when_the_folder_of_the_errors_or_the_statistics_is_missing_before_any_work_is_done(
    ten: Path, tmp_path: Path, option: str
) -> None:
    before = files_of(tmp_path)
    done = forked("score", ten, "-o", tmp_path / "out.jsonl", option, tmp_path / "none" / "x.jsonl", *FAKE)
    assert done.code == 5
    assert files_of(tmp_path) == before


def test_5_when_the_device_is_full(ten: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = rerank("score", ten, "-o", "/dev/full", *FAKE)
    assert done.code == 5
    assert "No space left" in done.said


def test_5_when_the_file_may_not_grow_keeps_a_partial_that_more_room_can_resume(tmp_path: Path) -> None:
    source, output, golden = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "golden.jsonl"
    source.write_bytes(lines(60))
    assert forked("score", source, "-o", golden, *FAKE, *SMALL).code == 0
    half = golden.stat().st_size // 2

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (half, half))

    done = rerank("score", source, "-o", output, *FAKE, *SMALL, prepare=little_room)
    assert done.code == 5
    assert "--resume" in done.said
    assert not output.exists()
    assert commits(output) > 1
    assert forked("score", source, "-o", output, *FAKE, *SMALL, "--resume").code == 0
    assert output.read_bytes() == golden.read_bytes()


def test_6_for_a_folder_without_a_model_and_nothing_is_written(ten: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    before = files_of(tmp_path)
    done = forked("score", ten, "-o", tmp_path / "out.jsonl", "--model", tmp_path / "model")
    assert done.code == 6
    assert "config.json" in done.said
    assert files_of(tmp_path) == before


def test_7_when_scores_are_not_finite_names_the_dtype_to_try_and_keeps_a_partial(ten: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = forked("score", ten, "-o", output, "--model", "fake:nan=0.5")
    assert done.code == 7
    assert "--dtype" in done.said
    assert not output.exists()
    assert (tmp_path / "out.jsonl.partial").exists()
    assert (tmp_path / "out.jsonl.journal").exists()


def test_8_for_an_output_that_exists_and_it_stays_as_it_is(ten: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"precious\n")
    before = files_of(tmp_path)
    done = forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE)
    assert done.code == 8
    assert "--overwrite" in done.said
    assert files_of(tmp_path) == before


def test_8_for_an_errors_file_that_exists(ten: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.errors.jsonl").write_bytes(b"precious\n")
    before = files_of(tmp_path)
    assert forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE).code == 8
    assert files_of(tmp_path) == before


def test_11_while_another_run_writes_and_that_run_is_not_disturbed(ten: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    with started("score", "-", "-o", output, *FAKE, stdin=subprocess.PIPE) as first:
        first.stdin.write(lines(5))
        first.stdin.flush()
        assert wait_until((tmp_path / "out.jsonl.journal").exists, first)
        for flags in ((), ("--resume",), ("--overwrite",), ("--overwrite", "--resume")):
            assert forked("score", ten, "-o", output, *FAKE, *flags).code == 11, flags
        first.stdin.close()
        assert first.wait(HANG_S) == 0
    assert len(output.read_bytes().splitlines()) == 5


def test_11_is_by_the_lock_and_not_by_its_file(ten: Path, tmp_path: Path) -> None:
    lock = tmp_path / "out.jsonl.lock"
    with lock.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE).code == 11
    assert lock.exists()
    assert forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE).code == 0


def test_75_when_the_device_goes_away_and_what_was_committed_is_kept(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(40))
    done = forked("score", source, "-o", output, "--model", "fake:lose_at=20", *SMALL)
    assert done.code == 75
    assert "--resume" in done.said
    assert not output.exists()
    assert commits(output) >= 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_128_and_its_number_and_a_partial(tmp_path: Path, number: int, code: int) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(200))
    with started("score", source, "-o", output, *SLOW) as process:
        assert wait_until(lambda: commits(output) >= 1, process)
        process.send_signal(number)
        assert process.wait(HANG_S) == code
        assert b"--resume" in process.stderr.read()
    assert not output.exists()
    assert (tmp_path / "out.jsonl.partial").exists()
    assert commits(output) >= 1


def test_141_when_the_reader_closes_the_pipe_and_nothing_is_said_of_it(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines(5000))
    command = [*COMMAND, "score", str(source), "-o", "-", *FAKE, *SMALL]
    script = 'set -o pipefail; "$@" | head -1'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command], capture_output=True, env=environment(), timeout=HANG_S, check=False
    )
    assert done.returncode == 141
    assert re.fullmatch(rb"rerank: scoring .*\n", done.stderr), done.stderr
    assert json.loads(done.stdout)["id"] == "q0"


def test_check_ends_with_0_3_or_4(ten: Path, messy: Path, tmp_path: Path) -> None:
    assert forked("check", ten).code == 0
    assert forked("check", messy).code == 3
    assert forked("check", tmp_path / "none.jsonl").code == 4


@pytest.mark.parametrize("command", ["check", "doctor", "help"])
def test_141_for_every_command_whose_reader_went_away(messy: Path, command: str) -> None:
    arguments = {"check": ["check", str(messy)], "doctor": ["doctor", *FAKE], "help": ["score", "--help"]}[command]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, env=environment(), timeout=HANG_S, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_version_and_help_end_with_0() -> None:
    for arguments in (["--version"], ["-V"], ["--help"], ["-h"]):
        done = forked(*arguments)
        assert (done.code, done.stderr) == (0, b""), arguments
        assert done.stdout, arguments


@pytest.mark.parametrize("ending", ["sys.exit", "lambda _: sys.exit(0)", "lambda _: sys.exit(141)"])
def test_a_library_that_wants_to_end_the_process_is_a_bug_and_not_a_closed_pipe(tmp_path: Path, ending: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(3))
    (tmp_path / "sitecustomize.py").write_text(f"import sys, time\ntime.sleep = {ending}\n")
    path = os.pathsep.join([str(tmp_path), str(environment()["PYTHONPATH"])])
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:slow=1", cwd=tmp_path, PYTHONPATH=path)
    assert done.code == 1
    assert "this is a bug of rerank" in done.said
