"""Judged records as examples, which a model learns from or is measured on.

Judgements stand in the candidates, or (`pos`, `neg`) in the record, or in a file of their own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Blank, Failure
from rerank_cli.evaluation.results import MAX_RELEVANCE, Qrels
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.json_values import number_of
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.registry import open_format, read_entries
from rerank_cli.training.config import Fields
from rerank_cli.training.rows import Example

SHOWN = 60  # characters of a document

Name = tuple[str, str]  # of a query or a document: what kind of name, and the name
Once = tuple[list[Name], tuple[float, ...]]  # the judgements of a query's only record, which take less room so


class ReadExamples(NamedTuple):
    """The judged records of an input, and how many records could not be used."""

    examples: list[Example]
    left_out: int


def read_examples(read: ReadConfig, fields: Fields, report: Report, qrels: Qrels | None = None) -> ReadExamples:
    """The judged records of an input, with `qrels` as they judge them. Raises InputError when there are none.

    A record that judges a document twice, or otherwise than a record of the same query before it, cannot be used.
    """
    inputs = Inputs(read.sources)
    format = open_format(read, WriteConfig(), inputs)
    found: list[Example] = []
    judged = _Judged()
    skipped, first = 0, ""
    for entry in read_entries(format, inputs, read, None):
        if isinstance(entry, Blank):
            continue
        if isinstance(entry, Failure):
            skipped, first = skipped + 1, first or str(entry)
            continue
        record = format.native(entry)
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
        found.append(example)
    if skipped:
        report(f"{skipped:,} records cannot be used and are left out; the first: {first}")
    if not found:
        raise InputError(
            f"{', '.join(read.sources)}: no judged records",
            f"Records need {fields.relevance!r} in their candidates, or `pos` and `neg`.",
        )
    return ReadExamples(found, skipped)


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
