"""How a run is laid out: its first line shows it, and every line is read by it.

    q1 Q0 d9 1 12.3 bm25                                   TREC
    query-id  corpus-id  score                             a table whose header names its columns
    qid,docid,score                                        the same with commas, and quotes as CSV has them
    q1  d9  1                                              three columns, MS MARCO's: a rank (see `run_survey`)
    {"query-id": "q1", "corpus-id": "d9", "score": 12.3}   JSON lines (`json_rows`)

--run-columns names the columns where no header does. A rank becomes a score: its negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rerank_cli.core.errors import ConfigError
from rerank_cli.formats.column_names import (
    DOCUMENT_IDS,
    DOCUMENT_NAMES,
    QUERY_IDS,
    QUERY_NAMES,
    RANK_NAMES,
    SCORE_NAMES,
    TAG_NAMES,
    normal,
    place_of,
)
from rerank_cli.formats.columns import (
    COMMAS,
    RunRow,
    check_ids,
    columns_of,
    is_run,
    rank_as_score,
    row_of_run,
    score_of,
    split_at,
    splits_of,
    unquoted,
)
from rerank_cli.formats.json_rows import JsonRows, object_in
from rerank_cli.formats.json_values import Malformed, number_of

NEEDED = ("qid", "docid", "score or rank")
KNOWN = ("qid", "docid", "rank", "score")
THREE = ("qid", "docid", "rank")  # of three columns that nothing names
NAME_COLUMNS = (
    "Name the columns: --run-columns qid,docid,score (higher is better) or --run-columns qid,docid,rank (1 is best)."
)


class RunLayout(Protocol):
    """How the lines of a run are read."""

    @property
    def header(self) -> bytes:
        """The line that names the columns; empty where none does."""

    def row(self, raw: bytes) -> RunRow:
        """What a line says. Raises Malformed."""


@dataclass(frozen=True, slots=True)
class Trec:
    """TREC's columns: `qid Q0 docid rank score tag`."""

    header: bytes = b""

    def row(self, raw: bytes) -> RunRow:
        """What a line says. Raises Malformed."""
        return row_of_run(raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedColumns:
    """Columns whose places are known. `guessed`: nothing names them, and the third is taken to be a rank."""

    width: int
    qid: int
    docid: int
    value: int
    is_rank: bool
    tag: int | None = None
    separator: str | None = None  # None: each line has its own
    quoted: bool = False
    header: bytes = b""
    guessed: bool = False

    def row(self, raw: bytes) -> RunRow:
        """What a line says. Raises Malformed."""
        columns = columns_of(raw) if self.separator is None else split_at(raw, self.separator)
        if len(columns) != self.width:
            raise Malformed(f"{len(columns)} columns, expected {self.width}")
        if self.quoted:
            columns = [unquoted(each) for each in columns]
        qid, docid, text = columns[self.qid], columns[self.docid], columns[self.value]
        check_ids(qid, docid)
        score = rank_as_score(text) if self.is_rank else score_of(text)
        return RunRow(qid, docid, score, "" if self.tag is None else columns[self.tag])


def layout_of_run(raw: bytes, named: Sequence[str] = ()) -> RunLayout:
    """The layout that a line of a run shows; `named` are the columns of --run-columns. Raises Malformed.

    `named` are those of a line with as many columns. A line that itself says what it is (TREC, a header, JSON) need
    not be: so runs of several layouts can be compared.
    """
    if (body := object_in(raw)) is not None:
        return JsonRows.of(body)
    splits = splits_of(raw)
    if (layout := _of_named(raw, splits, named)) is not None:
        return layout
    for separator, columns in reversed(splits):
        if (header := _of_header(raw, separator, columns)) is not None:
            return header
    columns = splits[0][1]
    if is_run(raw):
        return Trec()
    if named:
        raise Malformed(f"{len(columns)} columns, and --run-columns names {len(named)}")
    if len(columns) == len(THREE) and number_of(columns[2]) is not None:
        return _of_names(THREE, guessed=True)
    row_of_run(raw)  # raises
    return Trec()


def _of_named(raw: bytes, splits: list[tuple[str, list[str]]], named: Sequence[str]) -> NamedColumns | None:
    """The layout of a line with as many columns as are named; with commas between them where these alone show them."""
    wide = [split for split in splits if len(split[1]) == len(named)]
    for separator, columns in reversed(wide):
        if _names_ids(columns, named):
            return _of_names(named, header=raw, separator=COMMAS if separator == COMMAS else None)
    if any(separator != COMMAS for separator, _ in wide):
        return _of_names(named)
    layout = _of_names(named, separator=COMMAS) if wide else None
    if layout is None or is_run(raw) or number_of(wide[0][1][layout.value]) is None:
        return None
    return layout


def _of_names(
    names: Sequence[str], *, header: bytes = b"", separator: str | None = None, guessed: bool = False
) -> NamedColumns:
    is_rank = "score" not in names
    return NamedColumns(
        width=len(names),
        qid=names.index("qid"),
        docid=names.index("docid"),
        value=names.index("rank" if is_rank else "score"),
        is_rank=is_rank,
        separator=separator,
        header=header,
        guessed=guessed,
    )


def _names_ids(columns: Sequence[str], named: Sequence[str]) -> bool:
    """Whether the line is a header: names stand where the ids would be."""
    qid, docid = (normal(columns[named.index(name)]) for name in ("qid", "docid"))
    return qid in QUERY_NAMES and docid in DOCUMENT_NAMES


def _of_header(raw: bytes, separator: str, columns: list[str]) -> NamedColumns | None:
    """The layout that a header names; None for a line that is none. Raises Malformed where it names a column twice."""
    if any(number_of(unquoted(each)) is not None for each in columns):
        return None
    qid, docid = place_of(columns, QUERY_IDS, QUERY_NAMES), place_of(columns, DOCUMENT_IDS, DOCUMENT_NAMES)
    value = place_of(columns, SCORE_NAMES, RANK_NAMES)
    if qid is None or docid is None or value is None:
        return None
    return NamedColumns(
        width=len(columns),
        qid=qid,
        docid=docid,
        value=value,
        is_rank=place_of(columns, SCORE_NAMES) is None,
        tag=place_of(columns, TAG_NAMES),
        separator=separator,
        quoted=columns[qid] != unquoted(columns[qid]),
        header=raw,
    )


def read_run_columns(text: str | None) -> tuple[str, ...]:
    """The columns that --run-columns names. Raises ConfigError where it names too few, or one twice.

    >>> read_run_columns("qid, docid,_,score"), read_run_columns(None)
    (('qid', 'docid', '_', 'score'), ())
    """
    if text is None:
        return ()
    names = tuple([each.strip() for each in text.split(",")])
    for name in KNOWN:
        if names.count(name) > 1:
            raise ConfigError(f"--run-columns {text}: {name} stands twice", "Write _ for a column that does not count.")
    if "qid" not in names or "docid" not in names or not {"score", "rank"} & set(names):
        raise ConfigError(
            f"--run-columns {text}: names no {_missing(names)}",
            "Name the columns in their order, for example qid,docid,score or qid,_,docid,rank.",
        )
    return names


def _missing(names: Sequence[str]) -> str:
    return next(each for each in NEEDED if not set(each.split(" or ")) & set(names))
