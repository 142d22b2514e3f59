"""The layout of a run: detected from its first line, and used for every line.

    q1 Q0 d9 1 12.3 bm25                                   TREC
    query-id  corpus-id  score                             a table with a header
    qid,docid,score                                        the same as CSV
    q1  d9  1                                              three columns with a rank, as MS MARCO's (see `run_survey`)
    {"query-id": "q1", "corpus-id": "d9", "score": 12.3}   JSON lines (`json_rows`)

--run-columns names the columns if there is no header. A rank becomes a score: its negative.
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
    wrong_width,
)
from rerank_cli.formats.json_rows import JsonRows, object_in
from rerank_cli.formats.json_values import Malformed, number_of

NEEDED = ("qid", "docid", "score or rank")
KNOWN = ("qid", "docid", "rank", "score")
THREE = ("qid", "docid", "rank")  # of three columns without names
NAME_COLUMNS = (
    "Name the columns: --run-columns qid,docid,score (higher is better) or --run-columns qid,docid,rank (1 is best)."
)


class RunLayout(Protocol):
    """Parses the lines of a run."""

    @property
    def header(self) -> bytes:
        """The header line; empty without one."""

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
    """Columns with known positions. `guessed`: they have no names, and the third is read as a rank."""

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
            raise wrong_width(columns, str(self.width), self.width, raw, self.separator)
        if self.quoted:
            columns = [unquoted(each) for each in columns]
        qid, docid, text = columns[self.qid], columns[self.docid], columns[self.value]
        check_ids(qid, docid)
        score = rank_as_score(text) if self.is_rank else score_of(text)
        return RunRow(qid, docid, score, "" if self.tag is None else columns[self.tag])


def layout_of_run(raw: bytes, named: Sequence[str] = ()) -> RunLayout:
    """Detect the layout from a line of a run; `named` are the columns of --run-columns. Raises Malformed.

    `named` applies to lines with as many columns. It is ignored for TREC, a header or JSON, so that runs with different
    layouts can be compared.
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
    """The layout of a line with as many columns as names; split at commas only if no other split fits."""
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
    """Whether the line is a header: it has names in place of ids."""
    qid, docid = (normal(columns[named.index(name)]) for name in ("qid", "docid"))
    return qid in QUERY_NAMES and docid in DOCUMENT_NAMES


def _of_header(raw: bytes, separator: str, columns: list[str]) -> NamedColumns | None:
    """The layout of a header; None if the line is not one. Raises Malformed if it names a column twice."""
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
    """The columns of --run-columns. Raises ConfigError for too few or repeated names.

    >>> read_run_columns("qid, docid,_,score"), read_run_columns(None)
    (('qid', 'docid', '_', 'score'), ())
    """
    if text is None:
        return ()
    names = tuple([each.strip() for each in text.split(",")])
    for name in KNOWN:
        if names.count(name) > 1:
            raise ConfigError(f"--run-columns {text}: {name} occurs twice", "Write _ for a column to ignore.")
    if "qid" not in names or "docid" not in names or not {"score", "rank"} & set(names):
        raise ConfigError(
            f"--run-columns {text}: {_missing(names)} is missing",
            "Name the columns in their order, for example qid,docid,score or qid,_,docid,rank.",
        )
    return names


def _missing(names: Sequence[str]) -> str:
    return next(each for each in NEEDED if not set(each.split(" or ")) & set(names))
