"""How a file of judgements is laid out: its first line shows it, and every line is read by it.

    q1 0 d9 2                                           TREC, also without the second column
    query-id  corpus-id  score                          BEIR's table, whose header decides for all lines
    {"query-id": "q1", "corpus-id": "d9", "score": 2}   JSON lines (`json_rows`)

Whether a grade is one is for the evaluation to say.
"""

from collections import Counter
from dataclasses import dataclass, field

from rerank_cli.formats.column_names import DOCUMENT_NAMES, GRADE_NAMES, QUERY_NAMES, normal
from rerank_cli.formats.columns import Judgement, check_ids, columns_of, likeness, split_at, unquoted, whole_number
from rerank_cli.formats.json_rows import GRADES, JsonRows, object_in
from rerank_cli.formats.json_values import Malformed, number_of

WIDTHS = {4: "qid iter docid grade", 3: "qid docid grade"}
LEAST = 3  # lines of a query that show a ranking


@dataclass(frozen=True, slots=True)
class JudgementColumns:
    """Columns: query, document and grade, in this order, and TREC's second one, where there are four."""

    width: int
    header: bytes = b""
    tabs: bool | None = None  # None: each line has its own separator
    quoted: bool = False

    def judgement(self, raw: bytes) -> Judgement:
        """What a line says. Raises Malformed."""
        columns = columns_of(raw) if self.tabs is None else split_at(raw, self.tabs)
        _check_width(columns, raw)
        if len(columns) != self.width:
            raise Malformed(f"{len(columns)} columns, expected {self.width} as in the first line")
        if self.quoted:
            columns = [unquoted(each) for each in columns]
        qid, *iteration, docid, grade = columns
        check_ids(qid, docid)
        return Judgement(qid, "".join(iteration), docid, grade)


@dataclass(slots=True)
class Counting:
    """Whether grades without a name may be ranks: they count 1, 2, 3, … within each query, up to 3 at least.

    A query of one line shows nothing.
    """

    lines: Counter[str] = field(default_factory=Counter)
    singles: set[str] = field(default_factory=set)  # queries whose first line has no 1
    counts: bool = True

    def see(self, layout: "JudgementLayout", row: Judgement) -> None:
        """Take in a line, where its columns have no names."""
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
    """Whether nothing tells grades from ranks: three columns without a header."""
    return isinstance(layout, JudgementColumns) and not layout.header and layout.width == 3


def layout_of_judgements(raw: bytes) -> JudgementLayout:
    """The layout that a first line shows. Raises Malformed."""
    if (body := object_in(raw)) is not None:
        return JsonRows.of(body, GRADES)
    columns = columns_of(raw)
    _check_width(columns, raw)
    names = [normal(each) for each in columns]
    if names[0] not in QUERY_NAMES or number_of(unquoted(columns[-1])) is not None:
        return JudgementColumns(len(columns))
    elsewhere = names[-2] not in DOCUMENT_NAMES and not DOCUMENT_NAMES.isdisjoint(names[1:])
    if elsewhere or names[-2] in GRADE_NAMES:
        raise Malformed(f"the columns are {', '.join(names)}, expected query, document, grade")
    return JudgementColumns(len(columns), raw, b"\t" in raw.rstrip(), columns[0] != unquoted(columns[0]))


def _check_width(columns: list[str], raw: bytes) -> None:
    if len(columns) not in WIDTHS:
        widths = " or ".join(f"{width} ({names})" for width, names in WIDTHS.items())
        raise Malformed(f"{len(columns)} columns, expected {widths}{likeness(raw)}")
