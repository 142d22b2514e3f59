"""Judgements and results as an evaluator takes them: a relevance for each query and document, and ranked documents.

Judgements come as TREC qrels (`qid 0 docid relevance`), as BEIR's table (`query-id corpus-id score`, tabs, a header),
or as a field of the candidates. Results come as a TREC run, or in any shape whose records and candidates have ids.
"""

import math
import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import InputError
from rerank_cli.formats import open_format, read_entries
from rerank_cli.formats.shape import as_objects
from rerank_cli.formats.streams import Inputs, Line
from rerank_cli.records import Blank, Failure, Request

MAX_LINE_BYTES = 64 * 1024 * 1024
RUN_COLUMNS = 6
OUR_TAG = "rerank"  # of runs whose scores are logits
MAX_RELEVANCE = 10_000  # evaluators make room for every grade up to the highest
QRELS_ADVICE = "One judgement a line: `qid 0 docid relevance` (TREC), or query-id, corpus-id and score (BEIR)."
RESULTS_ADVICE = "Records and candidates need ids. A TREC run is read as it is."

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
    shape: str = "trec"
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
    qrels: Qrels = {}
    for line in _lines(path):
        columns = line.raw.decode("utf-8", "replace").replace("\t", " ").split()
        if line.origin.line == 1 and columns and columns[0].lower() in ("query-id", "query_id", "qid"):
            continue
        if len(columns) == 3:
            qid, docid, value = columns
        elif len(columns) == 4:
            qid, _, docid, value = columns
        else:
            raise InputError(f"{line.origin}: {len(columns)} columns, not 3 or 4", QRELS_ADVICE)
        try:
            relevance = int(value)
        except ValueError:
            raise InputError(f"{line.origin}: the relevance is {value[:40]!r}, not an integer", QRELS_ADVICE) from None
        if abs(relevance) > MAX_RELEVANCE:
            raise InputError(f"{line.origin}: a relevance beyond {MAX_RELEVANCE:,}", QRELS_ADVICE)
        if qrels.setdefault(qid, {}).setdefault(docid, relevance) != relevance:
            raise InputError(f"{line.origin}: {qid} {docid} was judged otherwise before", "Keep one of the two.")
    return qrels


def read_results(path: str, relevance_field: str = "relevance") -> Results:
    """The results in a file. Raises InputError when they have no ids, or the file cannot be read."""
    inputs = Inputs((path,))
    first = next(inputs.look_ahead(MAX_LINE_BYTES), None)
    if first is not None and _is_run(first.raw):
        return _of_run(path, inputs)
    read = ReadConfig((path,))
    shape = open_format(read, WriteConfig(), inputs)
    found = Results(path, shape.name, scored=False)
    for entry in read_entries(shape, inputs, read, None):
        if isinstance(entry, Failure):
            found.bad += 1
        elif not isinstance(entry, Blank):
            _take(found, entry, shape.native(entry), relevance_field)
    if not found.queries:
        raise InputError(f"{path}: holds no results", RESULTS_ADVICE)
    return found


def _take(found: Results, entry: Request, record: dict[str, Any], relevance_field: str) -> None:
    qid = _id(record, f"{entry.origin}: the record")
    candidates = as_objects(record)
    docids = tuple([_id(each, f"{entry.origin}: candidate {place}") for place, each in enumerate(candidates)])
    judged = {
        docid: _grade(each[relevance_field], f"{entry.origin}: the {relevance_field} of {docid}")
        for docid, each in zip(docids, candidates, strict=True)
        if each.get(relevance_field) is not None
    }
    if judged:
        found.relevance.setdefault(qid, judged)
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


def _grade(value: Any, what: str) -> int:
    """A judgement in a candidate. Raises InputError for one that is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise InputError(f"{what} is {value!r}, not a whole number", QRELS_ADVICE)
    if abs(value) > MAX_RELEVANCE:
        raise InputError(f"{what} is beyond {MAX_RELEVANCE:,}", QRELS_ADVICE)
    return int(value)


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


def _is_run(raw: bytes) -> bool:
    columns = raw.split()
    return len(columns) == RUN_COLUMNS and not raw.lstrip().startswith(b"{")


def _of_run(path: str, inputs: Inputs) -> Results:
    """A TREC run, ordered as trec_eval does: by score as float32, then by docid, both falling; ranks are ignored."""
    rows: dict[str, dict[str, float]] = {}
    found = Results(path)
    for line in inputs.lines(MAX_LINE_BYTES):
        if not line.raw.strip():
            continue
        try:
            qid, _, docid, _, score, tag = line.raw.decode("utf-8").split()
            value = float(score)
            if not math.isfinite(value):
                raise ValueError
        except ValueError:
            raise InputError(f"{line.origin}: not a line of a TREC run", "qid Q0 docid rank score tag") from None
        if docid in rows.setdefault(qid, {}):
            raise InputError(f"{line.origin}: {qid} has {docid} twice", "Keep one of the two.")
        rows[qid][docid] = value
        found.scored &= tag == OUR_TAG
    for qid, scores in rows.items():
        order = sorted(scores, key=lambda docid: (as_float32(scores[docid]), docid), reverse=True)
        found.queries[qid] = Ranked(tuple(order), array("d", [scores[docid] for docid in order]))
    return found


def as_float32(value: float) -> float:
    """The nearest float32, infinite beyond its range."""
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return float(rounded)


def texts_of(path: str, wanted: dict[str, set[str]]) -> dict[str, tuple[str, dict[str, str]]]:
    """The query and the texts of chosen documents, by query id, read from the file once more.

    {} for a TREC run, and for what cannot be read twice.
    """
    if not os.path.isfile(path):
        return {}
    inputs = Inputs((path,))
    first = next(inputs.look_ahead(MAX_LINE_BYTES), None)
    if first is None or _is_run(first.raw):
        return {}
    read = ReadConfig((path,))
    shape = open_format(read, WriteConfig(), inputs)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for entry in read_entries(shape, inputs, read, None):
        if not isinstance(entry, Request):
            continue
        record = shape.native(entry)
        qid = str(record.get("id"))
        if qid in wanted and qid not in found:
            texts = {str(each.get("id")): str(each.get("text", "")) for each in as_objects(record)}
            found[qid] = record["query"], {docid: text for docid, text in texts.items() if docid in wanted[qid]}
    return found


def _lines(path: str) -> Iterator[Line]:
    for line in Inputs((path,)).lines(MAX_LINE_BYTES):
        if line.too_long:
            raise InputError(f"{line.origin}: the line is too long", QRELS_ADVICE)
        if line.raw.strip():
            yield line
