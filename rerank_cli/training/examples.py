"""Judged records as examples: to learn from, or to be held out and measured.

Judgements stand in the candidates, or (`pos`, `neg`) in the record, or in a file of their own.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Blank, Failure
from rerank_cli.evaluation.results import MAX_RELEVANCE, Qrels, Ranked, Results, read_qrels
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.json_values import number_of
from rerank_cli.formats.registry import open_format, read_entries
from rerank_cli.formats.shape import as_objects
from rerank_cli.training.rows import Example

SHOWN = 60  # characters of a document

Name = tuple[str, str]  # of a query or a document: what kind of name, and the name
Once = tuple[list[Name], tuple[float, ...]]  # the judgements of a query's only record, which take less room so


@dataclass(frozen=True, slots=True)
class Fields:
    """Where in a candidate its judgement and a teacher's logit are."""

    relevance: str = "relevance"
    teacher: str = "logit"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Judged records that are not learnt from: texts by query id, and judgements of documents, named by place."""

    queries: dict[str, Example]
    left_out: int = 0  # records that could not be measured

    @property
    def qrels(self) -> Qrels:
        """Judgements, also of documents that are no candidates; the grades are whole numbers."""
        return {
            qid: {str(place): int(value) for place, value in enumerate((*example.relevance, *example.elsewhere))}
            for qid, example in self.queries.items()
        }

    def results(self, name: str, logits: Sequence[Sequence[float]]) -> Results:
        """The queries ranked by these logits, in their order; ties keep the order of the input."""
        found = Results(name)
        for (qid, example), values in zip(self.queries.items(), logits, strict=True):
            order = sorted(range(len(example.texts)), key=lambda place, by=values: -by[place])  # type: ignore[misc]
            found.queries[qid] = Ranked(tuple(map(str, order)), _floats(values[place] for place in order))
        return found


def _floats(values: Iterable[float]) -> "array[float]":
    return array("d", values)


def examples(
    read: ReadConfig, fields: Fields, report: Report, qrels: Qrels | None = None
) -> tuple[list[tuple[str, Example]], int]:
    """The judged records of an input with their ids, and how many records could not be used. Raises InputError.

    A record that judges a document twice, or otherwise than a record of the same query before it, cannot be used.
    """
    inputs = Inputs(read.sources)
    shape = open_format(read, WriteConfig(), inputs)
    found: list[tuple[str, Example]] = []
    judged = _Judged()
    skipped, first = 0, ""
    for entry in read_entries(shape, inputs, read, None):
        if isinstance(entry, Blank):
            continue
        if isinstance(entry, Failure):
            skipped, first = skipped + 1, first or str(entry)
            continue
        record = shape.native(entry)
        elsewhere = () if qrels is None else _judge(record, qrels, fields.relevance)
        candidates = as_objects(record)
        example = _example(entry.query, entry.texts, candidates, fields, elsewhere)
        if example is None:
            reason = f"candidates without a number {fields.relevance!r} (at most {MAX_RELEVANCE:,})"
        else:
            reason = judged.contradicted(record.get("id"), candidates, example)
        if example is None or reason:
            skipped, first = skipped + 1, first or f"{entry.origin}: {reason}"
            continue
        found.append((f"{len(found)}", example))
    if skipped:
        report(f"{skipped:,} records cannot be used and are left out; the first: {first}")
    if not found:
        raise InputError(
            f"{', '.join(read.sources)}: no judged records",
            f"Records need {fields.relevance!r} in their candidates, or `pos` and `neg`.",
        )
    return found, skipped


class _Judged:
    """Judgements of the records so far, to find those that contradict each other.

    A query is known by its id, else by its text, and a document likewise.
    """

    def __init__(self) -> None:
        self._queries: dict[Name, Once | dict[Name, float]] = {}

    def contradicted(self, qid: Any, candidates: list[dict[str, Any]], example: Example) -> str:
        """The first contradiction of a record, in itself or to those before it; "" where it is taken in."""
        query = _known_as(qid, example.query)
        documents = [_known_as(each.get("id"), text) for each, text in zip(candidates, example.texts, strict=True)]
        before = self._queries.get(query, {})
        known = dict(zip(*before, strict=True)) if isinstance(before, tuple) else before
        here: dict[Name, float] = {}
        for name, value in zip(documents, example.relevance, strict=True):
            if here.setdefault(name, value) != value:
                return f"{_shown(name)} is judged {here[name]:g} and {value:g}"
            if known.get(name, value) != value:
                return f"{_shown(name)} is judged {value:g}, and {known[name]:g} in a record of the same query before"
        known.update(here)
        self._queries[query] = known if query in self._queries else (documents, example.relevance)
        return ""


def _known_as(name: Any, text: str) -> Name:
    return ("text", text) if name is None else ("document", str(name))


def _shown(name: Name) -> str:
    kind, value = name
    return f"the {kind} {value if len(value) <= SHOWN else value[: SHOWN - 1] + '…'!r}"


def _judge(record: dict[str, Any], qrels: Qrels, field: str) -> tuple[float, ...]:
    """Put judgements into a record, by its id and those of its candidates; what is not judged is not relevant.

    Returns the grades of documents that are no candidates: the best ranking has them.
    """
    judged = qrels.get(str(record.get("id")))
    here = {str(each.get("id")) for each in as_objects(record)}
    record["candidates"] = [
        {**each, field: None if judged is None else judged.get(str(each.get("id")), 0)} for each in as_objects(record)
    ]
    return tuple(float(grade) for name, grade in (judged or {}).items() if name not in here)


def _example(
    query: str, texts: Sequence[str], candidates: list[dict[str, Any]], fields: Fields, elsewhere: tuple[float, ...]
) -> Example | None:
    relevance = [_relevance(each.get(fields.relevance)) for each in candidates]
    if not texts or any(value is None for value in relevance):
        return None
    teacher = [_number(each.get(fields.teacher)) for each in candidates]
    known = None if any(value is None for value in teacher) else tuple(value or 0.0 for value in teacher)
    return Example(query, tuple(texts), tuple(value or 0.0 for value in relevance), known, elsewhere)


def _relevance(value: Any) -> float | None:
    """A judgement: a number, also as a string, or true (1) or false (0); None for anything else."""
    if isinstance(value, str):
        value = number_of(value)
    return _number(float(value)) if isinstance(value, bool) else _number(value)


def _number(value: Any) -> float | None:
    """A finite number of a size that can be learnt; None for anything else."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and abs(value) <= MAX_RELEVANCE else None


def held_out(read: ReadConfig, fields: Fields, report: Report, qrels: str | None) -> HeldOut:
    """The held-out queries that can be measured: with `qrels` all that are judged, as `rerank eval` has them.

    Raises InputError when there are none.
    """
    records, skipped = examples(read, fields, report, read_qrels(qrels) if qrels else None)
    found = {qid: each for qid, each in records if qrels or (each.positives and len(each.texts) > 1)}
    if less := len(records) - len(found):
        report(f"{less:,} records of --eval have no relevant text, or no other one, and are not measured")
    for example in found.values():
        if odd := next((value for value in example.relevance if value != int(value)), None):
            raise InputError(f"--eval: a relevance is {odd}, not a whole number", "Measures are defined for grades.")
    if not any(max(0, *each.relevance, *each.elsewhere) for each in found.values()):
        raise InputError("--eval: no record with a relevant text and another one", "Nothing could be measured.")
    return HeldOut(found, skipped + less)
