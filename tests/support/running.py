"""Run the command from tests, as a user does: arguments, bytes on standard input, an environment, signals."""

import atexit
import fcntl
import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "rerank_cli"]
OURS = ("RERANK_", "HF_", "TRANSFORMERS_")  # variables that would change what a test sees
FAKE_NOTE = b"rerank: the scores are fake: --engine fake is for tests\n"  # after every run of the tests' engine
HANG_S = 1800.0  # only what hangs takes so long: a healthy run ends sooner beside any load


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run of the command ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def said(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "replace")

    @property
    def records(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def without_note(stderr: bytes) -> bytes:
    """What a run said beside the note that its engine is the tests' one."""
    return stderr.replace(FAKE_NOTE, b"", 1)


def environment(**variables: str | None) -> dict[str, str]:
    """The environment of this process without what configures us; `variables` are added, or removed when None."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    for name in ("PYTHONIOENCODING", "PYTHONUTF8", "COLUMNS", "NO_COLOR"):
        kept.pop(name, None)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    kept["TERM"] = "dumb"
    for name, value in variables.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    return kept


def rerank(
    *arguments: str | bytes | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    timeout: float = HANG_S,
    prepare: Callable[[], None] | None = None,
    **variables: str | None,
) -> Finished:
    """Run the command to its end. `prepare` runs in the child before it (limits, signals)."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(**variables),
        timeout=timeout,
        preexec_fn=prepare,
        check=False,
    )
    return Finished(done.returncode, done.stdout, without_note(done.stderr))


@contextmanager
def started(*arguments: str | Path, cwd: Path | None = None, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a running process, killed at the end of the block if it is still there."""
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    with subprocess.Popen([*COMMAND, *arguments], cwd=cwd, env=environment(), **more) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> bool:
    """Poll until `condition` holds (True) or `process` ended first (False)."""
    give_up = time.monotonic() + HANG_S
    while not condition():
        if process is not None and process.poll() is not None:
            return False
        assert time.monotonic() < give_up, "waited too long"
        time.sleep(0.002)
    return True


def hears(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process of the command has set its handlers of signals: SIGHUP's and SIGTERM's, as the kernel says."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())
    wanted = [signal.SIGHUP, signal.SIGTERM]
    return caught is not None and all(int(caught[1], 16) >> number - 1 & 1 for number in wanted)


def unread(pipe: IO[bytes] | int) -> int:
    """Bytes in a pipe that nobody has read yet; either end may be given."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def commits(output: Path) -> int:
    """Complete commit lines in the journal of `output`; -1 while there is no journal."""
    journal = output.with_name(output.name + ".journal")
    try:
        return journal.read_bytes().count(b"\n") - 1
    except FileNotFoundError:
        return -1


def run_into(obstacle: Path, source: Path, output: Path, *arguments: str | Path) -> int:
    """Run the command in the folder of its input; a folder `obstacle` is there from when it has begun to its end.

    Returns the exit code. The input is a FIFO meanwhile, so that the run cannot be over before that.
    """
    content = source.read_bytes()
    half = content.index(b"\n", len(content) // 2) + 1
    source.unlink()
    os.mkfifo(source)
    with started(*arguments, cwd=source.parent) as process, source.open("wb", buffering=0) as fifo:
        fifo.write(content[:half])
        assert wait_until(lambda: commits(output) >= 0, process)
        obstacle.mkdir()
        fifo.write(content[half:])
        fifo.close()
        process.communicate()
    obstacle.rmdir()
    source.unlink()
    source.write_bytes(content)
    return process.returncode


def kill_after_commits(count: int, output: Path, *arguments: str | Path, cwd: Path | None = None) -> int:
    """Start the command and kill -9 it once `count` commits stand in its journal; returns its exit code."""
    with started(*arguments, cwd=cwd) as process:
        wait_until(lambda: commits(output) >= count, process)
        process.kill()
        return process.wait()


def killed_and_resumed(output: Path, *arguments: str | Path, after: Iterable[int] = (1, 3, 6)) -> bytes:
    """The output of a run that was killed after some numbers of commits, and resumed each time."""
    for count in after:
        kill_after_commits(count, output, *arguments, "--resume")
        assert not output.exists()
    done = rerank(*arguments, "--resume")
    assert done.code == 0, done.said
    return output.read_bytes()


def kill_after_seconds(seconds: float, *arguments: str | Path, cwd: Path | None = None) -> int:
    """Start the command and kill -9 it that much later, unless it ends before; returns its exit code."""
    with started(*arguments, cwd=cwd) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def record(number: int, candidates: int = 4) -> dict[str, Any]:
    """A record that depends on its number alone; its texts are 1 to 30 words long."""
    chance = random.Random(number)
    texts = [" ".join(chance.choices(["tea", "cup", "leaf", "hot", "water", "tree", "board"], k=chance.randint(1, 30)))]
    while len(texts) < candidates:
        texts.append(f"{len(texts)} " + " ".join(chance.choices(["mint", "rose", "sage"], k=chance.randint(1, 30))))
    return {
        "id": f"q{number}",
        "query": f"question {number}",
        "candidates": [{"id": f"d{index}", "text": text} for index, text in enumerate(texts)],
    }


def lines(count: int, start: int = 0) -> bytes:
    """`count` records as JSON lines."""
    return b"".join(json.dumps(record(number)).encode() + b"\n" for number in range(start, start + count))


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


class Zygote:
    """A process that has its imports done and forks runs (tests/support/zygote.py), and a folder for what they print.

    `before` are words before its command, such as those of setpriv: the runs then have its rights and its mounts.
    """

    def __init__(self, *before: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rerank-zygote-")
        self._process = subprocess.Popen(
            [*before, sys.executable, ROOT / "tests" / "support" / "zygote.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """The number of the forking process."""
        return self._process.pid

    def run(self, *arguments: str | Path, cwd: Path, stdin: bytes | Path = b"", **variables: str) -> Finished:
        """Run the command to its end, with `variables` in its environment; `stdin` are bytes, or the file to read."""
        folder = Path(self._folder.name)
        if isinstance(stdin, bytes):
            (folder / "stdin").write_bytes(stdin)
            stdin = folder / "stdin"
        request = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd),
            "stdin": str(stdin),
            "folder": str(folder),
            "variables": variables,
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return Finished(code, (folder / "stdout").read_bytes(), without_note((folder / "stderr").read_bytes()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


@functools.cache
def _zygote(owner: int) -> Zygote:
    """The forking process of this (test) process."""
    return Zygote()


def forked(*arguments: str | Path, cwd: Path | None = None, stdin: bytes | Path = b"", **variables: str) -> Finished:
    """`rerank`, started by fork from a process that has its imports done: for sweeps of thousands of runs."""
    return _zygote(os.getpid()).run(*arguments, cwd=cwd or Path.cwd(), stdin=stdin, **variables)
