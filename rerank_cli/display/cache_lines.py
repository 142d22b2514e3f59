"""What `rerank cache` shows."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from rerank_cli.core.sizes import mebibytes
from rerank_cli.jobs.cache import Keeping, Row


def cache_lines(found: Iterable[Keeping]) -> Iterator[str]:
    """The places with their sizes, and their parts in columns."""
    for keeping in found:
        yield f"{keeping.what:<11} {mebibytes(keeping.size)}, {keeping.entries:,} kept in {keeping.place}"
        amounts = [_amount(row, keeping.unit) for row in keeping.rows]
        width = max(map(len, amounts), default=0)
        for row, amount in zip(keeping.rows, amounts, strict=True):
            yield f"  {amount:>{width}}  used {_minute(row.used)}  {row.of}"


def cache_as_json(found: Iterable[Keeping]) -> list[dict[str, Any]]:
    """The same as objects; times are in UTC."""
    return [
        {
            "kept": keeping.what,
            "path": str(keeping.place),
            "bytes": keeping.size,
            "entries": keeping.entries,
            "parts": [
                {"of": row.of, "bytes": row.size, "entries": row.entries, "used_at": _time(row.used)}
                for row in keeping.rows
            ],
        }
        for keeping in found
    ]


def _amount(row: Row, unit: str) -> str:
    return f"{row.entries:,} {unit}" if row.size is None else mebibytes(row.size)


def _minute(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"  # noqa: DTZ006 - the clock of the person who reads it


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
