"""The files of a VectorStore: bytes that are read and appended at places that an index knows.

Files are read, not mapped into memory: a page that the disk cannot read, or that was cut off, is an error of a read,
but the end of a process that has it mapped.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rerank_cli.core.errors import OutputError
from rerank_cli.files.durable import sync_folder

OF_OURS = re.compile(r"vectors-([0-9a-f]{8})-([0-9]+)\.f16")
MOST_EACH = 64 * 2**20  # bytes of an entry: 32,768 tokens in 1,024 dimensions
sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has the latter alone
LOST = {errno.ENOENT, errno.EIO, errno.ELOOP, errno.EISDIR}  # what is in such a file is damaged


class NumberFiles:
    """The files in a folder that belong to one store, by their numbers."""

    def __init__(self, folder: Path, store: str) -> None:
        """`store` is its id."""
        self._folder, self._begin = folder, f"vectors-{store:.8}-"
        self._open: dict[int, int] = {}  # descriptors of files that are read

    def path(self, file: int) -> Path:
        """Where a file is."""
        return self._folder / f"{self._begin}{file}.f16"

    def read(self, file: int, place: int, size: int) -> bytes | None:
        """The bytes at a place; None where they cannot be there. Raises OutputError."""
        if size > MOST_EACH:
            return None
        with _disk_faults(self.path(file)):
            try:
                descriptor = self._descriptor(file)
                if place + size > os.fstat(descriptor).st_size:
                    return None
                return os.pread(descriptor, size, place)
            except OSError as fault:
                if fault.errno in LOST:
                    return None
                raise

    def _descriptor(self, file: int) -> int:
        if file not in self._open:
            opened = os.open(self.path(file), os.O_RDONLY | os.O_NOFOLLOW)
            for other, descriptor in list(self._open.items()):
                if not os.fstat(descriptor).st_nlink:  # removed: its room on the disk is kept while it is open
                    os.close(self._open.pop(other))
            self._open[file] = opened
        return self._open[file]

    def append(self, file: int, end: int, appended: bytes) -> None:
        """Write bytes at the end of a file, and wait until they are on disk. Raises OutputError."""
        path, place = self.path(file), end
        with _disk_faults(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (0 if end else os.O_TRUNC)
            descriptor = os.open(path, flags, 0o666)
            try:
                left = memoryview(appended)
                while left:
                    done = os.pwrite(descriptor, left, place)
                    left, place = left[done:], place + done
                sync_data(descriptor)
            finally:
                os.close(descriptor)
            if not end:
                sync_folder(path.parent)

    def remove(self, up_to: int, keep: set[int]) -> None:
        """Remove the files of this store with numbers up to `up_to` but those to keep. Raises OutputError."""
        for path in files_in(self._folder):
            file = int(path.stem.rpartition("-")[2])
            if path == self.path(file) and file <= up_to and file not in keep:
                with _disk_faults(path):
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.popitem()[1])


def files_in(folder: Path) -> list[Path]:
    """The files of whatever stores in a folder. Raises OutputError when it cannot be read."""
    with _disk_faults(folder):
        try:
            found = [folder / name for name in os.listdir(folder) if OF_OURS.fullmatch(name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [path for path in found if path.is_file() and not path.is_symlink()]


@contextmanager
def _disk_faults(path: Path) -> Iterator[None]:
    """A block in which an OSError becomes an error of ours."""
    try:
        yield
    except OSError as fault:
        advice = "Check the folder and its disk, or name another folder."
        raise OutputError(f"{path}: {fault.strerror}", advice) from None
