"""Vectors of documents that stay across runs, by 16-byte keys: their numbers in files, and an SQLite index of these.

    vectors.sqlite3               of each entry the file, the place, the number of bytes, and the CRC-32
    vectors-STORE-NUMBER.f16      the bytes of the entries, one after another

A write appends to the last file, within the transaction that adds it to the index, and the bytes are on disk before the
index is. The index says where a file ends: what a killed write left behind it is overwritten by the next one. Entries
are not removed singly. The oldest files are, each with all its entries.
"""

import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from rerank_cli.files.folders import size_of
from rerank_cli.files.number_files import MOST_EACH, NumberFiles, files_in
from rerank_cli.files.numbered_file import TABLES
from rerank_cli.files.numbered_store import AT_ONCE, Entry, NumberedStore, in_groups

FILES = 10  # in so many the most bytes are divided: one of them is removed at once
BYTES_EACH = 50  # of an entry in the index, measured
CHECKED = struct.Struct("<q")


class VectorStore(NumberedStore[bytes]):
    """The bytes of vectors by keys."""

    name = "vectors.sqlite3"
    table, columns = "vectors", "file, place, size, crc"
    tables = (
        *TABLES,
        """CREATE TABLE vectors (key BLOB PRIMARY KEY, number INTEGER NOT NULL, file INTEGER NOT NULL,
           place INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL,
           last_number INTEGER NOT NULL)""",
    )
    of = "index of vectors"
    application = 0x52524B56

    def __init__(self, folder: Path, option: str) -> None:
        super().__init__(folder, option)
        with self._faults():
            self._files = NumberFiles(folder, str(self._row("SELECT id FROM store")[0]))

    def _in_order(self, entries: list[Entry]) -> list[Entry]:
        return sorted(entries, key=lambda entry: (str(entry[2]), str(entry[3]).zfill(20)))  # damaged ones: any types

    def _value(self, entry: Entry) -> bytes | None:
        key, number, file, place, size, crc = entry
        if any(type(each) is not int or each < 0 for each in (number, file, place, size, crc)):
            return None
        stored = self._files.read(file, place, size)
        return stored if stored is not None and _crc(key, number, stored) == crc else None

    def _insert(self, number: int, entries: Sequence[tuple[bytes, bytes]]) -> int:
        new = {key: stored for key, stored in entries if len(stored) <= MOST_EACH}
        for keys in in_groups(list(new), AT_ONCE):
            marks = ",".join("?" * len(keys))
            for (key,) in self._connection.execute(f"SELECT key FROM vectors WHERE key IN ({marks})", keys):
                del new[key]
        if not new:
            return 0
        file, end = self._last_file()
        rows, place = [], end
        for key, stored in new.items():
            rows.append((key, number, file, place, len(stored), _crc(key, number, stored)))
            place += len(stored)
        self._files.append(file, end, b"".join(new.values()))
        self._connection.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?, ?, ?)", sorted(rows))
        self._connection.execute("UPDATE files SET size = ?, last_number = ? WHERE id = ?", (place, number, file))
        return len(rows)

    def _last_file(self) -> tuple[int, int]:
        """The file that is appended to, and its end."""
        statement = "SELECT id, size FROM files ORDER BY id DESC LIMIT 1"
        file, end = self._connection.execute(statement).fetchone() or (self._new_file(), 0)
        return int(file), int(end)

    def _new_file(self) -> int:
        return int(self._row("INSERT INTO files (size, last_number) VALUES (0, 0) RETURNING id")[0])

    def keep_within(self, most_bytes: int, before: int) -> bool:
        """Remove the oldest files where there is too much; see NumberedStore.

        The file that is appended to is closed when it has its share of `most_bytes`.
        """
        files, too_much = self._files_and_excess(most_bytes)
        last, left = None, too_much
        for _, size, number in files:
            if left <= 0 or number >= before:
                break
            last, left = number, left - size
        if last is None and not (files and files[-1][1] >= most_bytes // FILES):
            return too_much <= 0
        with self._faults(), self.durable_transaction():  # before files are removed that entries are in
            if last is not None:
                self._connection.execute("DELETE FROM files WHERE last_number <= ?", (last,))
                self.forget_entries(last)
            else:
                self._new_file()
        self._remove_files()
        return self._files_and_excess(most_bytes)[1] <= 0

    def _files_and_excess(self, most_bytes: int) -> tuple[list[tuple[int, int, int]], int]:
        """The files with their sizes and the numbers of their last writes, and by how much all is more than allowed."""
        with self._faults():
            files = self._connection.execute("SELECT id, size, last_number FROM files ORDER BY id").fetchall()
            entries = self._row("SELECT entries FROM store")[0]
        return files, sum(size for _, size, _ in files) + entries * BYTES_EACH - most_bytes

    def clear(self) -> None:
        """Remove all entries. Raises OutputError."""
        with self._faults(), self.durable_transaction():
            self._connection.execute("DELETE FROM files")
            self.forget_entries()
        for path in files_in(self.path.parent):  # also those of an index that was removed
            path.unlink(missing_ok=True)
        self.shrink()

    def _remove_files(self) -> None:
        """Remove files that the index does not name any more, also those that a killed process did not come to."""
        with self._faults():
            latest = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'files'").fetchone()
            named = {file for (file,) in self._connection.execute("SELECT id FROM files")}  # after: it has all up to it
        if latest is not None:
            self._files.remove(int(latest[0]), named)

    @classmethod
    def size_in(cls, folder: Path) -> int:
        """Bytes that the store in a folder takes."""
        return super().size_in(folder) + size_of(files_in(folder))

    @classmethod
    def remove_from(cls, folder: Path) -> bool:
        """Remove a store, damaged or not. Whether there was one."""
        found = super().remove_from(folder)
        if found or not cls.exists_in(folder):
            for path in files_in(folder):
                found = True
                with suppress(OSError):
                    path.unlink()
        return found

    @classmethod
    def left_in(cls, folder: Path) -> bool:
        """Whether a folder has a store, or files of one whose index was removed."""
        return cls.exists_in(folder) or bool(files_in(folder))

    def close(self) -> None:
        """Close all files."""
        self._files.close()
        super().close()


def _crc(key: bytes, number: int, stored: bytes) -> int:
    return crc32(stored, crc32(key + CHECKED.pack(number)))
