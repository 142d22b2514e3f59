"""Validate input without a model: what `rerank check` reports."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ExitStatus
from rerank_cli.core.records import Blank, Failure, Origin, Request
from rerank_cli.files.inputs import names_of
from rerank_cli.formats.field_hints import field_hint
from rerank_cli.formats.registry import open_format, open_inputs, read_entries
from rerank_cli.jobs.fingerprint import readable

FIRST_FAILURES = 10
KINDS = 10  # different errors that are shown
NEXT = 4  # further lines with the same error that are named
VARYING = re.compile(r" \(found .*\)|\d+")  # parts of a reason that differ between records with the same error


@dataclass(slots=True)
class ErrorKind:
    """Bad records with the same error: the first, the number of all, and the places of the next ones."""

    first: Failure
    count: int = 1
    following: list[Origin] = field(default_factory=list)

    @property
    def more(self) -> str:
        """How many more records have this error, and in which lines; "" for a single one."""
        if self.count == 1:
            return ""
        number = "1 more record" if self.count == 2 else f"{self.count - 1} more records"
        same = all(each.source == self.first.origin.source for each in self.following)
        places = ", ".join(str(each.line) if same else str(each) for each in self.following)
        line = f"{'line ' if self.count == 2 else 'lines '}" if same else ""
        return f"and {number} with the same error: {line}{places}{', …' if self.count - 1 > NEXT else ''}"


@dataclass(slots=True)
class Check:
    """Counts of the input, its first bad records, and its first good record as understood."""

    format: str
    records: int = 0
    good: int = 0
    bad: int = 0
    blank: int = 0
    passed_over: int = 0  # headers and comments
    candidates: int = 0
    empty_candidates: int = 0
    empty_texts: int = 0
    max_candidates: int = 0
    failures: list[Failure] = field(default_factory=list)
    kinds: dict[str, ErrorKind] = field(default_factory=dict)  # the first KINDS different errors
    first: Request | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what may give a wrong result
    parts: int = 0  # records that are later parts of a query

    @property
    def status(self) -> ExitStatus:
        """OK, or SOME_FAILED when a record is bad."""
        return ExitStatus.SOME_FAILED if self.bad else ExitStatus.OK

    def count(self, entry: Request | Failure | Blank) -> None:
        """Count one entry."""
        if isinstance(entry, Blank):
            self.blank += entry.empty
            self.passed_over += not entry.empty
            return
        self.records += 1
        if isinstance(entry, Failure):
            self.bad += 1
            self._count_bad(entry)
            return
        self.good += 1
        self.first = self.first or entry
        count = len(entry.texts)
        self.candidates += count
        self.empty_candidates += not count
        self.empty_texts += entry.texts.count("")
        self.max_candidates = max(self.max_candidates, count)

    def _count_bad(self, failure: Failure) -> None:
        if len(self.failures) < FIRST_FAILURES:
            self.failures.append(failure)
        key = VARYING.sub("", f"{failure.reason} {failure.path}")
        if kind := self.kinds.get(key):
            kind.count += 1
            if len(kind.following) < NEXT:
                kind.following.append(failure.origin)
        elif len(self.kinds) < KINDS:
            self.kinds[key] = ErrorKind(failure)

    def figures(self) -> Iterator[tuple[str, Any]]:
        """Names and values for the report."""
        yield "format", self.format
        yield "records", self.records
        yield "good", self.good
        yield "bad", self.bad
        yield "blank lines", self.blank
        if self.passed_over:
            yield "headers and comments", self.passed_over
        yield "candidates", self.candidates
        yield "most in one record", self.max_candidates
        yield "records without candidates", self.empty_candidates
        yield "empty texts", self.empty_texts
        if self.parts:
            yield "later parts of a query", self.parts

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values: counts, the first bad records with their places, and the exit code."""
        counts = ("records", "good", "bad", "blank", "passed_over", "candidates", "empty_candidates", "empty_texts")
        return {
            "format": self.format,
            **{name: getattr(self, name) for name in (*counts, "max_candidates", "parts")},
            "failures": [
                {"source": readable(bad.origin.source), "line": bad.origin.line, "reason": bad.reason, "path": bad.path}
                for bad in self.failures
            ],
            "notes": [readable(note) for note in self.notes],
            "warnings": [readable(warning) for warning in self.warnings],
            "status": int(self.status),
        }


def check_input(config: ReadConfig) -> Check:
    """Check an input. Raises InputError when it cannot be read."""
    inputs = open_inputs(config)
    format = open_format(config, WriteConfig(), inputs)
    check = Check(format.name)
    for entry in read_entries(format, inputs, config, None):
        check.count(entry)
    check.notes = [*inputs.notes, *format.notes]
    check.warnings, check.parts = [*format.warnings], format.parts
    if check.first is None and format.name == "native" and (hint := field_hint(check.failures, config)):
        check.notes += [f"{hint.option}: no such field"] if hint.option else []
        check.notes += [hint.advice] if hint.advice else []
    if not check.records and config.limit != 0:
        check.notes.append(f"{names_of(inputs)}: no records")
    return check
