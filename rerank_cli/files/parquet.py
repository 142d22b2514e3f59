"""Parquet as JSON lines, one per row, with columns in the order of the file; and JSON lines as parquet.

Types that JSON lacks are read as text: dates and durations in ISO 8601, decimals in digits. Bytes are read as text if
they are UTF-8, else as an object with their base64. A row with a value that cannot be read becomes an error record that
names the column. Rejected alternative: reading columns as arrays. It is faster, but everything that works for lines
would need a second implementation.
"""

import base64
import datetime
import math
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from io import RawIOBase
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet

from rerank_cli.core.errors import InputError
from rerank_cli.files.raw import CountedStream, unreadable_line

ROWS = 256  # rows converted together
UNFIT = (
    ValueError,
    OverflowError,
    TypeError,
    NotImplementedError,  # by the base class of values, for a type whose values have no Python value
    pyarrow.ArrowException,
)  # pyarrow's, of a value
OUT_OF_RANGE = "<"  # how Arrow begins a time that it cannot format
ID = re.compile(r"(?i:(?:[_.-]|^(?:doc|document|corpus|passage|query|topic|[dpq])?)id)$|[a-z]I[dD]$")  # a column of ids
LARGEST_EXACT = 2**53  # integer that a float represents exactly
SHOWN = 200  # characters of a message of Arrow


class RowLines(RawIOBase):
    """The rows of a parquet file as a stream of JSON lines."""

    def __init__(self, counted: CountedStream) -> None:
        """Raises OSError for a pipe, InputError for a damaged file."""
        self._counted = counted
        self._left = b""
        self._group = self._done = 0
        file = counted.seekable_file()
        try:
            self._file = pyarrow.parquet.ParquetFile(file)
        except (OSError, *UNFIT) as fault:
            raise self._fault_of(fault, "the parquet file") from None
        self._blocks = self._lines()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Read some of the lines. Raises InputError for a damaged file, OSError for the disk."""
        if not self._left:
            try:
                self._left = next(self._blocks, b"")
            except (OSError, *UNFIT) as fault:
                raise self._fault_of(fault, self._unreadable_column()) from None
        block, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)

    def _lines(self) -> Iterator[bytes]:
        size, rows = self._counted.size or 0, self._file.metadata.num_rows
        for group in range(self._file.num_row_groups):
            self._group = group
            for batch in self._file.iter_batches(batch_size=ROWS, row_groups=[group]):
                block = lines_of(batch)
                self._done += batch.num_rows
                self._counted.position = size * self._done // max(1, rows)
                yield block

    def _unreadable_column(self) -> str:
        """The column of the current row group that cannot be read."""
        for name in self._file.schema_arrow.names:
            try:
                for _ in self._file.iter_batches(batch_size=ROWS, row_groups=[self._group], columns=[name]):
                    pass
            except (OSError, *UNFIT):
                return f'the column "{name}" of the parquet file'
        return "the parquet file"

    def _fault_of(self, fault: Exception, what: str) -> Exception:
        """The error to raise: the disk's own, or one that says what is wrong with the file."""
        if isinstance(fault, OSError) and fault.errno:
            return fault
        reason = (str(fault).splitlines() or ["?"])[0][:SHOWN]
        return InputError(
            f"{self._counted.name}: {what} cannot be read after row {self._done} ({reason})",
            "Fetch or write the file again, or leave that column out.",
        )


def lines_of(batch: pyarrow.RecordBatch) -> bytes:
    """The rows of a table as lines; one at a time if some hold values that cannot be read."""
    try:
        return b"".join([line_of(row) for row in batch.to_pylist()])
    except UNFIT:
        return b"".join([_line_at(batch, row) for row in range(batch.num_rows)])


def _line_at(batch: pyarrow.RecordBatch, row: int) -> bytes:
    record, fault_of = {}, ("", "")
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            value = value_of(column[row])
            line_of({name: value})
        except UNFIT as fault:
            reason = (str(fault).splitlines() or ["?"])[0][:SHOWN]
            fault_of = fault_of if any(fault_of) else (f'the column "{name}" cannot be read ({reason})', f"$.{name}")
            continue
        record[name] = value
    line = line_of(record)
    return unreadable_line(*fault_of, line) + b"\n" if any(fault_of) else line


def value_of(cell: pyarrow.Scalar) -> Any:
    """A value as Python has it, or its text if Python has no such value (years beyond 9999). Raises one of UNFIT."""
    try:
        return cell.as_py()
    except UNFIT:
        text = cell.cast(pyarrow.string()).as_py()
        if not isinstance(text, str) or text.startswith(OUT_OF_RANGE):
            raise
        return text


def line_of(row: dict[str, Any]) -> bytes:
    """A row as a line. Null values are left out: in a column they mean that a record lacks the field."""
    return orjson.dumps(json_value(row), default=as_json_text, option=orjson.OPT_APPEND_NEWLINE)


def json_value(value: Any, name: str = "") -> Any:
    """A value that JSON can hold. Raises ValueError for infinite numbers.

    Fields of objects that are null or NaN are left out: libraries write NaN for null. Ids that a gap in their column
    turned into floats become integers again.
    """
    kind = type(value)
    if kind is dict:
        return {key: json_value(each, key) for key, each in value.items() if each is not None and each == each}
    if kind is list or kind is tuple:
        return [json_value(each) for each in value]
    if kind is float:
        if math.isinf(value):
            raise ValueError(f"{name or 'a list'} is {value}, and JSON has no such number")
        if ID.search(name) and value.is_integer() and abs(value) <= LARGEST_EXACT:
            return int(value)
    return value


def as_json_text(value: Any) -> str | dict[str, str]:
    """Values that orjson cannot write, as text; bytes that are not text, as an object."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.timedelta):
        return iso_duration(value)
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


def iso_duration(length: datetime.timedelta) -> str:
    """A duration in ISO 8601, in seconds.

    >>> iso_duration(datetime.timedelta(days=1, milliseconds=-1500)), iso_duration(datetime.timedelta(seconds=-0.5))
    ('PT86398.5S', '-PT0.5S')
    """
    nanoseconds = (length.days * 86400 + length.seconds) * 10**9 + length.microseconds * 1000
    nanoseconds += getattr(length, "nanoseconds", 0)  # an attribute of pandas
    whole, rest = divmod(abs(nanoseconds), 10**9)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{'-' if nanoseconds < 0 else ''}PT{whole}{fraction}S"


def write_table(lines: Path, table: Path) -> None:
    """Write a file of JSON lines as a parquet file, replacing an existing one; on disk when this returns.

    The lines are read twice, first for the types of the columns. Raises ValueError for a column with values of two
    types.
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
