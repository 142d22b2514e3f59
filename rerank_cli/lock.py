"""One living run per output: a lock that dies with its process.

flock locks a file, not a name: after the lock is ours, the name must still lead to that file, or somebody unlinked it
and a third process may hold a lock of the same name.
"""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from rerank_cli.errors import OutputBusy, OutputError

TURNS = 1000  # against an owner that removes its lock just as we take it


class Lock:
    """An exclusive lock on `path`, held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        """Raises OutputBusy when another process holds it, OutputError when the folder forbids it."""
        self.path = path
        try:
            self._fd = self._acquired()
        except BlockingIOError:
            raise OutputBusy(
                f"{path}: another run is writing this output", "Wait for it, or choose another -o."
            ) from None
        except OSError as fault:
            reason = fault.strerror or str(fault)
            raise OutputError(f"{path.parent}: cannot write here ({reason})", "Check the folder of -o.") from None

    def _acquired(self) -> int:
        for _ in range(TURNS):
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), os.stat(self.path)):
                    return fd
            except FileNotFoundError:  # its owner removed it just now: try again
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise OSError(errno.ESTALE, "the file system does not tell its files apart")

    def release(self) -> None:
        """Remove the file, if it is ours, while the lock is still held, then let go. A file that stays is no lock."""
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._fd), os.stat(self.path)):
                self.path.unlink()
        os.close(self._fd)
