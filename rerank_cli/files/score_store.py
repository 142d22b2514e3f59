"""The score cache: float32 logits that stay across runs, by 16-byte keys.

A value is stored with the CRC-32 of its key, number and value: what does not match was damaged, and is no entry.
"""

import sqlite3
import struct
from collections.abc import Sequence
from zlib import crc32

from rerank_cli.files.numbered_store import TABLES, NumberedStore, in_groups

FLOAT, STORED, NUMBER = struct.Struct("<f"), struct.Struct("<fI"), struct.Struct("<q")
AT_ONCE = 200  # keys in a statement
BYTES_EACH = 37  # on disk, measured at 1 and at 10 million entries


class ScoreStore(NumberedStore):
    """Logits by keys."""

    name = "scores.sqlite3"
    tables = (
        *TABLES,
        "CREATE TABLE scores (key BLOB PRIMARY KEY, number INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    )
    of = "score cache"
    application = 0x52524B53

    def find(self, keys: Sequence[bytes], number: int) -> tuple[dict[bytes, float], list[bytes]]:
        """The logits of those keys that writes up to `number` stored, and the keys whose entries are damaged.

        Raises OutputError when the file cannot be read.
        """
        found: dict[bytes, float] = {}
        damaged: list[bytes] = []
        with self._faults():
            rows = [row for group in in_groups(keys, AT_ONCE) for row in self._rows(group, damaged)]
        for key, written, value in rows:
            if (logit := _logit(key, written, value)) is None:
                damaged.append(key)
            elif written <= number:
                found[key] = logit
        return found, damaged

    def _rows(self, keys: Sequence[bytes], damaged: list[bytes]) -> list[tuple[bytes, int, bytes]]:
        """The rows of keys. Those on a page that is damaged cannot be read, and are added to `damaged`."""
        marks = ",".join("?" * len(keys))
        statement = f"SELECT key, number, value FROM scores WHERE key IN ({marks})"
        try:
            return self._connection.execute(statement, keys).fetchall()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if len(keys) == 1:
                damaged.extend(keys)
                return []
            return [row for key in keys for row in self._rows([key], damaged)]

    def add(self, model: int, entries: Sequence[tuple[bytes, float]], damaged: Sequence[bytes] = ()) -> None:
        """Store logits of a model as one write; keys that are there already keep theirs. Drops `damaged` entries.

        Raises OutputError or ConfigError when that fails; nothing is stored then.
        """
        with self._faults(), self.transaction():
            number = self.next_number()
            if self._drop(damaged):
                self.raise_epoch()
            before = self._connection.total_changes
            self._connection.executemany(
                "INSERT OR IGNORE INTO scores VALUES (?, ?, ?)",
                [(key, number, _stored(key, number, logit)) for key, logit in sorted(entries)],
            )
            self.note_write(number, model, self._connection.total_changes - before)

    def _drop(self, damaged: Sequence[bytes]) -> int:
        """Remove entries that are damaged still; how many that were."""
        dropped = 0
        for key in damaged:
            for _, written, value in self._rows([key], []):
                if _logit(key, written, value) is None:
                    self._connection.execute("DELETE FROM scores WHERE key = ?", (key,))
                    dropped += 1
        return dropped

    def keep_within(self, most_bytes: int) -> bool:
        """Drop the oldest entries where there are too many. Whether that was so. Raises as `add`."""
        last = self.oldest_writes(most_bytes // BYTES_EACH)
        if last is None:
            return False
        with self._faults(), self.transaction():
            self._connection.execute("DELETE FROM scores WHERE number <= ?", (last,))
            self.forget_writes(last)
        return True

    def clear(self) -> None:
        """Remove all entries. Raises OutputError."""
        with self._faults(), self.transaction():
            self._connection.execute("DELETE FROM scores")
            self.forget_writes()
        self.shrink()


def _stored(key: bytes, number: int, logit: float) -> bytes:
    return STORED.pack(logit, crc32(key + NUMBER.pack(number) + FLOAT.pack(logit)))


def _logit(key: bytes, number: int, stored: bytes) -> float | None:
    """The logit of an entry; None where it is damaged."""
    if len(stored) != STORED.size:
        return None
    logit, crc = STORED.unpack(stored)
    return float(logit) if crc == crc32(key + NUMBER.pack(number) + stored[: FLOAT.size]) else None
