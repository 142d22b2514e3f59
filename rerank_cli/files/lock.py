"""One running process per output: a lock that ends with its process.

flock locks a file, not a name. After locking, the name must still lead to that file. Otherwise it was unlinked, and a
third process may hold a lock of the same name.

Our lock files contain a line that identifies them, and only such files are removed. If another program's file has the
name (`uv.lock` for `-o uv`), that file is locked and not changed.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from rerank_cli.core.errors import OutputBusy, OutputError, Refused
from rerank_cli.files.durable import sync_folder, write_all
from rerank_cli.files.paths import no_folder

TURNS = 1000  # attempts, if another process removes its lock while we take it
LINE = b"rerank lock\n"
UNSUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)  # by the file system, or without /proc


class Lock:
    """An exclusive lock on `path`, held from construction to `release`.

    `inherited`: the file was left by a killed run of ours, so other incomplete files may be there too.
    """

    def __init__(self, path: Path, option: str = "-o") -> None:
        """`option` names the locked output, for messages.

        Raises OutputBusy when another process holds the lock, Refused when the name cannot be locked, OutputError when
        the folder is not writable.
        """
        self.path, self.inherited = path, False
        try:
            self._fd = self._acquire()
        except BlockingIOError:
            raise OutputBusy(
                f"{path}: another run is writing this output", f"Wait until it ends, or choose another {option}."
            ) from None
        except OSError as fault:
            reason = fault.strerror or str(fault)
            if isinstance(fault, PermissionError) and os.path.isfile(path):
                raise OutputError(f"{path}: cannot be locked ({reason})", f"Choose another {option}.") from None
            if isinstance(fault, FileNotFoundError):
                raise OutputError(*no_folder(path.parent, option)) from None
            raise OutputError(
                f"{path.parent}: cannot write here ({reason})", f"Check the folder of {option}."
            ) from None
        if self._fd is None:
            raise Refused(f"{path}: is not a regular file", f"Move it away, or choose another {option}.")

    def _acquire(self) -> int | None:
        """A descriptor that holds the lock; None when the name cannot be locked."""
        for _ in range(TURNS):
            try:
                fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                if os.path.islink(self.path):
                    return None
                new = _make_lock(self.path)
                if new is not None:
                    return self._make_durable(new)
                continue
            try:
                if self._is_held(fd):
                    return fd
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    os.close(fd)
                    return None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise OSError(errno.ESTALE, "the file system does not identify its files")

    def _is_held(self, fd: int) -> bool:
        """Whether we hold the lock of an existing file that is still there. Raises BlockingIOError."""
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            if not os.path.samestat(os.fstat(fd), os.stat(self.path)):
                return False
            self.inherited = self._is_ours(fd)
        except FileNotFoundError:  # its owner removed it just now: try again
            return False
        return True

    def _make_durable(self, fd: int) -> int:
        """Our new lock, after it is on disk: later files depend on it after a power loss."""
        try:
            sync_folder(self.path.parent)
        except BaseException:
            self._fd = fd
            self.release()
            raise
        return fd

    def _is_ours(self, fd: int) -> bool:
        """Whether the name leads to this file, not by a link, and the file holds our line only."""
        same = os.path.samestat(os.fstat(fd), os.lstat(self.path))
        return same and os.pread(fd, len(LINE) + 1, 0) == LINE

    def release(self, keep: bool = False) -> None:
        """Remove the file, if it is ours, while the lock is still held, then release it.

        `keep`: leave the file, which tells the next run that incomplete files are ours (`inherited`).
        """
        if self._fd is None:
            return
        with suppress(OSError):
            if not keep and self._is_ours(self._fd):
                self.path.unlink()
        os.close(self._fd)


def _make_lock(path: Path) -> int | None:
    """A new lock, held from its creation; None when the name exists.

    The file gets its name after it holds its line. On file systems that cannot do that, a kill between the two leaves
    an empty file. Later runs lock it and do not remove it.
    """
    try:
        return _make_named_when_filled(path)
    except FileExistsError:
        return None
    except OSError as fault:
        if fault.errno not in UNSUPPORTED:
            raise
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return None
    try:
        _fill(fd)
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            return fd
        raise FileNotFoundError(errno.ENOENT, "removed as it was made", str(path))
    except BaseException:
        os.close(fd)
        raise


def _make_named_when_filled(path: Path) -> int:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        nameless = getattr(os, "O_TMPFILE", None)
        if nameless is None:
            raise OSError(errno.EOPNOTSUPP, "no files without a name here")
        fd = os.open(path.parent, os.O_RDWR | nameless | os.O_CLOEXEC, 0o666)
        try:
            _fill(fd)
            os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=folder, follow_symlinks=True)
        except BaseException:
            os.close(fd)
            raise
        return fd
    finally:
        os.close(folder)


def _fill(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    write_all(fd, LINE)
    os.fsync(fd)
