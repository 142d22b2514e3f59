"""Run the command inside this process, where torch is imported: 50 ms instead of 2.5 s; bounded, and watched.

Bounded: a run that takes too long or too much memory fails its test instead of the machine. Watched: Python's audit
events tell what a run connected to, started, unpickled or imported that no run over a local folder may.
"""

import contextlib
import io
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rerank_cli.cli import process

SECONDS, MEMORY = 20.0, 2 * 2**30  # far more than a tiny model needs
FORBIDDEN = {
    "socket.__new__",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "pickle.find_class",
}
PICKLES = (".bin", ".pt", ".pkl", ".ckpt")
CODE = ("evil.py", "transformers_modules")  # a model's own code, and where the library copies such code
FETCHERS = ("kernels",)  # packages that fetch code and run it

_events: list[str] | None = None  # of the run that is being watched


class TookTooLong(BaseException):
    """A run did not end in time. Not an Exception, so that the run itself does not explain it away."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How a run ended, what it said, and the forbidden things that it did."""

    code: int
    said: str
    events: list[str]


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _events is None:
        return
    forbidden = event in FORBIDDEN
    if event == "open":
        path = arguments[0]
        forbidden = isinstance(path, str) and (path.endswith(PICKLES) or any(code in path for code in CODE))
    elif event == "import":
        forbidden = arguments[0].partition(".")[0] in FETCHERS
    if forbidden:
        _events.append(f"{event} {arguments}")


sys.addaudithook(_audit)


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TookTooLong(f"more than {SECONDS} s")


@contextmanager
def _bounded() -> Iterator[None]:
    """Within SECONDS, and with MEMORY more than this process has now."""
    before = signal.signal(signal.SIGALRM, _too_long)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, hard))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The forbidden things that are done in the block, by any thread."""
    global _events
    _events = events = []
    try:
        yield events
    finally:
        _events = None


def rerank_inside(*arguments: str | Path) -> Watched:
    """Run the command to its end."""
    said = io.StringIO()
    with watched() as events, _bounded(), contextlib.redirect_stderr(said):
        code = process.run([os.fspath(argument) for argument in arguments])
    return Watched(int(code), said.getvalue(), events)
