"""The entries of a store that runs share (`numbered_file`): values by 16-byte keys."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from rerank_cli.files.numbered_file import NumberedFile

AT_ONCE = 200  # keys in a statement

V = TypeVar("V")
Entry = tuple[Any, ...]  # a row of the table of entries: key, number of its write, and more


class NumberedStore(NumberedFile, ABC, Generic[V]):
    """The file of a store. A subclass has the table of the entries: `key` of 16 bytes, `number`, and its `columns`."""

    table: str
    columns: str  # what an entry has after its key and number

    def find(self, keys: Sequence[bytes], number: int) -> tuple[dict[bytes, V], list[bytes]]:
        """The values of those keys that writes up to `number` stored, and the keys whose entries are damaged.

        Raises OutputError when a file cannot be read.
        """
        found: dict[bytes, V] = {}
        damaged: list[bytes] = []
        with self._faults():
            entries = [entry for group in in_groups(keys, AT_ONCE) for entry in self._entries(group, damaged)]
            for key, written, *rest in self._in_order(entries):
                if (value := self._value((key, written, *rest))) is None:
                    damaged.append(key)
                elif written <= number:
                    found[key] = value
        return found, damaged

    def _entries(self, keys: Sequence[bytes], damaged: list[bytes]) -> list[Entry]:
        """The entries of keys. Those on a page that is damaged cannot be read, and are added to `damaged`."""
        marks = ",".join("?" * len(keys))
        statement = f"SELECT key, number, {self.columns} FROM {self.table} WHERE key IN ({marks})"
        try:
            return self._connection.execute(statement, keys).fetchall()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if len(keys) == 1:
                damaged.extend(keys)
                return []
            return [entry for key in keys for entry in self._entries([key], damaged)]

    def _in_order(self, entries: list[Entry]) -> list[Entry]:
        """Entries in the order in which their values are read."""
        return entries

    @abstractmethod
    def _value(self, entry: Entry) -> V | None:
        """The value of an entry; None where it is damaged."""

    def add(self, model: int, entries: Sequence[tuple[bytes, V]], damaged: Sequence[bytes] = ()) -> None:
        """Store values of a model as one write; keys that are there already keep theirs. Drops `damaged` entries.

        Raises OutputError or ConfigError when that fails; nothing is stored then.
        """
        with self._faults(), self.transaction():
            number = self.next_number()
            if self._drop(damaged):
                self.raise_epoch()
            self.note_write(number, model, self._insert(number, entries))

    @abstractmethod
    def _insert(self, number: int, entries: Sequence[tuple[bytes, V]]) -> int:
        """Store what is new of entries, in the transaction of a write; how many that were."""

    def _drop(self, damaged: Sequence[bytes]) -> int:
        """Remove entries that are damaged still; how many that were."""
        dropped = 0
        for key in damaged:
            for entry in self._entries([key], []):
                if self._value(entry) is None:
                    self._connection.execute(f"DELETE FROM {self.table} WHERE key = ?", (key,))
                    dropped += 1
        return dropped

    @abstractmethod
    def keep_within(self, most_bytes: int, before: int) -> bool:
        """Drop the oldest entries where there are too many, but none of writes from the number `before` on.

        Returns whether that is enough. Raises as `add`.
        """

    def known(self, keys: Sequence[bytes], number: int) -> set[bytes]:
        """Those of the keys that writes up to `number` stored; their values are not read. Raises as `find`."""
        with self._faults():
            entries = [entry for group in in_groups(keys, AT_ONCE) for entry in self._entries(group, [])]
        return {entry[0] for entry in entries if isinstance(entry[1], int) and entry[1] <= number}

    def clear(self) -> None:
        """Remove all entries. Raises OutputError."""
        with self._faults(), self.transaction():
            self.forget_entries()
        self.shrink()

    def forget_entries(self, last: int | None = None) -> None:
        """Remove the entries of writes up to `last`, or all, in a transaction; raises the epoch."""
        condition, values = ("", ()) if last is None else (" WHERE number <= ?", (last,))
        self._connection.execute(f"DELETE FROM {self.table}{condition}", values)
        self._connection.execute(f"DELETE FROM writes{condition}", values)
        self._connection.execute("UPDATE store SET entries = (SELECT coalesce(sum(entries), 0) FROM writes)")
        self.raise_epoch()


def in_groups(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """Keys in groups of at most `size`, for statements that name each."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
