"""An SQLite file of ours that several processes share: opened, made, and refused where it is none of ours.

The file is in WAL mode: several processes read and write at once, and a killed one loses nothing that it has committed.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from rerank_cli.core.errors import ConfigError, NoSpace, OutputError
from rerank_cli.files.folders import size_of
from rerank_cli.files.network_disks import network_disk_of

VERSION = 1
BUSY_S = 60.0  # that a transaction of another process is waited for
CACHE_KIB = 64 * 1024
WAL_BYTES = 64 * 2**20  # to which a longer log is cut
APPLICATION_AT = 68  # where an SQLite file has the number of its application (sqlite.org/fileformat.html)


def refuse_folder(folder: Path, said: str) -> None:
    """Raises ConfigError for a folder that cannot hold a file that processes share; `said` is what named it."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{said}: is not a folder", "Name a folder, or a new one.")
    if (disk := network_disk_of(folder)) is not None:
        raise ConfigError(
            f"{said}: is on the disk of another machine ({disk}), where SQLite cannot share a file",
            "Name a folder on a local disk.",
        )


class SharedFile:
    """A file, open for one thread. A subclass has the statements that make its tables."""

    name: str  # of the file
    tables: tuple[str, ...]  # the statements that fill a new file
    of: str  # what is stored, for messages
    application: int  # SQLite's number of the kind of file

    def __init__(self, folder: Path, option: str) -> None:
        """Open the store in a folder, which is made if it is missing. `option` is what named it, for messages.

        Raises ConfigError for a folder on a network and for a file that is none of ours, OutputError when it cannot be
        written.
        """
        self.path, self._said = folder / self.name, f"{option} {folder}"
        self._make_folder(folder)
        with self._faults():
            self._connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def exists_in(cls, folder: Path) -> bool:
        """Whether a folder has such a store."""
        return (folder / cls.name).is_file()

    @classmethod
    def left_in(cls, folder: Path) -> bool:
        """Whether a folder has such a store, or what is left of one."""
        return cls.exists_in(folder)

    def _make_folder(self, folder: Path) -> None:
        refuse_folder(folder, self._said)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise OutputError(f"{self._said}: {fault.strerror}", "Name a folder that can be written.") from None
        refuse_folder(folder, self._said)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """A block in which what SQLite raises becomes an error of ours."""
        try:
            yield
        except sqlite3.OperationalError as fault:
            kind = NoSpace if fault.sqlite_errorcode == sqlite3.SQLITE_FULL else OutputError
            raise kind(
                f"{self._said}: {fault}", "Check that the folder is writable, and its disk, or name another one."
            ) from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:  # the latter where the names of tables are damaged
            raise self._refusal(f"is damaged, or no {self.of} ({fault})") from None

    def _refusal(self, what: str) -> ConfigError:
        return ConfigError(
            f"{self._said}: {self.name} {what}",
            f"Name another folder. If it is of ours, `rerank cache {self.path.parent} --clear` removes it.",
        )

    @classmethod
    def remove_from(cls, folder: Path) -> bool:
        """Remove a file of this kind, damaged or not, with what SQLite keeps next to it. Whether there was one."""
        with suppress(OSError), (folder / cls.name).open("rb") as file:
            file.seek(APPLICATION_AT)
            if int.from_bytes(file.read(4), "big") == cls.application:
                for path in cls.paths_in(folder):
                    path.unlink(missing_ok=True)
                return True
        return False

    def _prepare(self) -> None:
        tables = self._connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # before the id: both come at once
        found = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if found != self.application and (found or tables):
            raise self._refusal("is another program's")
        self._switch_to_wal()
        for pragma in ("synchronous = NORMAL", f"cache_size = -{CACHE_KIB}", f"journal_size_limit = {WAL_BYTES}"):
            self._connection.execute(f"PRAGMA {pragma}")
        if not found:
            with self.transaction():
                self._create()
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise self._refusal(f"has the version {version}, not {VERSION}")

    def _switch_to_wal(self) -> None:
        """SQLite does not wait here for another process that does the same."""
        give_up = time.monotonic() + BUSY_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as fault:
                if "locked" not in str(fault) or time.monotonic() > give_up:
                    raise
            time.sleep(0.01)

    def _create(self) -> None:
        """Make the tables, unless another process was faster."""
        if self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return
        for statement in self.tables:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        self._connection.execute(f"PRAGMA application_id = {self.application}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A block whose writes are kept together, or not at all. Other writers wait."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def durable_transaction(self) -> Iterator[None]:
        """A transaction after which it and all earlier ones are on disk."""
        self._connection.execute("PRAGMA synchronous = FULL")
        try:
            with self.transaction():
                yield
        finally:
            self._connection.execute("PRAGMA synchronous = NORMAL")

    @classmethod
    def size_in(cls, folder: Path) -> int:
        """Bytes that the file in a folder takes, with what SQLite keeps next to it; 0 without one."""
        return size_of(cls.paths_in(folder))

    @classmethod
    def paths_in(cls, folder: Path) -> list[Path]:
        """The file in a folder, and what SQLite keeps next to it."""
        return [folder / f"{cls.name}{suffix}" for suffix in ("-wal", "-shm", "")]

    def shrink(self) -> None:
        """Give the room of removed entries back to the disk."""
        with self._faults():
            self._connection.execute("VACUUM")
            with closing(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")):
                pass

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
