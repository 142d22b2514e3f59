"""Run the command on a pseudo-terminal: keys can be typed into it, and every byte that reaches it is kept."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.running import COMMAND, HANG_S, environment

CTRL_C = b"\x03"
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"
CURSOR = re.compile(rb"\x1b\[\?25[lh]")


@dataclass(slots=True)
class Terminal:
    """The side of the terminal where a person sits: what it has shown so far, and its keys."""

    fd: int
    process: subprocess.Popen[bytes]
    shown: bytes = b""
    closed: bool = field(default=False)

    def see(self, mark: bytes) -> None:
        """Wait until `mark` has been shown."""
        give_up = time.monotonic() + HANG_S
        while mark not in self.shown:
            assert time.monotonic() < give_up, f"never shown: {mark!r}, but {self.shown[-500:]!r}"
            assert self._read(1.0), f"ended without showing {mark!r}: {self.shown[-500:]!r}"

    def _read(self, seconds: float) -> bool:
        """Take what is there; False when nothing can come any more."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            block = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += block
        return bool(block)

    def look(self, seconds: float) -> None:
        """Take what is shown meanwhile, as a window does: what nobody has taken is discarded at Ctrl-C."""
        until = time.monotonic() + seconds
        while self._read(max(0.0, until - time.monotonic())) and time.monotonic() < until:
            pass

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.fd, keys)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self.fd)
        self.closed = True

    def code(self, timeout: float = HANG_S) -> int:
        """Let it run to its end, at most `timeout` seconds; the exit code."""
        give_up = time.monotonic() + timeout
        while not self.closed and time.monotonic() < give_up and self._read(0.5):
            pass
        return self.process.wait(max(0.1, give_up - time.monotonic()))

    @property
    def cursor(self) -> bytes | None:
        """The last command that hid or showed the cursor; None if there was none."""
        found = CURSOR.findall(self.shown)
        return found[-1] if found else None


@contextmanager
def on_terminal(
    *arguments: str | bytes | Path,
    cwd: Path | None = None,
    columns: int = 80,
    stdout: int | None = None,
    before: Sequence[str | Path] = (),
    prepare: Callable[[], None] | None = None,
    program: Sequence[str] = COMMAND,
    **variables: str | None,
) -> Iterator[Terminal]:
    """The command with a terminal of its own, which changes no byte of what is written to it and echoes no keys.

    `stdout` is a file descriptor or subprocess.PIPE where standard output is not the terminal; `before` are words
    before its command, such as those of strace. `program` is what stands for `rerank`.
    """
    person, device = pty.openpty()
    modes = termios.tcgetattr(device)
    modes[1] &= ~termios.OPOST
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(device, termios.TCSANOW, modes)
    fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def control() -> None:
        fcntl.ioctl(device, termios.TIOCSCTTY, 0)
        if prepare is not None:
            prepare()

    process = subprocess.Popen(
        [*(str(word).replace("{terminal}", os.ttyname(device)) for word in before), *program, *arguments],
        stdin=device,
        stdout=device if stdout is None else stdout,
        stderr=device,
        cwd=cwd,
        env=environment(**{"TERM": "xterm-256color", **variables}),
        start_new_session=True,
        preexec_fn=control,
    )
    os.close(device)
    terminal = Terminal(person, process)
    with process:
        try:
            yield terminal
        finally:
            if process.poll() is None:
                process.kill()
            if not terminal.closed:
                terminal.hang_up()
