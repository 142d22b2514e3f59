"""Stores that runs share, for tests of both kinds."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rerank_cli.files.numbered_file import Seen
from rerank_cli.files.numbered_store import NumberedStore
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.files.vector_store import VectorStore

Kind = type[NumberedStore[Any]]
MADE_BY = {"model": "m", "dtype": "fp32"}


def numbers_of(number: float) -> bytes:
    """Bytes of a length of their own, as vectors."""
    return struct.pack("<d", number) * (1 + int(number) % 5)


VALUES: dict[Kind, Callable[[float], Any]] = {ScoreStore: float, VectorStore: numbers_of}  # of a number


def key(number: int) -> bytes:
    return struct.pack(">QQ", number, number)


def scattered(count: int) -> list[bytes]:
    """Keys whose order is not that of their numbers."""
    return [key(number * 2654435761 % 2**40) for number in range(count)]


def begun(store: NumberedStore[Any], made_by: dict[str, Any] | None = None) -> tuple[int, Seen]:
    return store.begin(made_by or MADE_BY, "m", 1_000_000)


def opened(kind: Kind, folder: Path) -> NumberedStore[Any]:
    return kind(folder, "--option")
