"""Lines of judgements and runs as columns, split at the separator of the line.

A line with tabs is split at tabs alone, so that ids can have blanks (BEIR's tables). Any other line is split at ASCII
blanks, as trec_eval does with C's isspace. Other Unicode white space, such as a no-break space, belongs to an id.
Commas separate columns only if a header or --run-columns says so, since ids can have commas.
"""

from contextlib import suppress
from typing import NamedTuple

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.decimals import shortest_float32
from rerank_cli.files.raw import UNREADABLE
from rerank_cli.formats.cells import cells_of
from rerank_cli.formats.json_values import Malformed, check_utf8, number_of

COMMENT = b"#"
TABS, BLANKS, COMMAS = "\t", "", ","  # between columns
RUN = "qid Q0 docid rank score tag"
RUN_COLUMNS = 6
TAG = WriteConfig().tag  # tag of runs written here: their scores are logits
SHOWN = 40  # characters of a value in a message
LARGEST_SCORE = 3e38  # evaluators read scores as float32, which ends at 3.4e38


class RunRow(NamedTuple):
    """A line of a run. `tag` is empty if the line has none."""

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
    """The columns of a line, stripped. Raises Malformed for a line that is not UTF-8.

    >>> columns_of(b"q 1\\td1 \\t 1\\r"), columns_of("q1  AC\\u00a0Milan 1".encode())
    (['q 1', 'd1', '1'], ['q1', 'AC\\xa0Milan', '1'])
    """
    return split_at(raw, _usual(raw))


def split_at(raw: bytes, separator: str) -> list[str]:
    """The columns of a line split at TABS, BLANKS or COMMAS. Raises Malformed for a line that is not UTF-8.

    >>> split_at(b'q1, "d,1",2', COMMAS)
    ['q1', 'd,1', '2']
    """
    check_utf8(raw)
    if separator == COMMAS:
        return list(map(str.strip, cells_of(raw.strip(), "csv", skip_blanks=True)))
    return [each.strip().decode("utf-8") for each in (raw.rstrip().split(b"\t") if separator == TABS else raw.split())]


def splits_of(raw: bytes) -> list[tuple[str, list[str]]]:
    """The ways to split a first line, each as separator and columns. Raises Malformed for a line that is not UTF-8.

    >>> splits_of(b"qid,docid")
    [('', ['qid,docid']), (',', ['qid', 'docid'])]
    """
    splits = [(_usual(raw), columns_of(raw))]
    if b"," in raw and splits[0][0] != TABS:
        with suppress(Malformed):
            splits.append((COMMAS, split_at(raw, COMMAS)))
    return splits


def _usual(raw: bytes) -> str:
    return TABS if b"\t" in raw.rstrip() else BLANKS


def is_comment(raw: bytes) -> bool:
    """Whether a line is a comment: its first column is `#`. An id can begin with `#`, as in `#1 0 d1 1`.

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
    """Parse a line of a run. The tag may be missing or followed by other words. Raises Malformed."""
    columns = columns_of(raw)
    if len(columns) != RUN_COLUMNS and not _is_plain(columns):
        raise wrong_width(columns, f"{RUN_COLUMNS} ({RUN})", RUN_COLUMNS, raw)
    qid, _, docid, _, text, *rest = columns
    score = score_of(text)
    check_ids(qid, docid)
    return RunRow(qid, docid, score, rest[0] if rest else "")


def score_of(text: str) -> float:
    """The score in a column. Raises Malformed for anything but a number in the range of float32.

    >>> score_of("12.5"), score_of("-1e3")
    (12.5, -1000.0)
    """
    score = number_of(text)
    if score is None:
        raise Malformed(f"the score is {text[:SHOWN]!r}, not a number")
    return check_score(score)


def check_score(score: float) -> float:
    """The score as a float. Raises Malformed for one beyond float32."""
    if not abs(score) < LARGEST_SCORE:
        raise Malformed(f"the score {score:g} is beyond the range of float32")
    return float(score)


def check_ids(qid: str, docid: str) -> None:
    """Raises Malformed for an empty id."""
    if not qid or not docid:
        raise Malformed(f"an empty {'qid' if not qid else 'docid'}")


def rank_as_score(text: str) -> float:
    """A rank as a score that gives the same order. Raises Malformed unless it is an integer from 0.

    >>> rank_as_score("3"), rank_as_score("3.0")
    (-3.0, -3.0)
    """
    rank = whole_number(text)
    if rank is None or rank < 0:
        raise Malformed(f"the rank is {text[:SHOWN]!r}, not an integer from 0")
    return check_score(-rank)


def run_line(qid: str, docid: str, rank: int, score: float, tag: str = TAG) -> str:
    """A line of a run as it is written; `score` is a float32.

    >>> row_of_run(run_line("q1", "d9", 1, 12.5).encode())
    RunRow(qid='q1', docid='d9', score=12.5, tag='rerank')
    """
    return f"{qid} Q0 {docid} {rank} {shortest_float32(score)!r} {tag}\n"


def _is_plain(columns: list[str]) -> bool:
    """Whether a line without six columns lacks its tag, or has words after it.

    With a blank in an id, or without Q0, other columns have these positions: such lines are refused.
    """
    if len(columns) < RUN_COLUMNS:
        return len(columns) == RUN_COLUMNS - 1 and columns[1].upper() in ("Q0", "0") and _is_rank(columns[3])
    ends_in_rank_score_tag = _is_rank(columns[-3]) and number_of(columns[-2]) is not None
    return _is_rank(columns[3]) and number_of(columns[5]) is None and not ends_in_rank_score_tag


def _is_rank(text: str) -> bool:
    return whole_number(text) is not None


def wrong_width(columns: list[str], expected: str, most: int, raw: bytes, separator: str | None = None) -> Malformed:
    """The fault of a line with another number of columns than `expected`; `most` is the largest that is right."""
    way = likeness(raw)
    if not way and len(columns) > most and (_usual(raw) if separator is None else separator) == BLANKS:
        way = "; if ids have blanks, separate the columns with tabs"
    return Malformed(f"{len(columns)} columns, expected {expected}{way}")


def is_run(raw: bytes) -> bool:
    """Whether a line is a line of a run."""
    try:
        row_of_run(raw)
    except Malformed:
        return False
    return True


def likeness(raw: bytes) -> str:
    """What a line looks like that does not have columns, to add to a message."""
    if raw.startswith(UNREADABLE):
        return ""
    text = raw.lstrip()
    kinds = {b"{": "JSON", b"[": "a JSON array", b"<": "SGML or XML, such as topics", b"\x04\x22\x4d\x18": "lz4"}
    name = next((name for sign, name in kinds.items() if text.startswith(sign)), "")
    if not name and len(text.split()) == 1 and text.count(b",") > 1:
        name = "CSV; expected tabs or blanks between columns"
    return name and f"; it looks like {name}"


def unquoted(text: str) -> str:
    """A column without the double quotes that some programs put around it.

    >>> unquoted('"d1"'), unquoted('d"1"')
    ('d1', 'd"1"')
    """
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if quoted else text
