"""How a file of judgements is laid out: its first line shows it, and every line is read by it.

    q1 0 d9 2                                           TREC, also without the second column
    query-id  corpus-id  score                          BEIR's table, whose header decides for all lines
    {"query-id": "q1", "corpus-id": "d9", "score": 2}   JSON lines (`json_rows`)

Whether a grade is one is for the evaluation to say.
"""

from dataclasses import dataclass

from rerank_cli.formats.column_names import DOCUMENT_NAMES, GRADE_NAMES, QUERY_NAMES, normal
from rerank_cli.formats.columns import Judgement, check_ids, columns_of, likeness, split_at, unquoted
from rerank_cli.formats.json_rows import GRADES, JsonRows, object_in
from rerank_cli.formats.json_values import Malformed, number_of

WIDTHS = {4: "qid iter docid grade", 3: "qid docid grade"}


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


JudgementLayout = JudgementColumns | JsonRows


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
