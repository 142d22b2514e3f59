"""`rerank cache`: what is kept on disk between runs, and its removal."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rerank_cli.core.errors import InputError, RerankError
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.models.own_cache import Kept, kept_answers, kept_graphs, kept_hashes, remove


@dataclass(frozen=True, slots=True)
class Row:
    """A part of what is kept: bytes, or a number of entries, its last use (Unix seconds), and whose it is."""

    used: int
    of: str
    size: int | None = None
    entries: int | None = None


@dataclass(frozen=True, slots=True)
class Keeping:
    """A place where something is kept: what, where, and how many bytes it takes."""

    what: str
    place: Path
    size: int
    entries: int
    rows: tuple[Row, ...] = ()


def kept_in(folder: Path) -> Iterator[Keeping]:
    """What the folder of --score-cache has. Raises InputError if it has nothing of ours, ConfigError, OutputError."""
    store = _store(folder)
    rows = tuple(Row(share.used, share.name, entries=share.entries) for share in store.shares())
    yield Keeping("scores", store.path, store.size_in(folder), sum(row.entries or 0 for row in rows), rows)
    store.close()


def clear_folder(folder: Path) -> int:
    """Remove all scores; the bytes that were freed. Raises as `kept_in`."""
    before = ScoreStore.size_in(folder)
    try:
        store = _store(folder)
        store.clear()
        store.close()
    except RerankError:  # damaged, or without room to be cleared
        if not ScoreStore.remove_from(folder):
            raise
    return before - ScoreStore.size_in(folder)


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


def _store(folder: Path) -> ScoreStore:
    if not ScoreStore.exists_in(folder):
        raise InputError(f"{folder}: has no {ScoreStore.name}", "Name the folder of --score-cache.")
    return ScoreStore(folder, "rerank cache")
