"""Run the command under strace: count its system calls on some files, record them, make one of them fail.

(`--seccomp-bpf`, which would be faster, keeps some injected signals from being delivered.)
"""

import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.running import COMMAND, HANG_S, environment

CALLS = ("openat", "write", "fsync", "ftruncate", "rename", "unlink")
NAMES = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace: apt-get install strace")


def traced(
    arguments: Sequence[str | Path],
    files: Sequence[Path],
    log: Path,
    *,
    inject: str | None = None,
    text: int = 0,
    calls: Sequence[str] = CALLS,
    command: Sequence[str | Path] = COMMAND,
) -> int:
    """Run `command` in `/`, its `calls` on `files` going to `log`; returns the exit code.

    The log has `text` bytes of each string. `inject` is strace's, such as `write:error=EIO:when=3`. What it hit is
    marked INJECTED there.
    """
    watched = [part for file in files for part in ("-P", str(file))]
    tampering = ["-e", f"inject={inject}"] if inject else []
    strings = ["-xx", "-s", str(text)] if text else []
    strace = ["strace", "-f", "-qq", "-o", log, "-e", f"trace={','.join(calls)}", *strings, *watched, *tampering]
    done = subprocess.run(
        [*strace, *command, *arguments],
        cwd="/",
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    if b"ptrace" in done.stderr and done.returncode not in (3, 5, -signal.SIGKILL):
        pytest.skip(f"strace may not trace here: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.returncode


def calls_in(log: Path) -> list[str]:
    """The names of the calls in a log, in order."""
    return NAMES.findall(log.read_text())
