"""Write files atomically, so that they survive a power loss.

`whole_file` and `put_file` write files that the user named: under an unused temporary name, since other files may be
there, and with the permissions of the previous file. `write_durably` writes our own files: under a name that a later
run recognises (`.tmp`), since a kill may leave it, and with the permissions of FILE.
"""

import errno
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

PREFIX = 48  # characters of a name that a temporary one keeps
BY_NUMBER = ("/dev/fd/", "/dev/std", "/proc/")


def replace_file(new: Path, old: Path) -> None:
    """Rename `new` to `old`, with the permissions of `old`."""
    if (mode := mode_of(old)) is not None and mode != mode_of(new):
        os.chmod(new, mode)
    os.replace(new, old)


def content_of(path: Path) -> bytes:
    """The content of a file; empty when it is missing or not a file. Raises OSError when it cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return b""


@contextmanager
def whole_file(final: Path, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file to write, renamed to `final` when the block succeeds and removed when it fails.

    For output that is written too quickly to be resumed. The file is on disk before the rename, and gets the
    permissions of the file that it replaces; before that it is private. `final` must not be a symbolic link. Raises
    OSError, and FileExistsError when `final` exists by then and must not be replaced.
    """
    with NamedTemporaryFile("wb", prefix=f".{final.name[:PREFIX]}.", dir=final.parent, delete=False) as file:
        new = Path(file.name)
        try:
            yield file
            file.flush()
            if mode_of(final) is None:
                os.fchmod(file.fileno(), 0o666 & ~umask())
            os.fsync(file.fileno())
            if replace:
                replace_file(new, final)
            else:
                _link(new, final)
            with suppress(PermissionError):  # a folder that is writable but not readable
                sync_folder(final.parent)
        finally:
            new.unlink(missing_ok=True)


def _link(new: Path, final: Path) -> None:
    """Give a file an unused name. Raises FileExistsError."""
    try:
        os.link(new, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
        os.replace(new, final)


def put_file(path: str | Path, content: bytes) -> None:
    """Write a file that the user named, atomically, following links. Raises OSError.

    A device, a FIFO and an open descriptor (/dev/stdout) are written in place.
    """
    if _is_written_in_place(path):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            write_all(fd, content)
        finally:
            os.close(fd)
        return
    with whole_file(Path(os.path.realpath(path))) as file:
        file.write(content)


def _is_written_in_place(path: str | Path) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return not stat.S_ISREG(status.st_mode) or str(os.path.abspath(path)).startswith(BY_NUMBER)


def umask() -> int:
    """The umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_durably(path: Path, content: bytes, like: Path | None = None, temporary: str = ".tmp") -> None:
    """Replace `path` with `content` atomically; survives a power loss. Raises OSError.

    The file gets the permissions of the file `like`, if that exists. Until the rename it has the suffix `temporary`; it
    is removed when writing fails.
    """
    new = path.with_name(path.name + temporary)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        try:
            if like is not None and (mode := mode_of(like)) is not None:
                os.fchmod(fd, mode | 0o600)  # so that it can be reopened
            write_all(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    sync_folder(path.parent)


def mode_of(path: Path) -> int | None:
    """The permissions of a file; None when it is missing."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def write_all(fd: int, content: bytes) -> None:
    """Write all bytes: continue after short writes, and wait for non-blocking pipes."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that renames in it are durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
