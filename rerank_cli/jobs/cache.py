"""`rerank cache`: what is kept on disk between runs, and its removal."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError, InputError, NoSpace
from rerank_cli.jobs.store_use import SCORES, VECTORS, Kind
from rerank_cli.models.own_cache import Kept, kept_answers, kept_graphs, kept_hashes, remove

COMMAND = "rerank cache"
UNITS = {"scores": "scores", "vectors": "documents"}


@dataclass(frozen=True, slots=True)
class Row:
    """A part of what is kept: bytes, or a number of entries, its last use (Unix seconds), and whose it is."""

    used: int
    of: str
    size: int | None = None
    entries: int | None = None


@dataclass(frozen=True, slots=True)
class Keeping:
    """A place where something is kept: what, where, and its bytes. `unit` is what rows have entries of."""

    what: str
    place: Path
    size: int
    entries: int
    rows: tuple[Row, ...] = ()
    unit: str = ""


def kept_in(folder: Path) -> Iterator[Keeping]:
    """What the folder of --score-cache or --vectors has.

    Raises InputError if it has nothing of ours, ConfigError, OutputError.
    """
    for kind in _kinds_in(folder):
        store = kind.store(folder, COMMAND)
        rows = tuple(Row(share.used, share.name, entries=share.entries) for share in store.shares())
        entries = sum(row.entries or 0 for row in rows)
        yield Keeping(kind.entries, store.path, store.size_in(folder), entries, rows, UNITS[kind.entries])
        store.close()


def clear_folder(folder: Path) -> int:
    """Remove all scores and vectors; the bytes that were freed. Raises as `kept_in`."""
    kinds = list(_kinds_in(folder))
    before = sum(kind.store.size_in(folder) for kind in kinds)
    for kind in kinds:
        try:
            store = kind.store(folder, COMMAND)
            store.clear()
            store.close()
        except (ConfigError, NoSpace):  # damaged, or without room to be cleared; not: busy
            if not kind.store.remove_from(folder):
                raise
    return before - sum(kind.store.size_in(folder) for kind in kinds)


def kept_by_user() -> Iterator[Keeping]:
    """What is kept in the user's cache, for all runs."""
    for what, kept, shown in (
        ("graphs", kept_graphs(), True),
        ("tokenizers", kept_answers(), False),
        ("hashes", kept_hashes(), False),
    ):
        if kept:
            rows = tuple(Row(each.used, each.what, size=each.size) for each in kept) if shown else ()
            yield Keeping(what, kept[0].path.parent, sum(each.size for each in kept), len(kept), rows)


def clear_cache() -> int:
    """Remove all that is kept in the user's cache; the bytes that were freed."""
    everything: list[Kept] = [*kept_graphs(), *kept_answers(), *kept_hashes()]
    return remove(everything)


def _kinds_in(folder: Path) -> list[Kind[Any]]:
    kinds: list[Kind[Any]] = [SCORES, VECTORS]
    found = [kind for kind in kinds if kind.store.left_in(folder)]
    if not found:
        names = " and no ".join(kind.store.name for kind in kinds)
        raise InputError(f"{folder}: has no {names}", "Name the folder of --score-cache or of --vectors.")
    return found
