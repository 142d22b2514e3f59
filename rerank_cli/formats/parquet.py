"""Parquet as lines of JSON, one a row, columns in the file's order, and lines of JSON as parquet.

What JSON has not is read as text (dates in ISO 8601, decimals in digits, bytes as UTF-8, which they must be). The trade
refused: reading columns as arrays, which is faster and would be a second way for everything that holds for lines.
"""

import errno
import io
import os
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet

from rerank_cli.formats.sources import Counted

ROWS = 256  # converted at once


class RowLines(io.RawIOBase):
    """A parquet file's rows as a stream of JSON lines."""

    def __init__(self, counted: Counted) -> None:
        """Raises OSError for a pipe and for a damaged file."""
        self._counted = counted
        self._left = b""
        try:
            self._file = pyarrow.parquet.ParquetFile(counted.whole())
        except pyarrow.ArrowException as fault:
            raise damaged(fault) from None
        self._blocks = self._lines()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Some of the lines. Raises OSError where the file is damaged."""
        if not self._left:
            try:
                self._left = next(self._blocks, b"")
            except (pyarrow.ArrowException, UnicodeDecodeError, orjson.JSONEncodeError) as fault:
                raise damaged(fault) from None
        block, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)

    def _lines(self) -> Iterator[bytes]:
        size, rows, done = self._counted.size or 0, self._file.metadata.num_rows, 0
        for batch in self._file.iter_batches(batch_size=ROWS):
            done += batch.num_rows
            block = b"".join([line_of(row) for row in batch.to_pylist()])
            self._counted.position = size * done // max(1, rows)
            yield block


def line_of(row: dict[str, Any]) -> bytes:
    """A row as a line. What is null is left out: a column has no other way to say that a record lacks a field."""
    return orjson.dumps(present(row), default=in_json, option=orjson.OPT_APPEND_NEWLINE)


def present(value: Any) -> Any:
    """A value without the fields of objects that are null or not a number, which libraries write for null."""
    if isinstance(value, dict):
        return {name: present(each) for name, each in value.items() if each is not None and each == each}
    if isinstance(value, list):
        return [present(each) for each in value]
    return value


def in_json(value: Any) -> str:
    """What orjson does not know, as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def write_table(lines: Path, table: Path) -> None:
    """A file of JSON lines as a parquet file, replacing what is there; on disk when this returns.

    Read twice, first for the types of the columns. Raises ValueError where a column has values of two kinds.
    """
    schema = pyarrow.schema([])
    try:
        for rows in _rows(lines):
            found = pyarrow.schema(list(pyarrow.array(rows).type))
            schema = pyarrow.unify_schemas([schema, found], promote_options="permissive")
        descriptor = os.open(table, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            with pyarrow.parquet.ParquetWriter(file, schema) as writer:
                for rows in _rows(lines):
                    batch = pyarrow.array(rows, type=pyarrow.struct(schema))
                    writer.write_batch(pyarrow.RecordBatch.from_struct_array(batch))
            file.flush()
            os.fsync(file.fileno())
    except (pyarrow.ArrowException, OverflowError) as fault:
        raise ValueError(str(fault).splitlines()[0][:200]) from None


def _rows(lines: Path) -> Iterator[list[dict[str, Any]]]:
    with lines.open("rb") as file:
        while block := list(islice(file, ROWS)):
            yield list(map(orjson.loads, block))


def damaged(fault: Exception) -> OSError:
    """What pyarrow raised, for the reader above."""
    return OSError(errno.EIO, f"the parquet file cannot be read ({str(fault).splitlines()[0][:200]})")
