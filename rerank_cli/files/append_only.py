"""Files that grow by complete blocks. Every committed byte is covered by a size and a CRC-32."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from rerank_cli.core.errors import OutputBusy, OutputError
from rerank_cli.files.durable import mode_of, write_all
from rerank_cli.files.journal import Extent

CHANGED = "Another program writes to it. Stop that program, then run again with --overwrite."


class AppendOnlyFile:
    """A file to which complete blocks are appended, and whose CRC is known.

    It is locked, so that two runs never write one file, even if the lock file was removed.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file (`is_new`) and change nothing. Raises OutputBusy when another process holds it."""
        self.path, self.extent = path, Extent()
        self.is_new = not os.path.lexists(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise OutputBusy(f"{path}: another run is writing it", "Wait for it, or choose another -o.") from None

    def begin(self, known: Extent, replaces: Path) -> None:
        """Truncate the file to what is `known`.

        It gets the permissions of the file that it `replaces`, if that exists.
        """
        self.check_in_place()
        if os.fstat(self._fd).st_size < known.size:
            raise OutputError(f"{self.path}: became shorter", CHANGED)
        self.extent = known
        mode = mode_of(replaces)
        if mode is not None and mode | 0o600 != mode_of(self.path):
            os.fchmod(self._fd, mode | 0o600)  # so that it can be reopened
        os.ftruncate(self._fd, known.size)
        os.lseek(self._fd, known.size, os.SEEK_SET)

    def append(self, block: bytes) -> None:
        """Add a block; it is durable after `sync`."""
        if block:
            write_all(self._fd, block)
            self.extent = self.extent.plus(block)

    def sync(self) -> None:
        """Wait until the file is on disk."""
        os.fsync(self._fd)

    def check_in_place(self, resumable: bool = False) -> None:
        """Raises OutputError when the file was moved, removed or replaced by another program.

        `resumable`: whether the command has --resume, so that the advice can name it.
        """
        try:
            ours = os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except (FileNotFoundError, NotADirectoryError):
            ours = False
        if ours:
            return
        if resumable and (folder := self._folder_now()) is not None:
            raise OutputError(
                f"{self.path.parent}: moved to {folder} during the run",
                "Nothing is lost: the same command with --resume continues there.",
            )
        raise OutputError(f"{self.path}: removed or replaced during the run", "Run again with --overwrite.")

    def _folder_now(self) -> Path | None:
        """The folder of the file now, if it was moved with its folder; None if unknown."""
        try:
            now = Path(os.readlink(f"/proc/self/fd/{self._fd}"))
            moved = now.name == self.path.name and now.parent != self.path.parent
            return now.parent if moved and os.path.samestat(now.stat(), os.fstat(self._fd)) else None
        except OSError:
            return None

    def discard(self) -> None:
        """Remove the file, if this object created it and it is empty."""
        with suppress(OSError):
            if self.is_new and not os.fstat(self._fd).st_size:
                self.check_in_place()
                self.path.unlink()

    def close(self) -> None:
        """Close the file, which releases its lock."""
        os.close(self._fd)


def matches(path: Path, known: Extent, exactly: bool = False) -> bool:
    """Whether a file begins with the bytes that `known` describes (`exactly`: and has no more).

    Raises OSError when it exists and cannot be read: that does not make it another run's file.
    """
    try:
        size = path.stat().st_size
        if size < known.size or (exactly and size != known.size):
            return False
        crc, left = 0, known.size
        with path.open("rb") as file:
            while left and (block := file.read(min(left, 1 << 20))):
                crc, left = crc32(block, crc), left - len(block)
    except FileNotFoundError:
        return known.size == 0 and not exactly
    return left == 0 and crc == known.crc


def extent_of(path: Path) -> Extent:
    """The size of a file and its CRC-32. Raises OSError."""
    crc = size = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc, size = crc32(block, crc), size + len(block)
    return Extent(size, crc)
