"""The score cache: float32 logits that stay across runs, by 16-byte keys.

A value is stored with the CRC-32 of its key, number and value: what does not match was damaged, and is no entry.
"""

import struct
from collections.abc import Sequence
from zlib import crc32

from rerank_cli.files.numbered_file import TABLES
from rerank_cli.files.numbered_store import Entry, NumberedStore

FLOAT, STORED, NUMBER = struct.Struct("<f"), struct.Struct("<fI"), struct.Struct("<q")
BYTES_EACH = 37  # on disk, measured at 1 and at 10 million entries
DROPPED_SHARE = 10  # of the entries, one in so many is dropped at once when there are too many


class ScoreStore(NumberedStore[float]):
    """Logits by keys."""

    name = "scores.sqlite3"
    table, columns = "scores", "value"
    tables = (
        *TABLES,
        "CREATE TABLE scores (key BLOB PRIMARY KEY, number INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    )
    of = "score cache"
    application = 0x52524B53

    def _value(self, entry: Entry) -> float | None:
        key, number, stored = entry
        if not isinstance(stored, bytes) or len(stored) != STORED.size:  # a damaged entry has any type
            return None
        logit, crc = STORED.unpack(stored)
        return float(logit) if crc == crc32(key + NUMBER.pack(number) + stored[: FLOAT.size]) else None

    def _insert(self, number: int, entries: Sequence[tuple[bytes, float]]) -> int:
        before = self._connection.total_changes
        self._connection.executemany(
            "INSERT OR IGNORE INTO scores VALUES (?, ?, ?)",
            [(key, number, _stored(key, number, logit)) for key, logit in sorted(entries)],
        )
        return self._connection.total_changes - before

    def keep_within(self, most_bytes: int, before: int) -> bool:
        """Drop the oldest entries where there are too many; see NumberedStore."""
        most, last = most_bytes // BYTES_EACH, None
        with self._faults():
            entries = self._row("SELECT entries FROM store")[0]
            if entries <= most:
                return True
            left = entries - most + most // DROPPED_SHARE
            statement = "SELECT number, entries FROM writes WHERE number < ? ORDER BY number"
            for number, count in self._connection.execute(statement, (before,)):
                left, entries, last = left - count, entries - count, number
                if left <= 0:
                    break
        if last is not None:
            with self._faults(), self.transaction():
                self.forget_entries(last)
        return bool(entries <= most)


def _stored(key: bytes, number: int, logit: float) -> bytes:
    return STORED.pack(logit, crc32(key + NUMBER.pack(number) + FLOAT.pack(logit)))
