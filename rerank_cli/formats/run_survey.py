"""Scan a run before it is read: find its layout, and the queries whose lines are not adjacent.

Three columns without a header are a query, a document, and a rank or a score. A wrong guess would reverse every
ranking. The third column is read as a rank if the values of each query are 1, 2, 3, … in the order of the file.
Otherwise the run is refused until --run-columns names the columns.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats.apart import Apart
from rerank_cli.formats.column_names import Ambiguous
from rerank_cli.formats.columns import RunRow, is_comment, is_run
from rerank_cli.formats.json_rows import JsonRows
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.kinds import refuse_misplaced
from rerank_cli.formats.run_layouts import NAME_COLUMNS, NamedColumns, RunLayout, Trec, layout_of_run

FIRST = re.compile(rb"[^\t]+(?=\t)|\s*\S+(?=\s)")  # the first column of a line
GUESSED = "the three columns of the run are read as qid, docid and rank"
LOOK_AT = 100  # lines searched for the first that shows a layout


class Survey(NamedTuple):
    """The layout of a run, its queries with separated lines, and whether its scores look like judgements."""

    layout: RunLayout
    apart: Apart
    grades: bool


def survey(path: str, named: Sequence[str], max_line_bytes: int) -> Survey:
    """Scan a run. Raises ConfigError for three columns that may be scores, InputError."""
    layout, lines = find_layout(run_lines(Inputs((path,), scores=True), max_line_bytes), named)
    grades = Grades(layout)
    qids = _trec_qids(lines) if isinstance(layout, Trec) else grades.qids(rows_of_run(layout, lines))
    return Survey(layout, Apart(qids, "run"), bool(grades))


def run_lines(inputs: Inputs, max_line_bytes: int) -> Iterator[Line]:
    """The lines of a run, without blank lines, comments and lines that are too long."""
    for line in inputs.lines(max_line_bytes):
        if line.raw.strip() and not line.too_long and not is_comment(line.raw):
            yield line


def find_layout(lines: Iterator[Line], named: Sequence[str] = ()) -> tuple[RunLayout, Iterator[Line]]:
    """The layout of the first line that shows one, and an iterator over all lines.

    Raises ConfigError for judgements, texts or records, InputError for ambiguous names.
    """
    seen: list[Line] = []
    for line in lines:
        seen.append(line)
        try:
            return layout_of_run(line.raw, named), chain(seen, lines)
        except Ambiguous as fault:
            raise InputError(
                f"{line.origin}: {fault.reason}", "Leave one out, or name the columns: --run-columns."
            ) from None
        except Malformed:
            if len(seen) == 1:
                refuse_misplaced([line.raw], line.origin.source, "a run")
            if len(seen) == LOOK_AT:
                break
    if seen:
        refuse_misplaced([each.raw for each in seen], seen[0].origin.source, "a run")
    is_json = bool(seen) and seen[0].raw.lstrip().startswith(b"{")
    return JsonRows() if is_json else Trec(), chain(seen, lines)


def _pass_over(_line: Line, _fault: Malformed) -> None:
    """Ignore a bad line here: it is reported elsewhere."""


def rows_of_run(
    layout: RunLayout, lines: Iterable[Line], on_fault: Callable[[Line, Malformed], None] = _pass_over
) -> Iterator[tuple[Line, RunRow]]:
    """The good lines with their rows; `on_fault` is called for the others.

    Raises ConfigError if guessed ranks are not ranks.
    """
    ranks = Ranks()
    for line in lines:
        if line.raw == layout.header:
            continue
        try:
            row = layout.row(line.raw)
        except Malformed as fault:
            refuse_guess(layout, line, fault)
            on_fault(line, fault)
            continue
        ranks.check(layout, line, row)
        yield line, row


@dataclass(slots=True)
class Ranks:
    """Counts the lines of each query, to check ranks that are guessed from three columns."""

    lines: Counter[str] = field(default_factory=Counter)

    def check(self, layout: RunLayout, line: Line, row: RunRow) -> None:
        """Raises ConfigError if the rank of a line is not the next one of its query."""
        if is_guessed(layout):
            self.lines[row.qid] += 1
            if row.score != -self.lines[row.qid]:
                raise _not_ranks(line)


class Grades:
    """Whether the scores of a run may be judgements: integers in the range of the usual grades.

    Runs and judgements look alike as tables, JSON lines and objects, and as three columns with a third of 1. TREC's
    lines differ.
    """

    USUAL = frozenset(range(-2, 5))
    NOTE = "its scores are integers up to 4, as in judgements, which are named with --qrels"

    def __init__(self, layout: RunLayout) -> None:
        ranked = bool(getattr(layout, "is_rank", False))
        self._grades = frozenset({-1}) if is_guessed(layout) else self.USUAL
        self._usual = not isinstance(layout, Trec) and (is_guessed(layout) or not ranked)
        self._any = False

    def __bool__(self) -> bool:
        return self._any and self._usual

    def see(self, row: RunRow) -> None:
        """Inspect a row."""
        self._any = True
        self._usual = self._usual and row.score in self._grades

    def qids(self, rows: Iterable[tuple[Line, RunRow]]) -> Iterator[str]:
        """The query of each row."""
        for _, row in rows:
            self.see(row)
            yield row.qid


def is_guessed(layout: RunLayout) -> bool:
    """Whether the columns have no names."""
    return isinstance(layout, NamedColumns) and layout.guessed


def refuse_guess(layout: RunLayout, line: Line, fault: Malformed) -> None:
    """Raises ConfigError for a line of three columns without a rank, if ranks are guessed."""
    if is_guessed(layout) and fault.reason.startswith("the rank is "):
        raise _not_ranks(line)


def _not_ranks(line: Line) -> ConfigError:
    shown = line.raw.decode("utf-8", "replace").strip()[:80]
    why = "three columns without a header, and the third is not a rank (1, 2, 3, … within each query)"
    return ConfigError(f"{line.origin}: {why}: {shown!r}", NAME_COLUMNS)


def _trec_qids(lines: Iterator[Line]) -> Iterator[str]:
    """The query of each line. For speed, a line is parsed only when another query begins."""
    last = ""
    for line in lines:
        if first := FIRST.match(line.raw):
            qid = first[0].strip().decode("utf-8", "replace")
            if qid == last or is_run(line.raw):
                last = qid
                yield qid
