"""A signal at any moment, once or twice, ends a run within ten seconds by its own code, and the run can be resumed to
the golden bytes; a reader, a stream or a terminal that goes away never costs a record that went elsewhere.

What a signal hits by time alone is never exact, so the moments that matter (handlers being installed, writes, renames,
each drawing of the bar) are hit by strace, which sends the signal as the process enters a system call.
"""

import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import pytest
from support.points import Points
from support.running import (
    COMMAND,
    HANG_S,
    Finished,
    commits,
    environment,
    files_of,
    forked,
    hears,
    lines,
    started,
    unread,
    wait_until,
)
from support.terminals import CTRL_C, HIDDEN, SHOWN, Terminal, on_terminal
from support.tracing import needs_strace

from rerank_cli.files.journal import read_journal
from rerank_cli.files.paths import Paths

STUCK_S = 10  # within which a run that is stuck is out after a signal, on a machine with a free core
AT_ONCE_S = 6  # well below the eight seconds after which a stuck run is ended
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
OUT, ERRORS = "out.jsonl", "out.jsonl.errors.jsonl"
SMALL = ("--batch-tokens", "64", "--window-tokens", "200")
FILE_CALLS = ("openat", "write", "fsync", "ftruncate", "rename", "unlink", "close")
OUR_FILES = re.compile(rb'File ".*/rerank_cli/')
OUR_MODULES = re.compile(r"/rerank_cli/.*\.pyc|/typing\.")
NewFolder = Callable[[], Path]


def content() -> bytes:
    """Good, bad and blank lines: ten windows and more of SMALL."""
    return b"".join(lines(8, start) + b"bad %d\n\n" % start for start in range(0, 24, 8))


def command(faults: str = "", *flags: str, output: str = OUT) -> list[str]:
    """Score in.jsonl with logits that depend on their batch."""
    model = ",".join(filter(None, ["fake:composition=1", faults]))
    return ["score", "in.jsonl", "-o", output, "--model", model, *SMALL, *flags]


def streamed(*flags: str, output: str = "-") -> list[str]:
    """The same into a pipe, errors in a file, at a pace that a reader can interfere with."""
    return command("slow=0.01", "--errors", "bad.jsonl", *flags, output=output)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a run that was left alone, by name."""
    folder = tmp_path_factory.mktemp("golden")
    (folder / "in.jsonl").write_bytes(content())
    assert forked(*command(), cwd=folder).code == 3
    meta = json.loads((folder / "out.jsonl.meta.json").read_bytes())
    assert (meta["scored"], meta["failed"], meta["blank"]) == (24, 3, 3)
    assert meta["windows"] >= 10
    return files_of(folder)


@pytest.fixture
def new_folder(quick_folder: Path) -> NewFolder:
    """Makes folders that hold nothing but in.jsonl."""

    def made() -> Path:
        folder = quick_folder / str(sum(1 for _ in quick_folder.iterdir()))
        folder.mkdir()
        (folder / "in.jsonl").write_bytes(content())
        return folder

    return made


@pytest.fixture(autouse=True, scope="module")
def _heard_by_what_we_start() -> Iterator[None]:
    """What ignores a signal hands that on to what it starts, and a shell starts `pytest &` ignoring INT."""
    ignored = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def committed(folder: Path, count: int = 2) -> Callable[[], bool]:
    """A condition to wait for: that many commits stand in the journal."""
    return lambda: commits(folder / OUT) >= count


def assert_golden(folder: Path, golden: dict[str, bytes]) -> None:
    found = files_of(folder)
    assert found.keys() == golden.keys()
    for name in (OUT, ERRORS):
        assert found[name] == golden[name], name


def assert_resumable(folder: Path, golden: dict[str, bytes], arguments: list[str]) -> None:
    """FILE is not there until it is complete; continued, it is golden."""
    if (folder / OUT).exists():
        assert (folder / OUT).read_bytes() == golden[OUT]
    done = forked(*arguments, "--resume", cwd=folder)
    assert done.code in (0, 3), done.said
    if done.code == 0:
        assert "nothing to do" in done.said
    assert_golden(folder, golden)


def assert_stopped(number: int, code: int, said: bytes) -> None:
    """By the signal's own code, and in plain words."""
    assert code == 128 + number, (code, said)
    assert b"Traceback" not in said


def what_is_kept(folder: Path) -> str:
    """The end of what a stopped run says, by what its journal holds."""
    found = read_journal(folder / f"{OUT}.journal")
    if found is None:
        return "; nothing was saved yet, the same command starts again"
    if not found.commit.counters.records:
        why = "the first window was not saved, the same command with --resume starts again"
        return f"; 0 of 27 records are kept: {why}"
    records = found.commit.counters.records
    return f"; {records} of 27 records are kept, the same command with --resume continues after them"


# one signal and two, by what the run is doing

DOING = {  # its faults, and what shows that it has come so far
    "loading the model": ("slow_load=2", lambda folder: (folder / "out.jsonl.lock").exists()),
    "tokenizing": ("slow_prepare=0.5", lambda folder: (folder / "out.jsonl.partial").exists()),
    "scoring": ("slow=0.1", lambda folder: commits(folder / OUT) >= 3),
}


def test_one_signal_or_two_stop_a_run_whatever_it_is_doing(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for doing, second, number in points.of(list(product(DOING, (None, *SIGNALS), SIGNALS)), sample=2):
        with points.trying(f"signals: {'one' if second is None else 'two'} while {doing}"):
            (faults, begun), folder = DOING[doing], new_folder()
            with started(*command(faults), cwd=folder) as process:
                assert wait_until(lambda: begun(folder), process)  # noqa: B023
                time.sleep(0.05)
                process.send_signal(number)
                if second is not None:
                    process.send_signal(second)
                said = process.communicate(timeout=HANG_S)[1]
            first = number if second is None or process.returncode == 128 + number else second
            assert_stopped(first, process.returncode, said)
            if second is None:
                assert said.endswith(f"stopped by {number.name}{what_is_kept(folder)}\n".encode()), said
                assert not (folder / "out.jsonl.lock").exists()
            assert not (folder / OUT).exists()
            assert_resumable(folder, golden, command(faults))


def test_a_signal_does_not_wait_for_the_batch_in_hand_nor_a_second_one_for_the_first(
    points: Points, new_folder: NewFolder
) -> None:
    cases = [*product(SIGNALS, [None]), *product([signal.SIGTERM], range(0, 3000, 75))]
    for number, microseconds in points.of(cases, sample=2):
        between = "" if microseconds is None else ", and another soon after"
        with points.trying(f"signals: one while a batch takes an hour{between}"):
            folder = new_folder()
            with started(*command("slow=3600"), cwd=folder) as process:
                assert wait_until((folder / "out.jsonl.partial").exists, process)
                process.send_signal(number)
                if microseconds is not None:
                    until = time.perf_counter() + microseconds / 1e6
                    while time.perf_counter() < until:
                        pass
                    process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=HANG_S)[1]
            first = signal.SIGINT if microseconds is not None and process.returncode == 130 else number
            assert_stopped(first, process.returncode, said)


@contextmanager
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that nobody empties: a write to it never returns."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while os.write(writer, bytes(size)):
                pass
    os.set_blocking(writer, True)
    yield writer
    os.close(reader)
    os.close(writer)


@pytest.mark.slow
def test_a_run_that_is_stuck_ends_within_ten_seconds_of_a_signal_and_at_once_by_a_second(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for count, number in points.of([*product((2,), SIGNALS), (1, signal.SIGTERM)], sample=2):
        with points.trying("signals: to a run that is stuck in its last words"), full_pipe() as stderr:
            folder, run = new_folder(), command("slow=0.02", "--progress", "none")
            with started(*run, cwd=folder, stderr=stderr) as process:
                assert wait_until(committed(folder), process)
                process.send_signal(number)
                assert wait_until(lambda: not (folder / "out.jsonl.lock").exists(), process)  # noqa: B023
                if count == 2:
                    process.send_signal(number)
                assert process.wait(AT_ONCE_S if count == 2 else STUCK_S) == 128 + number
            assert_resumable(folder, golden, run)


def test_a_signal_does_not_wait_for_a_pipe_that_says_nothing(points: Points, tmp_path: Path) -> None:
    beginnings = (b"\n", lines(1), lines(20))
    for number, output, before in points.of(list(product(SIGNALS, (OUT, "-"), beginnings)), sample=2):
        with points.trying("signals: while reading from a silent pipe"):
            arguments = ("score", "-", "-o", output, "--engine", "fake", "--overwrite", "--progress", "none")
            with started(*arguments, cwd=tmp_path, stdin=subprocess.PIPE) as process:
                process.stdin.write(before)
                process.stdin.flush()
                assert wait_until(lambda: hears(process) and not unread(process.stdin), process)
                process.send_signal(number)
                code, said = process.wait(HANG_S), process.stderr.read()
            assert_stopped(number, code, said)
            assert b"--resume" not in said, "a pipe cannot be resumed"
            assert not (tmp_path / OUT).exists()


def test_check_and_doctor_and_the_installed_script_stop_too(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    script = Path(sys.executable).with_name("rerank")
    programs = [[*COMMAND, "check", "-"], [*COMMAND, "doctor", "--model", "fake:slow_load=3600"]]
    if script.exists():
        programs.append([str(script), *command("slow=3600")])
    for number, words in points.of(list(product(SIGNALS, programs)), sample=2):
        with points.trying("signals: to each command and the installed script"):
            process = subprocess.Popen(
                words,
                cwd=new_folder(),
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            with process:
                assert wait_until(lambda: hears(process), process)  # noqa: B023
                process.send_signal(number)
                code, said = process.wait(HANG_S), process.stderr.read()
            assert_stopped(number, code, said)


LIBRARY = """
import time
sleep = time.sleep
def like_a_library(seconds):
    try:
        sleep(seconds)
    except BaseException as fault:
        {}
time.sleep = like_a_library
"""
TURNED = ["raise RuntimeError('turned') from fault", "raise OSError(5, 'turned') from fault", "raise SystemExit(0)"]


def test_a_signal_that_a_library_turns_into_another_exception_or_swallows_still_stops_the_run(
    points: Points, new_folder: NewFolder
) -> None:
    cases = list(product(TURNED, SIGNALS))
    if points.exhaustive:
        cases.append(("pass", signal.SIGTERM))  # takes the eight seconds that a stuck run is given
    for instead, number in points.of(cases, sample=2):
        with points.trying("signals: turned into another exception, or swallowed"):
            folder = new_folder()
            (folder / "sitecustomize.py").write_text(LIBRARY.format(instead))
            path = f"{folder}{os.pathsep}{environment()['PYTHONPATH']}"
            process = subprocess.Popen(
                [*COMMAND, *command("slow=3600,slow_load=60")],
                cwd=folder,
                env=environment(PYTHONPATH=path),
                stderr=subprocess.PIPE,
            )
            with process:
                assert wait_until((folder / "out.jsonl.lock").exists, process)
                time.sleep(0.2)
                process.send_signal(number)
                said = process.communicate(timeout=HANG_S)[1]
            assert_stopped(number, process.returncode, said)
            assert b"bug" not in said


@pytest.mark.slow
def test_a_signal_ignored_at_the_start_stays_ignored(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for number in points.of(SIGNALS, sample=2):
        with points.trying("signals: ignored at the start"):
            folder = new_folder()
            ignoring = lambda: signal.signal(number, signal.SIG_IGN)  # noqa: B023, E731
            with started(*command("slow=0.01"), cwd=folder, preexec_fn=ignoring) as process:
                time.sleep(0.05)
                process.send_signal(number)
                assert wait_until(committed(folder), process)
                process.send_signal(number)
                said = process.communicate(timeout=HANG_S)[1]
            assert process.returncode == 3, said
            assert_golden(folder, golden)


@pytest.mark.slow
def test_under_nohup_a_hangup_is_ignored_and_a_terminate_is_not(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for number in (signal.SIGHUP, signal.SIGTERM):
        with points.trying("signals: under nohup"):
            folder, run = new_folder(), command("slow=0.01")
            process = subprocess.Popen(
                ["nohup", *COMMAND, *run],
                cwd=folder,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            with process:
                assert wait_until(committed(folder), process)
                process.send_signal(number)
                said = process.communicate(timeout=HANG_S)[0]
            if number == signal.SIGHUP:
                assert process.returncode == 3, said
                assert_golden(folder, golden)
            else:
                assert_stopped(number, process.returncode, said)
                assert_resumable(folder, golden, run)


# while it starts


def assert_stopped_early(number: int, code: int, said: bytes) -> None:
    """Before our handler stands the signal itself, or Python, may end the process; no traceback leads further in."""
    before_the_handler = b"import signal\n" in said and b"in <module>" in said and b"in main" not in said
    assert b"Traceback" not in said or not OUR_FILES.search(said) or before_the_handler, said.decode()
    python_was_starting = b"Fatal Python error: init" in said or said.endswith(b"KeyboardInterrupt\n")
    assert code in (-number, 128 + number) or (number == signal.SIGINT and python_was_starting), (code, said)


def test_a_signal_at_any_moment_of_the_start_ends_it(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    moments = [0.0, 0.002, 0.005, *(step / 100 for step in range(1, 26, 2))]
    for moment, number in points.of(list(product(moments, SIGNALS)), sample=2):
        with points.trying("signals: at start, by time"):
            folder = new_folder()
            with started(*command("slow=0.005"), cwd=folder) as process:
                time.sleep(moment)
                process.send_signal(number)
                said = process.communicate(timeout=HANG_S)[1]
            assert_stopped_early(number, process.returncode, said)
            assert_resumable(folder, golden, command("slow=0.005"))


def under_strace(log: Path, calls: str, files: list[Path], *injections: str) -> list[str]:
    """The words before a command: trace `calls` (on `files`, if any) to `log`, with signals as they are entered."""
    watched = [part for file in files for part in ("-P", str(file))]
    tampering = [part for injection in injections for part in ("-e", f"inject={injection}")]
    return ["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={calls}", *watched, *tampering]


def struck(folder: Path, log: Path, calls: str, files: list[Path], *injections: str) -> Finished:
    """The command under strace, in an interpreter that looks for no modules in the folder."""
    with open(log.with_suffix(".said"), "w+b") as said:
        done = subprocess.run(
            [*under_strace(log, calls, files, *injections), *COMMAND, *command()],
            cwd=folder,
            env=environment(PYTHONSAFEPATH="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            timeout=HANG_S,
            check=False,
        )
        said.seek(0)
        found = Finished(done.returncode, b"", said.read())
    if b"strace:" in found.stderr and b"ptrace" in found.stderr:
        pytest.skip(f"strace may not trace here: {found.said.strip()[-200:]}")
    return found


def at(call: str, which: int, number: int) -> str:
    """An injection: signal `number` at the `which`-th such call of a thread."""
    return f"{call}:signal={number}:when={which}"


def calls_of(folder: Path, log: Path, calls: str, files: list[Path]) -> list[tuple[str, str]]:
    """The calls of a run's main thread that is left alone, and the line of each."""
    assert struck(folder, log, calls, files).code == 3
    found = [re.match(r"(\d+) +(\w+)\((.*)", line) for line in log.read_text().splitlines()]
    entered = [match.groups() for match in found if match]
    return [(call, rest) for thread, call, rest in entered if thread == entered[0][0]]


def fired(log: Path) -> bool:
    """Whether a signal came."""
    return "--- SIG" in log.read_text()


@needs_strace
@pytest.mark.slow
def test_a_signal_at_any_step_of_installing_the_handlers_ends_it(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    last = len(calls_of(new_folder(), log, "rt_sigaction", []))
    steps = [("pipe2", 1), ("clone3", 1), *(("rt_sigaction", which) for which in range(last - 12, last + 1))]
    for number, (call, which) in points.of(list(product(SIGNALS, steps)), sample=2):
        folder = new_folder()
        done = struck(folder, log, call, [], at(call, which, number))
        if fired(log):
            with points.trying("signals: at start, while handlers are installed"):
                assert_stopped_early(number, done.code, done.stderr)
                assert_resumable(folder, golden, command())


@needs_strace
@pytest.mark.slow
def test_an_interrupt_at_any_file_opened_while_it_starts_ends_it_without_a_traceback_of_ours(
    points: Points, new_folder: NewFolder, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    opened = calls_of(new_folder(), log, "openat", [])
    ours = [which for which, (_, rest) in enumerate(opened, 1) if OUR_MODULES.search(rest)]
    assert len(ours) > 20
    others = range(ours[0], len(opened), 16)
    for which in sorted({*points.of(ours, sample=2), *points.of(others, sample=2)}):
        with points.trying("signals: at start, by file opened"):
            done = struck(new_folder(), log, "openat", [], at("openat", which, signal.SIGINT))
            assert fired(log)
            assert_stopped_early(signal.SIGINT, done.code, done.stderr)


# while it writes and renames


@needs_strace
def test_a_signal_at_any_call_on_the_runs_files_leaves_what_can_be_resumed(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes], tmp_path: Path
) -> None:
    def watched(folder: Path) -> list[Path]:
        return [folder, *Paths.of(str(folder / OUT), None).all()]

    log, spare = tmp_path / "log", new_folder()
    seen: dict[str, int] = {}
    for call, _ in calls_of(spare, log, ",".join(FILE_CALLS), watched(spare)):
        seen[call] = seen.get(call, 0) + 1
    assert seen.keys() == set(FILE_CALLS)
    assert seen["rename"] == 5
    cases = [(call, which, signal.SIGTERM) for call, count in seen.items() for which in range(1, count + 1)]
    renames = [(call, which) for call, which, _ in cases if call == "rename"]
    cases += [(*place, number) for place in renames for number in (signal.SIGINT, signal.SIGHUP)]
    for call, which, number in points.of(cases, sample=2):
        with points.trying(f"signals: at a {call} on the run's files"):
            folder = new_folder()
            done = struck(folder, log, call, watched(folder), at(call, which, number))
            assert fired(log)
            assert_stopped(number, done.code, done.stderr)
            assert_resumable(folder, golden, command())
    for call, count in points.of(sorted(seen.items()), sample=2):
        with points.trying("signals: none beyond the last call on the run's files"):
            folder = new_folder()
            assert struck(folder, log, call, watched(folder), at(call, count + 1, signal.SIGTERM)).code == 3
            assert not fired(log)
            assert_golden(folder, golden)


@needs_strace
def test_a_signal_while_it_cleans_up_or_says_its_last_words_ends_it(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    steps = [("write", 1), ("write", 2), ("close", 1)]
    for first, (call, which), number in points.of(list(product((False, True), steps, SIGNALS)), sample=2):
        fault = "a second while it stops" if first else "one while it says its last words"
        with points.trying(f"signals: {fault}"):
            folder = new_folder()
            injections = [at("unlink", 1, signal.SIGTERM)] if first else []
            files = [folder / "out.jsonl.lock", log.with_suffix(".said")]
            done = struck(folder, log, f"unlink,{call}", files, *injections, at(call, which, number))
            came = [name for name in SIGNALS if f"--- {name.name} " in log.read_text()]
            assert b"Traceback" not in done.stderr
            assert done.code in ({128 + name for name in came} or {3})
            assert_resumable(folder, golden, command())


# readers that go away


def test_a_reader_of_the_records_that_goes_away_ends_the_run_quietly_with_141(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    half = len(golden[OUT]) // 2
    for wanted in points.of([0, 1, 7, 100, 1000, *random.Random(1).choices(range(half), k=12), half], sample=2):
        with points.trying("pipes: the reader of the records goes away"):
            with started(*streamed("--progress", "none"), cwd=new_folder()) as process:
                got = process.stdout.read(wanted)
                process.stdout.close()
                said = process.stderr.read()
                assert process.wait(HANG_S) == 141
            assert said == b""
            assert got == golden[OUT][:wanted]


def test_a_reader_that_never_reads_does_not_hold_up_a_signal(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for number in points.of(SIGNALS, sample=2):
        with points.trying("pipes: the reader of the records never reads, then a signal"):
            reader, writer = os.pipe()
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
            with started(*streamed(), cwd=new_folder(), stdout=writer) as process:
                os.close(writer)
                assert wait_until(lambda: unread(reader) > 0, process)  # noqa: B023
                process.send_signal(number)
                said = process.communicate(timeout=HANG_S)[1]
            assert_stopped(number, process.returncode, said)
            with open(reader, "rb") as pipe:
                written = pipe.read()
            assert 0 < len(written) < len(golden[OUT])
            assert golden[OUT].startswith(written)


def test_what_went_into_a_pipe_before_a_signal_is_a_prefix_of_whole_records(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for number in points.of(SIGNALS, sample=2):
        with points.trying("pipes: a signal while a reader reads"):
            with started(*streamed(), cwd=new_folder()) as process:
                first = process.stdout.read(1500)
                process.send_signal(number)
                written = first + process.stdout.read()
                code, said = process.wait(HANG_S), process.stderr.read()
            assert_stopped(number, code, said)
            assert golden[OUT].startswith(written)
            assert written.endswith(b"\n")
            assert len(written) < len(golden[OUT])


def test_a_pipe_that_does_not_block_gets_every_record(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    with points.trying("pipes: one that does not block, and a slow reader"):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        with started(*streamed(), cwd=new_folder(), stdout=writer) as process, open(reader, "rb") as pipe:
            os.close(writer)
            assert wait_until(lambda: unread(reader) > 0, process)
            records = pipe.read()
            said = process.communicate(timeout=HANG_S)[1]
        assert process.returncode == 3, said
        assert records == golden[OUT]


def shell(script: str, *arguments: str, cwd: Path, **variables: str) -> Finished:
    """A bash script in which "$@" is the command."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}", "bash", *COMMAND, *arguments],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_head_gets_its_lines_and_the_run_ends_quietly_with_141(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for count in points.of([0, 1, 3], sample=2):
        with points.trying("pipes: head takes the first records"):
            folder = new_folder()
            done = shell(f'"$@" 2> said | head -n {count}', *streamed("--progress", "none"), cwd=folder)
            assert done.code == 141
            assert done.stdout.splitlines() == golden[OUT].splitlines()[:count]
            assert (folder / "said").read_bytes() == b""


REPORTS = (["--help"], ["--version"], ["score", "--help"], ["check", "in.jsonl"], ["doctor", "--model", "fake"])


def test_a_report_that_nobody_reads_ends_quietly_with_141_and_one_without_room_says_so_with_5(
    points: Points, new_folder: NewFolder
) -> None:
    for arguments, place in points.of(list(product(REPORTS, ("gone", "full"))), sample=2):
        with points.trying(f"pipes: the place of a report is {place}"):
            reader, writer = os.pipe()
            os.close(reader)
            stdout = writer if place == "gone" else os.open("/dev/full", os.O_WRONLY)
            with started(*arguments, cwd=new_folder(), stdout=stdout) as process:
                said = process.communicate(timeout=HANG_S)[1]
            for fd in {writer, stdout}:
                os.close(fd)
            if place == "gone":
                assert (process.returncode, said) == (141, b"")
            else:
                assert b"Traceback" not in said
                assert process.returncode == 5
                assert said.startswith(b"rerank: error: ")


TALK = (["-v", "--progress", "bar"], ["--progress", "lines"], ["-v", "--progress", "none"])
NOBODY = {
    "gone": '{ "$@" 2>&1 > records; echo $? > code; } | head -c 0',
    "full": '"$@" > records 2> /dev/full; echo $? > code',
}


@pytest.mark.slow
def test_a_standard_error_that_is_gone_or_full_costs_no_record(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    colours: list[dict[str, str]] = [{"FORCE_COLOR": "1"}, {}]
    for output, nobody, talk, colour in points.of(list(product((OUT, "-"), NOBODY, TALK, colours)), sample=2):
        with points.trying(f"pipes: standard error is {nobody}"):
            folder = new_folder()
            done = shell(NOBODY[nobody], *streamed(*talk, output=output), cwd=folder, **colour)
            assert done.stderr == b""
            assert (folder / "code").read_text() == "3\n"
            assert (folder / ("records" if output == "-" else OUT)).read_bytes() == golden[OUT]
            assert (folder / "bad.jsonl").read_bytes() == golden[ERRORS]


def test_error_records_that_nobody_can_read_are_not_taken_for_written(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for nobody in NOBODY:
        with points.trying(f"pipes: error records go to a standard error that is {nobody}"):
            folder = new_folder()
            shell(NOBODY[nobody], *command("slow=0.02", "--progress", "none", output="-"), cwd=folder)
            assert (folder / "code").read_text() == "5\n"
            assert golden[OUT].startswith((folder / "records").read_bytes())


# streams that the caller closed

CLOSED = [streams for streams in product(("", "<&-"), ("", ">&-"), ("", "2>&-")) if any(streams)]


def test_streams_closed_at_the_start_matter_only_where_they_are_needed(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for streams, output in points.of(list(product(CLOSED, (OUT, "-"))), sample=2):
        with points.trying("pipes: standard streams closed at the start"):
            folder = new_folder()
            records = "> records" if output == "-" and ">&-" not in streams else ""
            done = shell(f'"$@" {records} {" ".join(streams)}', *streamed("-v", output=output), cwd=folder)
            assert done.stdout == b""
            assert "Traceback" not in done.said
            if output == "-" and not records:
                assert done.code == 5
                assert "2>&-" in streams or "standard output is closed" in done.said
                assert files_of(folder).keys() == {"in.jsonl"}
            else:
                assert done.code == 3
                assert (folder / ("records" if records else OUT)).read_bytes() == golden[OUT]
                assert (folder / "bad.jsonl").read_bytes() == golden[ERRORS]
            if output == OUT:
                assert json.loads((folder / "out.jsonl.meta.json").read_bytes())["records"] == 27


def test_with_a_closed_standard_error_standard_output_still_holds_only_records(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    for nowhere in ("2>&-", "2> /dev/null"):
        with points.trying("pipes: error records go to a standard error that was closed"):
            folder = new_folder()
            done = shell(f'"$@" {nowhere} | cat > records', *command(output="-"), "-v", cwd=folder)
            assert done.code == 3
            assert (folder / "records").read_bytes() == golden[OUT]


def test_a_closed_standard_input_is_said_where_it_is_wanted(points: Points, new_folder: NewFolder) -> None:
    cases = [("score", "-", "-o", OUT, "--engine", "fake"), ("check", "-"), ("score", "-o", OUT), ("check",)]
    for arguments in points.of(cases, sample=2):
        with points.trying("pipes: standard input is closed and wanted"):
            folder = new_folder()
            done = shell('"$@" <&-', *arguments, cwd=folder)
            assert done.code == (4 if "-" in arguments else 2)
            assert "Traceback" not in done.said
            assert done.said
            assert files_of(folder).keys() == {"in.jsonl"}


# on a terminal


def assert_left_well(terminal: Terminal) -> None:
    """The cursor is there again, and no bar is drawn below the last words."""
    assert b"Traceback" not in terminal.shown, terminal.shown[-2000:].decode()
    assert terminal.cursor in (None, SHOWN), terminal.shown[-300:]
    assert b"\x1b" not in terminal.shown.partition(b"stopped by")[2].replace(SHOWN, b""), terminal.shown[-300:]


def test_ctrl_c_while_the_bar_is_drawn_gives_130_and_the_cursor_back(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    begun = {HIDDEN: "slow=0.01", b"loading the model": "slow=0.01,slow_load=0.3", b" pairs/s": "slow=0.01"}
    for seen, more, milliseconds in points.of(list(product(begun, (0, 1, 2), (0, 1, 10))), sample=2):
        fault = "then again" if more else "once"
        with points.trying(f"terminal: Ctrl-C while the bar is drawn, {fault}"):
            folder, run = new_folder(), command(begun[seen])
            with on_terminal(*run, cwd=folder) as terminal:
                terminal.see(seen)
                terminal.type(CTRL_C)
                if more:
                    terminal.look(milliseconds / 1000)
                    terminal.type(CTRL_C * more)
                assert terminal.code(HANG_S) == 130, terminal.shown[-2000:].decode()
            assert_left_well(terminal)
            if not more:
                assert b"rerank: stopped by SIGINT" in terminal.shown
            assert_resumable(folder, golden, run)


STOPPED = b"\r\x1b[2Krerank: stopped by SIGINT\r\n"  # in place of the bar
ENDINGS = [
    ("leave(130)", SHOWN),
    ("_end_after_signal(signals)", SHOWN + STOPPED),
    ("process._interrupt.reported = True; _end_after_signal(signals)", SHOWN),
]


@pytest.mark.parametrize(("ending", "shown"), ENDINGS)
def test_the_cursor_is_back_whoever_ends_the_process_and_the_terminal_as_it_was(
    ending: str, shown: bytes, tmp_path: Path
) -> None:
    code = f"""
import os, termios
from rerank_cli.cli import process
from rerank_cli.cli.process import *
from rerank_cli.cli.process import _end_after_signal
from rerank_cli.display import progress
progress._bar_began.set()
process._interrupt.heard = Interrupted(2)
signals, ours = os.pipe()
os.write(ours, bytes([2, 2]))
before, leave_now = termios.tcgetattr(2), os._exit
def checked(code):
    leave_now(code if termios.tcgetattr(2) == before else 99)
os._exit = checked
{ending}
"""
    with on_terminal(program=(sys.executable, "-c", code), cwd=tmp_path) as terminal:
        assert terminal.code(HANG_S) == 130, terminal.shown.decode()
    assert terminal.shown == shown


@needs_strace
@pytest.mark.slow
def test_an_interrupt_at_any_drawing_of_the_bar_gives_the_cursor_back(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    run = command("slow=0.01")

    def interrupted(*injections: str) -> tuple[Terminal, Path]:
        folder = new_folder()
        before = under_strace(log, "write", [Path("{terminal}")], *injections)
        with on_terminal(*run, cwd=folder, before=before) as terminal:
            terminal.code()
        return terminal, folder

    assert interrupted()[0].process.returncode == 3
    drawn = len(re.findall(r"\bwrite\(", log.read_text()))
    assert drawn >= 4
    for which, number in points.of(list(product(range(1, drawn + 1), SIGNALS)), sample=2):
        terminal, folder = interrupted(at("write", which, number))
        if fired(log):  # the bar is drawn by another thread, as often as there is time for
            with points.trying("terminal: a signal at a drawing of the bar"):
                assert terminal.process.returncode == 128 + number, terminal.shown[-2000:].decode()
                assert_left_well(terminal)
                assert_resumable(folder, golden, run)


def test_a_terminal_that_is_closed_stops_the_run_unless_it_ignores_hangups(
    points: Points, new_folder: NewFolder, golden: dict[str, bytes]
) -> None:
    cases = list(product(("bar", "lines", "none"), (signal.SIG_DFL, signal.SIG_IGN)))
    for progress, hangup in points.of(cases, sample=2):
        with points.trying("terminal: closed under the run" + (", hang-ups ignored" if hangup else "")):
            folder, run = new_folder(), command("slow=0.02", "--progress", progress, "-v")
            ignoring = lambda: signal.signal(signal.SIGHUP, hangup)  # noqa: B023, E731
            with on_terminal(*run, cwd=folder, prepare=ignoring) as terminal:
                assert wait_until(committed(folder), terminal.process)
                terminal.hang_up()
                code = terminal.code()
            if hangup == signal.SIG_IGN:
                assert code == 3
                assert_golden(folder, golden)
            else:
                assert code == 129
                assert_resumable(folder, golden, run)
