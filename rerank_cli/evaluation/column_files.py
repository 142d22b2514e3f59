"""Files whose lines are columns, judgements and runs: their lines, and whether a file is a parquet table instead."""

import os
from collections.abc import Iterator

from rerank_cli.core.errors import InputError
from rerank_cli.files.compression import PARQUET_MAGIC
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats import columns

MAX_LINE_BYTES = 64 * 1024 * 1024


def lines_with_columns(inputs: Inputs, advice: str) -> Iterator[Line]:
    """The lines of an input that are neither blank nor comments. Raises InputError for one that is too long."""
    for line in inputs.lines(MAX_LINE_BYTES):
        if line.too_long:
            raise InputError(f"{line.origin}: the line is too long", advice)
        if line.raw.strip() and not columns.is_comment(line.raw):
            yield line


def is_parquet(path: str) -> bool:
    """Whether a file is a parquet table, whose rows are read as JSON lines."""
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
