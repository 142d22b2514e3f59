"""Read judged records as examples, for training or measuring.

Judgements are the `relevance` of candidates, in the form of the records' format, or come from a file.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Blank, Failure
from rerank_cli.evaluation.judgements import MAX_RELEVANCE, Qrels
from rerank_cli.formats.id_hints import lacking_ids, without_ids
from rerank_cli.formats.json_values import Malformed, named_in, number_of
from rerank_cli.formats.record_format import are_staged, as_objects
from rerank_cli.formats.registry import open_format, open_inputs, read_entries
from rerank_cli.training.config import Fields
from rerank_cli.training.rows import Example

SHOWN = 60  # characters of a document in a message


class Name(NamedTuple):
    """The identity of a query or document: its id, or its text (`kind` "text") without one."""

    kind: str
    value: str

    @classmethod
    def of(cls, identity: Any, text: str) -> "Name":
        """The name for an id; for the text if the id is None."""
        return cls("text", text) if identity is None else cls("document", str(identity))

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= SHOWN else self.value[: SHOWN - 1] + "…"
        return f"the {self.kind} {shown!r}"


class OnlyRecord(NamedTuple):
    """The judgements of a query with one record so far: smaller than a dict."""

    documents: list[Name]
    relevance: tuple[float, ...]


class ReadExamples(NamedTuple):
    """The judged records of an input, and the number of records that could not be used."""

    examples: list[Example]
    left_out: int


def read_examples(read: ReadConfig, fields: Fields, report: Report, qrels: Qrels | None = None) -> ReadExamples:
    """Read the judged records of an input, judged by `qrels` if given. Raises InputError when there are none.

    A record that contradicts itself, or an earlier record of the same query, cannot be used.
    """
    examples: list[Example] = []
    left_out, first_reason = 0, ""
    for found in _examples_or_reasons(read, fields, qrels):
        if isinstance(found, Example):
            examples.append(found)
        else:
            left_out, first_reason = left_out + 1, first_reason or found
    if left_out:
        report(f"{left_out:,} records cannot be used and are skipped; the first: {first_reason}")
    if not examples:
        raise InputError(
            f"{', '.join(read.sources)}: no judged records",
            f"Add {fields.relevance!r} to the candidates, or use a format with judgements: `pos` and `neg`, "
            "`positive` and `negative`, `positive_passages` and `negative_passages`, `docs` and `labels`, MS MARCO's.",
        )
    return ReadExamples(examples, left_out)


def _examples_or_reasons(read: ReadConfig, fields: Fields, qrels: Qrels | None) -> Iterator[Example | str]:
    """Each record as an example, or the reason why it cannot be used."""
    inputs = open_inputs(read)
    format = open_format(read, WriteConfig(), inputs)
    judgements = _Judgements()
    for entry in read_entries(format, inputs, read, None):
        if isinstance(entry, Failure):
            yield str(entry)
        elif not isinstance(entry, Blank):
            try:
                record = format.to_native(entry)
            except Malformed as fault:
                yield f"{entry.origin}: {fault.reason} (at {fault.path})"
                continue
            if qrels is not None and (lacking := lacking_ids(record, read.candidates_field)):
                options = [option for _, option in lacking if option and format.name == "native"]
                why = f"; {' and '.join(options)} {'name them' if options[1:] else 'names it'}" if options else ""
                yield f"{entry.origin}: {without_ids(lacking)}, which its judgement needs{why}"
                continue
            elsewhere = () if qrels is None else _put_judgements(record, qrels, fields.relevance)
            candidates = as_objects(record)
            example = _example(entry.query, entry.texts, candidates, fields, elsewhere)
            if example is None:
                reason = f"candidates without a number {fields.relevance!r} (at most {MAX_RELEVANCE:,})"
            else:
                reason = judgements.contradiction(record.get("id"), candidates, example)
            yield f"{entry.origin}: {reason}" if example is None or reason else example


class _Judgements:
    """The judgements of the records so far, to find contradictions.

    Queries and documents are identified by their id, else by their text.
    """

    def __init__(self) -> None:
        self._queries: dict[Name, OnlyRecord | dict[Name, float]] = {}

    def contradiction(self, qid: Any, candidates: list[dict[str, Any]], example: Example) -> str:
        """The first contradiction of a record with itself or earlier records; "" if there is none."""
        query = Name.of(qid, example.query)
        documents = [Name.of(each.get("id"), text) for each, text in zip(candidates, example.texts, strict=True)]
        before = self._queries.get(query, {})
        known = dict(zip(*before, strict=True)) if isinstance(before, OnlyRecord) else before
        here: dict[Name, float] = {}
        for document, grade in zip(documents, example.relevance, strict=True):
            if here.setdefault(document, grade) != grade:
                return f"{document} is judged {here[document]:g} and {grade:g}"
            if known.get(document, grade) != grade:
                return f"{document} is judged {grade:g}, and {known[document]:g} in an earlier record of the same query"
        known.update(here)
        self._queries[query] = known if query in self._queries else OnlyRecord(documents, example.relevance)
        return ""


def _put_judgements(record: dict[str, Any], qrels: Qrels, field: str) -> tuple[float, ...]:
    """Add judgements to a record by its ids. Candidates without one are not relevant.

    Returns the grades of documents that are not candidates: an ideal ranking includes them.
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
    relevance = [_relevance(named_in(each, fields.relevance)) for each in candidates]
    if not texts or any(value is None for value in relevance):
        return None
    staged = are_staged(candidates)  # by several models, whose logits are not compared
    logits = [None if staged else _number(named_in(each, fields.teacher)) for each in candidates]
    teacher = None if any(value is None for value in logits) else tuple(value or 0.0 for value in logits)
    return Example(query, tuple(texts), tuple(value or 0.0 for value in relevance), teacher, elsewhere)


def _relevance(value: Any) -> float | None:
    """A judgement: a number (possibly in a string), or true (1) or false (0); None for anything else."""
    if isinstance(value, str):
        value = number_of(value)
    return _number(float(value)) if isinstance(value, bool) else _number(value)


def _number(value: Any) -> float | None:
    """A finite number in the range that can be trained on; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= MAX_RELEVANCE else None
