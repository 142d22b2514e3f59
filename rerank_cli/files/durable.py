"""Files that are written whole and swapped in, and what makes them survive a loss of power.

There are two ways, because there are two needs. `whole_file` and `put_file` write where a user said: under a name that
nobody has, since anything may lie there, with the permissions of the file before. `write_durably` writes files of ours:
under a name that a later run knows (`.tmp`), since a kill may leave it, and never readable by more than may read FILE.
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
    """Rename `new` to `old`; it gets the permissions that `old` had."""
    if (mode := mode_of(old)) is not None and mode != mode_of(new):
        os.chmod(new, mode)
    os.replace(new, old)


def content_of(path: Path) -> bytes:
    """All of a file; nothing when it is not there or no file. Raises OSError when it cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return b""


@contextmanager
def whole_file(final: Path, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file to fill that becomes `final` when the block ends well, and of which nothing is left when it does not.

    For what takes too little time to be resumed. It is on disk before it takes its name, and gets the permissions of
    the file that it replaces; until then nobody else may open it. `final` is no symbolic link. Raises OSError, also
    (FileExistsError) when `final` is there by then and may not be replaced.
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
            with suppress(PermissionError):  # of a folder that may be written and not be read
                sync_folder(final.parent)
        finally:
            new.unlink(missing_ok=True)


def _link(new: Path, final: Path) -> None:
    """Give a file a name that nobody has. Raises FileExistsError."""
    try:
        os.link(new, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
        os.replace(new, final)


def put_file(path: str | Path, content: bytes) -> None:
    """Write what the user named a file for: whole and swapped in, where a link leads too. Raises OSError.

    A device, a FIFO and a file that is open already by a number (/dev/stdout) are written in place.
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
    """What this process takes from the permissions of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_durably(path: Path, content: bytes, like: Path | None = None, temporary: str = ".tmp") -> None:
    """Replace `path` with `content` in one step that survives a power loss. Raises OSError.

    It is open to nobody else than the file `like`, if that exists. The suffix `temporary` is that of the file until it
    is renamed; nothing is left of it when writing fails.
    """
    new = path.with_name(path.name + temporary)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        try:
            if like is not None and (mode := mode_of(like)) is not None:
                os.fchmod(fd, mode | 0o600)  # that it may be opened again
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
    """The permissions of a file; None when it is not there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def write_all(fd: int, content: bytes) -> None:
    """Write every byte: a short write goes on from where it stopped, a pipe that does not block is waited for."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
