"""Read and write rows of CSV and TSV with Python's csv module, and convert values to cells."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rerank_cli.core.config import ReadConfig
from rerank_cli.formats.json_values import Malformed, check_utf8, found_in, number_of
from rerank_cli.formats.pair_rows import IDS, QUERIES, QUERY_IDS, TEXTS, Columns

csv.field_size_limit(2**31 - 1)  # for all readers of the process; --max-line-bytes limits a row

END = "\0end"  # swallowed by a row with an unclosed quote
DELIMITERS = {"csv": ",", "tsv": "\t"}

Cells = list[str]


def known_name(title: str) -> str:
    """The name of a column in lower case, with `_` for blanks and hyphens.

    >>> known_name(" Query-ID")
    'query_id'
    """
    return title.strip().lower().replace("-", "_").replace(" ", "_")


def names_of(titles: Cells) -> Cells:
    """The names of columns in lower case. A column without a name gets its number.

    >>> names_of(["", "Query", "text", "_"])
    ['column 1', 'query', 'text', 'column 4']
    """
    names = map(known_name, titles)
    return [f"column {place}" if name in ("", "_") else name for place, name in enumerate(names, 1)]


def columns_named(titles: Cells, read: ReadConfig) -> Columns:
    """The roles of the columns of a header; --query-field and the like name columns. Raises Malformed."""
    usual = ReadConfig()
    named = (
        ("--query-field", read.query_field, usual.query_field, QUERIES),
        ("--text-field", read.text_field, usual.text_field, TEXTS),
        ("--id-field", read.id_field, usual.id_field, QUERY_IDS),
        ("--candidate-id-field", read.candidate_id_field, usual.candidate_id_field, IDS),
    )
    wanted: list[tuple[str, ...]] = [
        known if field == default else (known_name(field),) for _, field, default, known in named
    ]
    names = names_of(titles)
    for option, field, default, _ in named:
        if field != default and known_name(field) not in names and (read.need_texts or option != "--text-field"):
            raise Malformed(f"{option} {field}: no such column (found {found_in(dict.fromkeys(titles))})")
    if not read.need_texts and set(names).isdisjoint(wanted[1]):
        wanted[1] = ()
    return Columns.of(names, *wanted)


def is_header(raw: bytes, format_name: str, read: ReadConfig) -> bool:
    """Whether a row is a header: it names a query and a text."""
    try:
        columns_named(cells_of(raw, format_name), read)
    except Malformed:
        return False
    return True


def format_of_header(raw: bytes, read: ReadConfig = ReadConfig()) -> str | None:
    """The format of a line that is a header. It must name a text, since the header of a run can name a query.

    >>> [format_of_header(line) for line in (b"query,passage,label", b"qid\\tquery\\ttext", b"query text")]
    ['csv', 'tsv', None]
    """
    read = replace(read, need_texts=True)
    return next((name for name in DELIMITERS if is_header(raw, name, read)), None)


def other_separator(header: bytes) -> str:
    """Advice for a header with semicolons between its columns; "" for others."""
    semicolons = header.count(b";") > max(header.count(b","), header.count(b"\t"))
    return " The columns are separated by semicolons: save the file with commas or tabs." if semicolons else ""


def cells_of(raw: bytes, format_name: str, *, skip_blanks: bool = False) -> Cells:
    """The cells of a row without its newline; `skip_blanks` strips blanks before cells. Raises Malformed."""
    check_utf8(raw)
    text = raw.decode("utf-8").removesuffix("\r")
    reader = csv.reader((text, END), delimiter=DELIMITERS[format_name], skipinitialspace=skip_blanks)
    try:
        cells = next(reader)
    except csv.Error:
        raise Malformed("a lone carriage return outside quotes") from None
    if reader.line_num > 1:
        raise Malformed(f"the quote that begins column {len(cells)} is not closed before the end of the file")
    if "\0" in text:
        column = next(number for number, cell in enumerate(cells, 1) if "\0" in cell)
        raise Malformed(f"a NUL in column {column}")
    return cells


def row_line(cells: Sequence[str], format_name: str) -> bytes:
    """A row with its newline. A lone carriage return is quoted too."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=DELIMITERS[format_name], lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n").encode() + b"\n"


def as_number(text: str) -> int | float | str:
    """The number in a cell, else its text.

    >>> as_number("1"), as_number("2.50"), as_number("high")
    (1, 2.5, 'high')
    """
    value = number_of(text)
    if value is None:
        return text
    return int(text) if text.strip().lstrip("+-").isdecimal() and abs(value) < 2**63 else float(value)


def cell_of(value: Any) -> str | None:
    """A value as a cell; None for lists and objects.

    >>> cell_of("a"), cell_of(True), cell_of(2.5), cell_of(["a"])
    ('a', '1', '2.5', None)
    """
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return repr(value)
    return value if isinstance(value, str) else None
