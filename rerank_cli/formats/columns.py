"""Lines of judgements and of runs as columns, split at the separator that the line has.

A line with tabs is split at tabs alone, so that ids may hold blanks (BEIR's tables); any other line at ASCII blanks, as
trec_eval splits it with C's isspace. Other white space of Unicode, such as a no-break space, belongs to an id.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from rerank_cli.formats.json_values import BLANKS, Malformed, check_utf8, number_of

COMMENT = b"#"
RUN = "qid Q0 docid rank score tag"
RUN_COLUMNS = 6
TAG = "rerank"  # of runs that are written here: their scores are logits
LARGEST_SCORE = 3e38  # evaluators read scores as float32, which ends at 3.4e38
QRELS_WIDTHS = {4: "qid iter docid grade", 3: "qid docid grade"}
QUERY_NAMES = {"query_id", "queryid", "query", "qid", "q_id", "topic_id", "topicid", "topic", "topic_number"}
DOCUMENT_NAMES = {"corpus_id", "document_id", "doc_id", "docid", "docno", "did", "d_id", "doc", "document", "pid"}
DOCUMENT_NAMES |= {"passage_id", "passage"}
GRADE_NAMES = {"score", "relevance", "rel", "grade", "label", "judgement", "judgment"}
NESTED = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*[-0-9]')


class RunRow(NamedTuple):
    """A line of a run. `tag` is empty where the line has none."""

    qid: str
    docid: str
    score: float
    tag: str


class Judgement(NamedTuple):
    """A line of judgements. `iteration` is TREC's second column, which some files use for subtopics."""

    qid: str
    iteration: str
    docid: str
    grade: str


def columns_of(raw: bytes) -> list[str]:
    """The columns of a line, without blanks around them. Raises Malformed for one that is not UTF-8.

    >>> columns_of(b"q 1\\td1 \\t 1\\r"), columns_of("q1  AC\\u00a0Milan 1".encode())
    (['q 1', 'd1', '1'], ['q1', 'AC\\xa0Milan', '1'])
    """
    return _split(raw, b"\t" in raw.rstrip())


def _split(raw: bytes, tabs: bool) -> list[str]:
    check_utf8(raw)
    return [each.strip().decode("utf-8") for each in (raw.rstrip().split(b"\t") if tabs else raw.split())]


def is_comment(raw: bytes) -> bool:
    """Whether a line is a comment: its first column is `#`. An id may begin with `#`, as in `#1 0 d1 1`.

    >>> [is_comment(line) for line in (b"# by hand", b"#", b"#\\tq1", b"#1 0 d1 1", b"q1 0 # 1")]
    [True, True, True, False, False]
    """
    return raw.startswith(COMMENT) and raw[:2].rstrip() == COMMENT


def whole_number(text: str) -> int | None:
    """A number without a fraction; None for anything else.

    >>> [whole_number(text) for text in ("1", "1.0", "-2", "0.5", "1e0", "x")]
    [1, 1, -2, None, 1, None]
    """
    value = number_of(text)
    return int(value) if value is not None and value == int(value) else None


def row_of_run(raw: bytes) -> RunRow:
    """What a line of a run says. The tag may be missing, and words may stand behind it. Raises Malformed."""
    columns = columns_of(raw)
    if len(columns) != RUN_COLUMNS and not _is_plain(columns):
        raise Malformed(f"{len(columns)} columns, expected {RUN_COLUMNS} ({RUN}){likeness(raw)}")
    qid, _, docid, _, text, *rest = columns
    score = number_of(text)
    if score is None:
        raise Malformed(f"the score is {text[:40]!r}, not a number{likeness(raw)}")
    if not abs(score) < LARGEST_SCORE:
        raise Malformed(f"the score {text[:40]} is beyond what a run can hold")
    if not qid or not docid:
        raise Malformed(f"an empty {'qid' if not qid else 'docid'}")
    return RunRow(qid, docid, score, rest[0] if rest else "")


def run_line(qid: str, docid: str, rank: int, score: float) -> str:
    """A line of a run as it is written.

    >>> row_of_run(run_line("q1", "d9", 1, 12.5).encode())
    RunRow(qid='q1', docid='d9', score=12.5, tag='rerank')
    """
    return f"{qid} Q0 {docid} {rank} {score!r} {TAG}\n"


def _is_plain(columns: list[str]) -> bool:
    """Whether a line that has not six columns is one without a tag, or with words behind it.

    An id with blanks in it, and a line without Q0, put other columns in those places: such lines are refused, not
    guessed at.
    """
    if len(columns) < RUN_COLUMNS:
        return len(columns) == RUN_COLUMNS - 1 and columns[1].upper() in ("Q0", "0") and _is_rank(columns[3])
    ends_in_rank_score_tag = _is_rank(columns[-3]) and number_of(columns[-2]) is not None
    return _is_rank(columns[3]) and number_of(columns[5]) is None and not ends_in_rank_score_tag


def _is_rank(text: str) -> bool:
    return whole_number(text) is not None


def is_run(raw: bytes) -> bool:
    """Whether a line is one of a run."""
    try:
        row_of_run(raw)
    except Malformed:
        return False
    return True


def likeness(raw: bytes) -> str:
    """What a line looks like that is no line of columns, to add to a message."""
    text = raw.lstrip()
    if NESTED.match(raw):
        return "; it looks like a JSON object {qid: {docid: number}}, which cannot be read"
    kinds = {b"{": "JSON", b"[": "a JSON array", b"<": "SGML or XML (topics?)", b"\x04\x22\x4d\x18": "lz4"}
    return next((f"; it looks like {name}" for sign, name in kinds.items() if text.startswith(sign)), "")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file of judgements is laid out, by its first line: BEIR's header decides for the whole table."""

    width: int
    header: bool = False
    tabs: bool | None = None  # None: each line has its own separator
    quoted: bool = False

    @classmethod
    def of(cls, raw: bytes) -> "Layout":
        """The layout that a first line shows. Raises Malformed."""
        columns = columns_of(raw)
        if len(columns) not in QRELS_WIDTHS:
            raise Malformed(_widths(len(columns)) + likeness(raw))
        names = [each.strip(BLANKS + "\"'").lower().replace("-", "_").replace(" ", "_") for each in columns]
        if names[0] not in QUERY_NAMES or number_of(unquoted(columns[-1])) is not None:
            return cls(len(columns))
        elsewhere = names[-2] not in DOCUMENT_NAMES and not DOCUMENT_NAMES.isdisjoint(names[1:])
        if elsewhere or names[-2] in GRADE_NAMES:
            raise Malformed(f"the columns are {', '.join(names)}, expected query, document, grade")
        tabs, quoted = b"\t" in raw.rstrip(), columns[0] != unquoted(columns[0])
        return cls(len(columns), header=True, tabs=tabs, quoted=quoted)

    def row(self, raw: bytes) -> Judgement:
        """What a line says. Raises Malformed."""
        columns = columns_of(raw) if self.tabs is None else _split(raw, self.tabs)
        if len(columns) not in QRELS_WIDTHS:
            raise Malformed(_widths(len(columns)) + likeness(raw))
        if len(columns) != self.width:
            raise Malformed(f"{len(columns)} columns, expected {self.width} as in the first line")
        if self.quoted:
            columns = [unquoted(each) for each in columns]
        qid, *iteration, docid, grade = columns
        if not qid or not docid:
            raise Malformed(f"an empty {'qid' if not qid else 'docid'}")
        return Judgement(qid, "".join(iteration), docid, grade)


def _widths(count: int) -> str:
    return f"{count} columns, expected " + " or ".join(f"{width} ({names})" for width, names in QRELS_WIDTHS.items())


def unquoted(text: str) -> str:
    """A column without the double quotes that some writers of tables put around it.

    >>> unquoted('"d1"'), unquoted('d"1"')
    ('d1', 'd"1"')
    """
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if quoted else text
