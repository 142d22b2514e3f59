"""Pairs as CSV and TSV: a row each, under a header that names the columns, or with `--columns`.

    query_id,query,docid,text,label
    q1,"red shoes, size 9",d7,"Shoes for ""running"".",1

Quoting is that of Python's csv module: a quoted field may have newlines, and two quotes in it are one. Rows that follow
each other with an equal query id, or without one with an equal query, are one record. Written back best first within
it, with `score`, `logit` and `rank`. A NUL, or a row of another width, is an error record.
"""

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

COMPUTED = ("score", "logit", "rank")
BEFORE = "previous_"  # begins the names of columns that keep what a computed one had in the input
NUMBERS = (*COMPUTED, *(BEFORE + name for name in COMPUTED))  # numbers in a native record, as is the label
MADE = ("query_id", "query", "docid", "title", "text", "label", "score", "logit")  # columns where others are converted
MADE_OUT = (*MADE[:6], "previous_score", *COMPUTED)  # and where those are ranked
MADE_COLUMNS = Written("query", "text", "query_id", "docid", "label")
ADVICE = (
    "A header names query and text (or passage, document). Of other names: --query-field, --text-field. "
    "Without a header: --columns query,text,id,label."
)


class Separated:
    """Rows with a delimiter between their columns. A record is the list of its rows' cells."""

    candidates_path = "$"
    titled, needs_candidates = False, True

    def __init__(self, name: str, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --columns without a query or a text."""
        self.hashes: dict[str, str] = {}
        self.delimiter = DELIMITERS[name].encode()
        self._name, self._read, self._write = name, read, write
        self._titles: Cells = list(MADE)  # the columns as the header has them
        self._names: Cells = list(MADE)  # and as we know them
        self._columns = Columns(*MADE_COLUMNS)
        self._headers: dict[int, int] = {}  # in which line of which input a header stands
        self._has_header = True
        if read.columns is not None:
            self._has_header = False
            try:
                self._take([each.strip() for each in read.columns.split(",")])
            except Malformed as fault:
                raise ConfigError(f"--columns {read.columns}: {fault.reason}", ADVICE) from None

    def begin(self, inputs: Inputs, limit: int) -> None:
        """Look at the header of each input. Raises InputError where one names no query or text, or other columns."""
        inputs.join_quoted(self.delimiter)
        for number, source in enumerate(inputs.sources):
            line = inputs.first_line(number, limit)
            if line is None or line.too_long:
                continue
            if not self._has_header:
                if is_header(line.raw, self._name, self._read):
                    reason = f"{line.origin}: the first row is a header, and --columns is for rows without one"
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
                    f"{source.name}: its columns are not those of {first}", "Inputs of one run share their header."
                )
            self._headers[number] = line.origin.line

    def _take(self, titles: Cells) -> None:
        names = names_of(titles)
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Malformed(f"two columns are named {twice!r}")
        self._titles, self._names, self._columns = titles, names, columns_named(titles, self._read)

    def is_header(self, line: Line) -> bool:
        """Whether a row is the header of its input. Raises InputError for that of a pipe, if it names other columns."""
        if not self._has_header:
            return False
        number = line.end.source
        if number not in self._headers:  # a pipe behind other inputs
            self._headers[number] = line.origin.line
            if cells_of(line.raw, self._name) != self._titles:
                raise InputError(f"{line.origin}: its columns are not those of the first input", ADVICE)
        return self._headers[number] == line.origin.line

    def parse_line(self, raw: bytes) -> tuple[Key, Cells]:
        """A row's key, and its cells. Raises Malformed."""
        cells = cells_of(raw, self._name)
        if len(cells) != len(self._names):
            raise Malformed(f"{len(cells)} columns, expected {len(self._names)} ({', '.join(self._titles)[:80]})")
        return key_of(self._columns, self._typed(cells)), cells

    def join_lines(self, key: Key, rows: list[Cells]) -> list[Cells]:
        """The record that the rows of one key make. Raises Malformed when one id stands for two queries."""
        place = self._names.index(self._columns.query)
        refuse_two_queries(key[1], [cells[place] for cells in rows])
        return rows

    def _typed(self, cells: Cells) -> Row:
        """A row's fields. An empty id, label or number is none, and so is an empty title."""
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
        """A record from a native one: candidates' other fields have a place where a column of MADE is theirs."""
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
        """What records may not share that follow each other: they would be read as one."""
        return key_of(self._columns, self._typed(body[0]))

    @property
    def header(self) -> bytes:
        """The first line of an output."""
        return row_line(self._titles_out() if self._write.scored else self._titles, self._name)

    def _titles_out(self) -> Cells:
        return [title for title, _ in self._columns_out()]

    def _columns_out(self) -> list[tuple[str, str]]:
        """The columns of a ranking, as the header has them and as we know them: the input's, then those we add."""
        if self._names == list(MADE):
            found = [(name, name) for name in MADE_OUT]
        else:
            ours = [*(BEFORE + name for name in COMPUTED if name in self._names), *COMPUTED]
            found = list(zip(self._titles, self._names, strict=True))
            found += [(name, name) for name in ours if name not in self._names]
        return [each for each in found if not (self._write.no_text and each[1] == self._columns.text)]

    def with_ranking(self, body: list[Cells], ranking: Ranking) -> list[Cells]:
        """The rows, best first, with their scores, logits and ranks; what such columns had is kept beside them."""
        columns = [name for _, name in self._columns_out()]
        rows = []
        for place, index in enumerate(ranking.indices):
            row = dict(zip(self._names, body[index], strict=True))
            row |= {BEFORE + name: row.get(name, "") for name in COMPUTED}
            row |= {"score": repr(ranking.scores[place]), "logit": repr(ranking.logits[place]), "rank": str(place + 1)}
            rows.append([row[name] for name in columns])
        return rows

    def to_lines(self, value: list[Cells]) -> bytes:
        """The rows of a record."""
        return b"".join([row_line(cells, self._name) for cells in value])


class Csv(Separated):
    """Pairs with commas between their columns."""

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__("csv", read, write)


class Tsv(Separated):
    """Pairs with tabs between their columns."""

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        super().__init__("tsv", read, write)
