"""A store that runs share and that stays: an SQLite file whose write transactions are numbered.

    store    its id, its epoch, the number of the last write, how many entries there are
    models   who computed the entries (a JSON object each), and when that was last used
    writes   for each write its model, and how many entries it added

A run notes the number of the last write when it begins, and sees only the entries of writes up to that number. Entries
are never overwritten. So what a run sees does not depend on what it or other runs add later, and a resumed run sees
what the stopped one saw. Only removal changes that: it raises the epoch, and a run under another epoch says so.
A write is on disk before a run notes its number: a number that is lost with the power would be given again.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

import orjson

from rerank_cli.files.shared_file import SharedFile

TABLES = (
    "CREATE TABLE store (id TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, entries INTEGER NOT NULL)",
    "CREATE TABLE models (id INTEGER PRIMARY KEY, made_by TEXT NOT NULL UNIQUE, name TEXT NOT NULL, used INTEGER)",
    "CREATE TABLE writes (number INTEGER PRIMARY KEY, model INTEGER NOT NULL, entries INTEGER NOT NULL)",
    "INSERT INTO store VALUES (lower(hex(randomblob(16))), 1, 0, 0)",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run sees of a store: entries of writes up to `number`, in this `epoch`; `entries` of its model."""

    store: str
    epoch: int
    number: int
    entries: int


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a store that one model has: its name, its entries, and when it was last used (Unix seconds)."""

    name: str
    entries: int
    used: int


class NumberedFile(SharedFile):
    """The file of a store, without its entries: who computed them, and the numbers of the writes."""

    def begin(self, made_by: dict[str, Any], name: str, now: int) -> tuple[int, Seen]:
        """The number of a model, which is noted as used `now` by this `name`, and what a run that begins here sees.

        All earlier writes are on disk afterwards: what is seen is read in the transaction that is.
        """
        with self._faults(), self.durable_transaction():
            model = self._model(made_by, name, now)
            self.next_number()
            seen = self._seen(model)
        return model, seen

    def seen(self, made_by: dict[str, Any]) -> Seen:
        """What a run of a model that begins now would see."""
        with self._faults():
            return self._seen(self._number_of(made_by))

    def _seen(self, model: int | None) -> Seen:
        statement = """SELECT id, epoch, number, (SELECT coalesce(sum(entries), 0) FROM writes WHERE model = ?)
                       FROM store"""
        store, epoch, number, entries = self._row(statement, (model,))
        return Seen(store, epoch, number, entries)

    def _number_of(self, made_by: dict[str, Any]) -> int | None:
        row = self._connection.execute("SELECT id FROM models WHERE made_by = ?", (_text(made_by),)).fetchone()
        return None if row is None else int(row[0])

    def _model(self, made_by: dict[str, Any], name: str, now: int) -> int:
        statement = """INSERT INTO models (made_by, name, used) VALUES (?, ?, ?)
                       ON CONFLICT (made_by) DO UPDATE SET name = excluded.name, used = excluded.used"""
        self._connection.execute(statement, (_text(made_by), name, now))
        return int(self._row("SELECT id FROM models WHERE made_by = ?", (_text(made_by),))[0])

    def _row(self, statement: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The row that a statement gives. Raises sqlite3.DatabaseError where a damaged file has none."""
        row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        if row is None:
            raise sqlite3.DatabaseError("a row is missing")
        return row

    @property
    def epoch(self) -> int:
        """How often entries were removed."""
        with self._faults():
            return int(self._row("SELECT epoch FROM store")[0])

    def next_number(self) -> int:
        """The number of the write of the transaction that is open."""
        return int(self._row("UPDATE store SET number = number + 1 RETURNING number")[0])

    def note_write(self, number: int, model: int, entries: int) -> None:
        """Note what a write added, in its transaction."""
        self._connection.execute("INSERT INTO writes VALUES (?, ?, ?)", (number, model, entries))
        self._connection.execute("UPDATE store SET entries = entries + ?", (entries,))

    def shares(self) -> list[Share]:
        """What each model has, the one used last first."""
        statement = """SELECT name, coalesce(sum(entries), 0), used FROM models LEFT JOIN writes ON model = id
                       GROUP BY id ORDER BY used DESC, id"""
        with self._faults():
            rows = self._connection.execute(statement).fetchall()
        return [Share(name, entries, used) for name, entries, used in rows if entries]

    def raise_epoch(self) -> None:
        """Note that entries were removed."""
        self._connection.execute("UPDATE store SET epoch = epoch + 1")


def _text(made_by: dict[str, Any]) -> str:
    return orjson.dumps(made_by, option=orjson.OPT_SORT_KEYS).decode()
