"""The layout of a file of judgements: detected from its first line, and used for every line.

    q1 0 d9 2                                           TREC, the second column is optional
    query-id  corpus-id  score                          BEIR's table with a header
    qid,docid,relevance                                 the same as CSV
    {"query-id": "q1", "corpus-id": "d9", "score": 2}   JSON lines (`json_rows`)

The evaluation checks the grades.
"""

from collections import Counter
from dataclasses import dataclass, field

from rerank_cli.formats.column_names import (
    DOCUMENT_IDS,
    DOCUMENT_NAMES,
    GRADE_NAMES,
    ITERATION_NAMES,
    QUERY_IDS,
    QUERY_NAMES,
    RANK_NAMES,
    SCORE_NAMES,
    normal,
    place_of,
)
from rerank_cli.formats.columns import (
    Judgement,
    check_ids,
    columns_of,
    split_at,
    splits_of,
    unquoted,
    whole_number,
    wrong_width,
)
from rerank_cli.formats.json_rows import GRADES, JsonRows, is_of_run, object_in
from rerank_cli.formats.json_values import Malformed, number_of

WIDTHS = {4: "qid iter docid grade", 3: "qid docid grade"}
LEAST = 3  # lines of a query that identify a ranking


@dataclass(frozen=True, slots=True)
class JudgementColumns:
    """Columns: the positions of query, document, grade, and of TREC's second column."""

    width: int
    qid: int
    docid: int
    grade: int
    iteration: int | None = None
    header: bytes = b""
    separator: str | None = None  # None: each line has its own
    quoted: bool = False

    @classmethod
    def in_order(cls, width: int, header: bytes = b"", separator: str | None = None) -> "JudgementColumns":
        """Query, document and grade in this order; with four columns, TREC's second one too."""
        quoted = header.startswith(b'"')
        return cls(width, 0, width - 2, width - 1, 1 if width == 4 else None, header, separator, quoted)

    def judgement(self, raw: bytes) -> Judgement:
        """Parse a line. Raises Malformed."""
        columns = columns_of(raw) if self.separator is None else split_at(raw, self.separator)
        if not self.header:
            _check_width(columns, raw)
        if len(columns) != self.width:
            raise wrong_width(columns, f"{self.width} as in the first line", self.width, raw, self.separator)
        if self.quoted:
            columns = [unquoted(each) for each in columns]
        qid, docid = columns[self.qid], columns[self.docid]
        check_ids(qid, docid)
        return Judgement(qid, "" if self.iteration is None else columns[self.iteration], docid, columns[self.grade])


@dataclass(slots=True)
class Counting:
    """Whether grades in a column without a name may be ranks: 1, 2, 3, … within each query, up to at least 3.

    Queries with one line are ignored.
    """

    lines: Counter[str] = field(default_factory=Counter)
    singles: set[str] = field(default_factory=set)  # queries whose first line has no 1
    counts: bool = True

    def see(self, layout: "JudgementLayout", row: Judgement) -> None:
        """Inspect a line, if its columns have no names."""
        if not self.counts or not _is_unnamed(layout):
            return
        self.lines[row.qid] += 1
        place = self.lines[row.qid]
        if place == 1 and whole_number(row.grade) != 1:
            self.singles.add(row.qid)
        elif place > 1:
            self.counts = whole_number(row.grade) == place and row.qid not in self.singles

    def __bool__(self) -> bool:
        return self.counts and max(self.lines.values(), default=0) >= LEAST


JudgementLayout = JudgementColumns | JsonRows


def _is_unnamed(layout: JudgementLayout) -> bool:
    """Whether grades and ranks cannot be distinguished: three columns without a header."""
    return isinstance(layout, JudgementColumns) and not layout.header and layout.width == 3


def layout_of_judgements(raw: bytes) -> JudgementLayout:
    """Detect the layout from the first line. Raises Malformed."""
    if (body := object_in(raw)) is not None:
        return JsonRows.of(body, GRADES)
    splits = splits_of(raw)
    for separator, columns in reversed(splits):
        if (header := _of_header(raw, separator, columns)) is not None:
            return header
    separator, columns = splits[0]
    _check_width(columns, raw)
    names = [normal(each) for each in columns]
    if names[0] not in QUERY_NAMES or number_of(unquoted(columns[-1])) is not None:
        return JudgementColumns.in_order(len(columns))
    elsewhere = names[-2] not in DOCUMENT_NAMES and not DOCUMENT_NAMES.isdisjoint(names[1:])
    if elsewhere or names[-2] in GRADE_NAMES | SCORE_NAMES or not RANK_NAMES.isdisjoint(names):
        raise _not_these(columns)
    return JudgementColumns.in_order(len(columns), raw, separator)


def _of_header(raw: bytes, separator: str, columns: list[str]) -> JudgementColumns | None:
    """The columns that a header names; None if the line is not a header. Raises Malformed for the header of a run."""
    if any(number_of(unquoted(each)) is not None for each in columns):
        return None
    qid, docid = place_of(columns, QUERY_IDS, QUERY_NAMES), place_of(columns, DOCUMENT_IDS, DOCUMENT_NAMES)
    grade = place_of(columns, *GRADES)
    if qid is None or docid is None or grade is None:
        return None
    if is_of_run(columns):
        raise _not_these(columns)
    return JudgementColumns(
        width=len(columns),
        qid=qid,
        docid=docid,
        grade=grade,
        iteration=place_of(columns, ITERATION_NAMES),
        header=raw,
        separator=separator,
        quoted=columns[qid] != unquoted(columns[qid]),
    )


def _not_these(columns: list[str]) -> Malformed:
    return Malformed(f"the columns are {', '.join(map(normal, columns))}, expected query, document, grade")


def _check_width(columns: list[str], raw: bytes) -> None:
    if len(columns) not in WIDTHS:
        widths = " or ".join(f"{width} ({names})" for width, names in WIDTHS.items())
        raise wrong_width(columns, widths, max(WIDTHS), raw)
