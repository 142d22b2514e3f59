"""Pairs as CSV and TSV: one per row, with a header or `--columns`.

    query_id,query,docid,text,label
    q1,"red shoes, size 9",d7,"Shoes for ""running"".",1

Quoting is that of Python's csv module: a quoted field can have newlines, and two quotes in it are one. Adjacent rows
with the same query id, or without one the same query, are one record. Written back best first within the record, with
`score`, `logit` and `rank`. A NUL, or a row with another number of columns, is an error record.
"""

import re
from dataclasses import replace
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.core.ranking import Ranking
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats.cells import (
    DELIMITERS,
    Cells,
    as_number,
    cell_of,
    cells_of,
    columns_named,
    is_header,
    names_of,
    other_separator,
    row_line,
)
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.pair_rows import Columns, Key, Row, Written, key_of, native_record, refuse_two_queries, rows_of
from rerank_cli.formats.per_group import GroupedRecordFormat
from rerank_cli.formats.record_format import FIRST_STAGE, STAGE
from rerank_cli.formats.templates import composes_without_text

COMPUTED = ("score", "logit", "rank")
BEFORE = "previous_"  # prefix of columns that keep the input's values of computed columns
NUMBERS = (*COMPUTED, *(BEFORE + name for name in COMPUTED))  # columns with numbers, like the label
MADE = (
    "query_id",
    "query",
    "docid",
    "title",
    "text",
    "label",
    "score",
    "logit",
)  # columns of records converted from other formats
MADE_OUT = (*MADE[:6], "previous_score", *COMPUTED)  # the same with a ranking
OF_STAGE = re.compile(r"stage_[0-9]+_score")
MADE_COLUMNS = Written("query", "text", "query_id", "docid", "label")
ADVICE = (
    "A header needs query and text (or passage, document); name others with --query-field and --text-field. "
    "Without a header, add --columns query,text,id,label."
)


def stage_columns(stages: int) -> tuple[str, ...]:
    """The columns of a cascade with so many stages.

    >>> stage_columns(2), stage_columns(1)
    (('stage', 'stage_1_score', 'stage_2_score'), ())
    """
    return (STAGE, *(f"stage_{number}_score" for number in range(1, stages + 1))) if stages > 1 else ()


def _old_stages(names: Cells) -> list[str]:
    """The columns of a cascade in a header.

    >>> _old_stages(["text", "stage", "stage_1_score", "stage_2_score"]), _old_stages(["text", "stage"])
    (['stage', 'stage_1_score', 'stage_2_score'], [])
    """
    if not {STAGE, FIRST_STAGE} <= set(names):
        return []
    return [name for name in names if name == STAGE or OF_STAGE.fullmatch(name)]


def _computed(ranking: Ranking, place: int, of_stages: tuple[str, ...]) -> dict[str, str]:
    """The columns that a ranking adds to a row."""
    logit = repr(ranking.logits[place]) if ranking.has_logit(ranking.indices[place]) else ""
    columns = {"score": repr(ranking.scores[place]), "logit": logit, "rank": str(place + 1)}
    if not ranking.stages:
        return columns
    found = (ranking.stages[place], *ranking.stage_scores[place])
    return columns | {name: "" if value is None else repr(value) for name, value in zip(of_stages, found, strict=True)}


class Separated(GroupedRecordFormat):
    """Rows with a delimiter between columns. A record is the list of its rows' cells."""

    candidates_path = "$"
    titled, needs_candidates = False, True
    staged = True

    def __init__(self, name: str, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --columns without a query or a text."""
        self.hashes: dict[str, str] = {}
        self.delimiter = DELIMITERS[name].encode()
        needs_text = read.need_texts and not composes_without_text(read, write, name)
        self._name, self._read, self._write = name, replace(read, need_texts=needs_text), write
        self._titles: Cells = list(MADE)  # the columns as in the header
        self._names: Cells = list(MADE)  # and their normalized names
        self._columns = Columns(*MADE_COLUMNS)
        self._headers: dict[int, int] = {}  # line of the header, by input
        self._has_header = True
        self._of_stages = stage_columns(write.stages)
        if read.columns is not None:
            self._has_header = False
            try:
                self._take([each.strip() for each in read.columns.split(",")])
            except Malformed as fault:
                raise ConfigError(f"--columns {read.columns}: {fault.reason}", ADVICE) from None

    def begin(self, inputs: Inputs, limit: int) -> None:
        """Read the header of each input. Raises InputError if one has no query or text, or differs from the first."""
        inputs.join_quoted(self.delimiter)
        for number, source in enumerate(inputs.sources):
            line = inputs.first_line(number, limit)
            if line is None or line.too_long:
                continue
            if not self._has_header:
                if is_header(line.raw, self._name, self._read):
                    reason = f"{line.origin}: --columns is for rows without a header, but the first row is one"
                    raise InputError(reason, "Leave --columns out.")
                continue
            try:
                titles = cells_of(line.raw, self._name)
                if not self._headers:
                    self._take(titles)
            except Malformed as fault:
                raise InputError(f"{line.origin}: {fault.reason}", ADVICE + other_separator(line.raw)) from None
            if titles != self._titles:
                first = inputs.sources[next(iter(self._headers))].name
                raise InputError(
                    f"{source.name}: its columns differ from those of {first}",
                    "All inputs of a run need the same header.",
                )
            self._headers[number] = line.origin.line

    def _take(self, titles: Cells) -> None:
        names = names_of(titles)
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Malformed(f"two columns have the name {twice!r}")
        self._titles, self._names, self._columns = titles, names, columns_named(titles, self._read)

    def is_header(self, line: Line) -> bool:
        """Whether a row is the header of its input. Raises InputError for the header of a pipe with other columns."""
        if not self._has_header:
            return False
        number = line.end.source
        if number not in self._headers:  # a pipe after other inputs
            self._headers[number] = line.origin.line
            if cells_of(line.raw, self._name) != self._titles:
                raise InputError(f"{line.origin}: its columns differ from those of the first input", ADVICE)
        return self._headers[number] == line.origin.line

    def parse_line(self, raw: bytes) -> tuple[Key, Cells]:
        """The key and the cells of a row. Raises Malformed."""
        cells = cells_of(raw, self._name)
        if len(cells) != len(self._names):
            raise Malformed(f"{len(cells)} columns, expected {len(self._names)} ({', '.join(self._titles)[:80]})")
        return key_of(self._columns, self._typed(cells)), cells

    def join_lines(self, key: Key, rows: list[Cells]) -> list[Cells]:
        """The record of the rows with one key. Raises Malformed when one id has two queries."""
        place = self._names.index(self._columns.query)
        refuse_two_queries(key[1], [cells[place] for cells in rows])
        return rows

    def _typed(self, cells: Cells) -> Row:
        """The fields of a row. An empty id, label, number or title counts as missing."""
        row: Row = dict(zip(self._names, cells, strict=True))
        for name in (self._columns.query_id, self._columns.id, self._columns.label, *NUMBERS, "title"):
            if name is not None and row.get(name) == "":
                del row[name]
        for name in (self._columns.label, *NUMBERS):
            if name is not None and name in row:
                row[name] = as_number(row[name])
        return row

    def to_native(self, body: list[Cells], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        return native_record([(self._columns, self._typed(cells)) for cells in body], dropped)

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> list[Cells]:
        """A record from a native one. Other fields of candidates are kept if MADE has a column for them."""
        rows = []
        for index, row in enumerate(rows_of(record, MADE_COLUMNS, dropped, self._name)):
            lost = [name for name, value in row.items() if name not in MADE or cell_of(value) is None]
            if dropped is not None:
                dropped.note((name for name in lost if row[name] is not None), "candidates[].")
            cells = [cell_of(row.get(name)) or "" for name in MADE]
            if any("\0" in cell for cell in cells):
                reason = f"a NUL, which {self._name} cannot hold"
                raise Malformed(reason, f"$.candidates[{index}]", content=True)
            rows.append(cells)
        return rows

    def key(self, body: list[Cells]) -> Key:
        """The key that adjacent records must not share, or they would be read as one."""
        return key_of(self._columns, self._typed(body[0]))

    @property
    def header(self) -> bytes:
        """The first line of an output."""
        return row_line(self._titles_out() if self._write.scored else self._titles, self._name)

    def _titles_out(self) -> Cells:
        return [title for title, _ in self._columns_out()]

    def _columns_out(self) -> list[tuple[str, str]]:
        """The columns of a ranking, as in the header and normalized: those of the input, then those we add."""
        if self._names == list(MADE):
            columns = [(name, name) for name in (*MADE_OUT, *self._of_stages)]
        else:
            old = set(_old_stages(self._names))  # of an earlier run: its scores are those of other models
            computed = (*COMPUTED, *self._of_stages)
            kept = (*COMPUTED, *(() if old else self._of_stages[:1]))  # of the user, where we write one
            ours = [*(BEFORE + name for name in kept if name in self._names), *computed]
            named = [each for each in zip(self._titles, self._names, strict=True) if each[1] not in old]
            columns = named + [(name, name) for name in ours if name not in dict(named).values()]
        return [each for each in columns if not (self._write.no_text and each[1] == self._columns.text)]

    def with_ranking(self, body: list[Cells], ranking: Ranking) -> list[Cells]:
        """The rows, best first, with scores, logits and ranks. Previous values of these columns are kept in others."""
        columns = [name for _, name in self._columns_out()]
        rows = []
        for place, index in enumerate(ranking.indices):
            row = dict(zip(self._names, body[index], strict=True))
            row |= {BEFORE + name: row.get(name, "") for name in (*COMPUTED, STAGE)}
            row |= _computed(ranking, place, self._of_stages)
            rows.append([row[name] for name in columns])
        return rows

    def to_lines(self, value: list[Cells]) -> bytes:
        """The rows of a record."""
        return b"".join([row_line(cells, self._name) for cells in value])


class Csv(Separated):
    """Pairs separated by commas."""

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__("csv", read, write)


class Tsv(Separated):
    """Pairs separated by tabs."""

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__("tsv", read, write)
