"""Judgements and results as an evaluator takes them: a relevance for each query and document, and ranked documents.

Judgements come as TREC qrels (`qid 0 docid relevance`), as BEIR's table (`query-id corpus-id score`, tabs, a header),
or as a field of the candidates. Results come as a TREC run, or in any format whose records and candidates have ids.
A document that is judged twice, and not alike, is an error in all of them.
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.ranking import as_float32
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.files.compression import PARQUET_MAGIC
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats import columns
from rerank_cli.formats.json_values import Malformed, parse_object
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.registry import open_format, read_entries

MAX_LINE_BYTES = 64 * 1024 * 1024
LOOK_AT_LINES = 100  # for a record among lines that cannot be read
OUR_TAG = "rerank"  # of runs whose scores are logits
MAX_RELEVANCE = 10_000  # evaluators make room for every grade up to the highest
QRELS_ADVICE = "One judgement a line: `qid 0 docid relevance` (TREC), or query-id, corpus-id and score (BEIR)."
RESULTS_ADVICE = "Records and candidates need ids. A TREC run is read as it is."
RUN_ADVICE = f"One document a line: {columns.RUN}."
TWICE_ADVICE = "Keep one of the two."

Qrels = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A query's documents, best first, with their scores; `before` is their former order, where the file tells it."""

    docids: tuple[str, ...]
    scores: "array[float]"
    before: tuple[str, ...] | None = None


@dataclass(slots=True)
class Results:
    """What a file of results holds, by query id. `scored`: its scores are logits, which can be compared with others."""

    name: str
    format: str = "trec"
    queries: dict[str, Ranked] = field(default_factory=dict)
    relevance: Qrels = field(default_factory=dict)  # of candidates that carry their judgement
    repeated: int = 0  # records whose query had come before: the first counts
    repeated_documents: int = 0  # within a query: the first counts
    cut: int = 0  # queries of which candidates were left out when they were ranked
    bad: int = 0
    scored: bool = True

    @property
    def has_before(self) -> bool:
        """Whether the former order of every query is known."""
        return bool(self.queries) and all(each.before is not None for each in self.queries.values())


def read_qrels(path: str) -> Qrels:
    """The judgements in a file. Raises InputError for a line that is none, and for two that contradict each other."""
    if is_parquet(path):
        raise InputError(f"{path}: is a parquet table, which cannot be read as judgements", QRELS_ADVICE)
    qrels: Qrels = {}
    iterations: set[str] = set()
    for line, row in _judgements(path):
        grade = columns.whole_number(row.grade)
        if grade is None:
            what = f"the relevance is {row.grade[:40]!r}, not an integer{columns.likeness(line.raw)}"
            raise InputError(f"{line.origin}: {what}", QRELS_ADVICE)
        if abs(grade) > MAX_RELEVANCE:
            raise InputError(f"{line.origin}: a relevance beyond {MAX_RELEVANCE:,}", QRELS_ADVICE)
        iterations.add(row.iteration)
        if qrels.setdefault(row.qid, {}).setdefault(row.docid, grade) != grade:
            subtopics = " (by subtopic? The second column differs in this file)" if len(iterations) > 1 else ""
            raise InputError(
                f"{line.origin}: {row.qid} {row.docid} was judged otherwise before{subtopics}", TWICE_ADVICE
            )
    return qrels


def _judgements(path: str) -> Iterator[tuple[Line, columns.Judgement]]:
    layout: columns.Layout | None = None
    for line in Inputs((path,)).lines(MAX_LINE_BYTES):
        if _says_nothing(line, QRELS_ADVICE):
            continue
        try:
            if layout is None:
                layout = columns.Layout.of(line.raw)
                if layout.header:
                    continue
            yield line, layout.row(line.raw)
        except Malformed as fault:
            raise InputError(f"{line.origin}: {fault.reason}", QRELS_ADVICE) from None


def _says_nothing(line: Line, advice: str) -> bool:
    """Whether a line is blank or a comment. Raises InputError for one that is too long."""
    if line.too_long:
        raise InputError(f"{line.origin}: the line is too long", advice)
    return not line.raw.strip() or columns.is_comment(line.raw)


def is_parquet(path: str) -> bool:
    """Whether a file is a parquet table, whose rows are read as JSON lines."""
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def read_results(path: str, relevance_field: str | None = "relevance") -> Results:
    """The results in a file, and what its candidates say of their relevance if a field is named.

    Raises InputError when they have no ids, or the file cannot be read.
    """
    inputs = Inputs((path,))
    if _holds_run(inputs):
        return _of_run(path, inputs)
    read = ReadConfig(inputs=(path,))
    format = open_format(read, WriteConfig(), inputs)
    found = Results(path, format.name, scored=False)
    first = ""
    for entry in read_entries(format, inputs, read, None):
        if isinstance(entry, Failure):
            found.bad, first = found.bad + 1, first or f"; {entry}{columns.likeness(entry.raw)}"
        elif not isinstance(entry, Blank):
            _take(found, entry, format.to_native(entry), relevance_field)
    if not found.queries:
        rows = ", a parquet table whose rows are no records" if is_parquet(path) else ""
        raise InputError(f"{path}: holds no results{rows}{first}", RESULTS_ADVICE)
    return found


def _holds_run(inputs: Inputs) -> bool:
    """Whether an input is to be read as a run: its first line is one of a run, or no line near it begins an object."""
    lines = islice(inputs.look_ahead(MAX_LINE_BYTES), LOOK_AT_LINES)
    some = [line.raw for line in lines if not columns.is_comment(line.raw)]
    if not some or _is_object(some[0]):
        return False
    return columns.is_run(some[0]) or not any(raw.lstrip().startswith(b"{") for raw in some)


def _is_object(raw: bytes) -> bool:
    try:
        parse_object(raw)
    except Malformed:
        return False
    return True


def _take(found: Results, entry: Request, record: dict[str, Any], relevance_field: str | None) -> None:
    qid = _id(record, f"{entry.origin}: the record")
    candidates = as_objects(record)
    docids = tuple([_id(each, f"{entry.origin}: candidate {place}") for place, each in enumerate(candidates)])
    if relevance_field is not None:
        _take_judgements(
            found, qid, f"{entry.origin}: the {relevance_field}", _judged(docids, candidates, relevance_field)
        )
    if qid in found.queries:
        found.repeated += 1
        return
    former = _former(docids, candidates)
    found.cut += former is None and any("index" in each for each in candidates)
    if len(set(docids)) < len(docids):
        former = None if former is None else tuple(dict.fromkeys(former))
        places = {docid: place for place, docid in reversed(list(enumerate(docids)))}
        found.repeated_documents += len(docids) - len(places)
        candidates = [candidates[place] for place in sorted(places.values())]
        docids = tuple([docids[place] for place in sorted(places.values())])
    logits: list[Any] = [each.get("logit", each.get("score")) for each in candidates]
    numbers = all(isinstance(logit, int | float) for logit in logits)
    falling = [float(place) for place in range(len(docids), 0, -1)]
    found.scored |= any("logit" in each for each in candidates)
    found.queries[qid] = Ranked(docids, array("d", logits if numbers else falling), former)


def _judged(docids: Iterable[str], candidates: list[dict[str, Any]], name: str) -> Iterator[tuple[str, Any]]:
    """Documents with the judgement that they carry, where they carry one."""
    for docid, each in zip(docids, candidates, strict=True):
        if each.get(name) is not None:
            yield docid, each[name]


def _take_judgements(found: Results, qid: str, what: str, judged: Iterable[tuple[str, Any]]) -> None:
    """Keep a query's judgements, of its first record that has some; all of them must agree. Raises InputError."""
    known = found.relevance.get(qid, {})
    here: dict[str, int] = {}
    for docid, value in judged:
        grade = _grade(value, f"{what} of {docid}")
        before = here.setdefault(docid, known.get(docid, grade))
        if before != grade:
            raise InputError(f"{what} of {docid} is {grade}, and {before} before that", TWICE_ADVICE)
    if here:
        found.relevance.setdefault(qid, here)


def _grade(value: Any, what: str) -> int:
    """A judgement in a candidate: a whole number, also as a string, or true (1) or false (0). Raises InputError."""
    number = columns.whole_number(value if isinstance(value, str) else repr(float(value)) if is_number(value) else "")
    if number is None:
        raise InputError(f"{what} is {value!r}, not a whole number", QRELS_ADVICE)
    if abs(number) > MAX_RELEVANCE:
        raise InputError(f"{what} is beyond {MAX_RELEVANCE:,}", QRELS_ADVICE)
    return number


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number, or true or false, which count as 1 and 0."""
    return isinstance(value, int | float)


def _former(docids: tuple[str, ...], candidates: list[dict[str, Any]]) -> tuple[str, ...] | None:
    """The order of the input, by `index`, where no candidate was left out."""
    places = [each.get("index") for each in candidates]
    if sorted(place for place in places if isinstance(place, int)) != list(range(len(docids))):
        return None
    by_place = dict(zip(places, docids, strict=True))
    return tuple([by_place[place] for place in range(len(docids))])


def _id(body: dict[str, Any], what: str) -> str:
    name = body.get("id")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise InputError(f"{what} has no id", RESULTS_ADVICE)
    return str(name)


def _of_run(path: str, inputs: Inputs) -> Results:
    """A TREC run, ordered as trec_eval does: by score as float32, then by docid, both falling; ranks are ignored.

    A line that comes twice counts once; a document with two scores is an error.
    """
    rows: dict[str, dict[str, float]] = {}
    found = Results(path)
    for line in inputs.lines(MAX_LINE_BYTES):
        if _says_nothing(line, RUN_ADVICE):
            continue
        row = _row(line)
        known = rows.setdefault(row.qid, {})
        if known.setdefault(row.docid, row.score) != row.score:
            raise InputError(f"{line.origin}: {row.qid} has {row.docid} twice, with other scores", TWICE_ADVICE)
        found.scored &= row.tag == OUR_TAG
        found.repeated_documents += 1
    for qid, scores in rows.items():
        order = sorted(scores, key=lambda docid: (as_float32(scores[docid]), docid), reverse=True)
        found.queries[qid] = Ranked(tuple(order), array("d", [scores[docid] for docid in order]))
        found.repeated_documents -= len(order)
    return found


def _row(line: Line) -> columns.RunRow:
    try:
        return columns.row_of_run(line.raw)
    except Malformed as fault:
        raise InputError(f"{line.origin}: {fault.reason}", RUN_ADVICE) from None


def texts_of(path: str, wanted: dict[str, set[str]]) -> dict[str, tuple[str, dict[str, str]]]:
    """The query and the texts of chosen documents, by query id, read from the file once more.

    {} for a TREC run, and for what cannot be read twice.
    """
    if not os.path.isfile(path):
        return {}
    inputs = Inputs((path,))
    if _holds_run(inputs):
        return {}
    read = ReadConfig(inputs=(path,))
    format = open_format(read, WriteConfig(), inputs)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for entry in read_entries(format, inputs, read, None):
        if not isinstance(entry, Request):
            continue
        record = format.to_native(entry)
        qid = str(record.get("id"))
        if qid in wanted and qid not in found:
            texts = {str(each.get("id")): str(each.get("text", "")) for each in as_objects(record)}
            found[qid] = record["query"], {docid: text for docid, text in texts.items() if docid in wanted[qid]}
    return found
