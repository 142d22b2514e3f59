"""Read judgements: a grade for each query and document.

They are in a file (`formats.judgement_layouts`), or in a field of the candidates. A document with two different
judgements is an error.
"""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.column_files import lines_with_columns, refused
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats import columns
from rerank_cli.formats.json_values import Malformed, named_in, number_of
from rerank_cli.formats.judgement_layouts import Counting, JudgementLayout, layout_of_judgements
from rerank_cli.formats.kinds import RANKING, STDIN, refuse_misplaced

MAX_RELEVANCE = 10_000  # evaluators allocate memory for every grade up to the highest
QRELS_ADVICE = (
    "Expected one judgement per line: `qid 0 docid relevance` (TREC), or query-id, corpus-id and score (BEIR; also as "
    "JSON lines), or one JSON object {qid: {docid: relevance}}."
)
BEIR_QRELS = re.compile(r"qrels|(?:test|dev|train)[^/]*\.tsv(?:\.gz)?$")  # the name of a file in a folder
TWICE_ADVICE = "Keep one of the two."

Qrels = dict[str, dict[str, int]]


def read_qrels(path: str) -> Qrels:
    """Read the judgements in a file. Raises InputError for a bad line, and for contradictory judgements."""
    if os.path.isdir(path):
        raise InputError(f"{path}: is a folder, not a file of judgements", _way_into(path))
    qrels: Qrels = {}
    iterations: set[str] = set()
    for line, row in _rows(path):
        grade = columns.whole_number(row.grade)
        if grade is None:
            raise _no_grade(line, row.grade)
        if abs(grade) > MAX_RELEVANCE:
            raise InputError(f"{line.origin}: a relevance beyond {MAX_RELEVANCE:,}", QRELS_ADVICE)
        iterations.add(row.iteration)
        if qrels.setdefault(row.qid, {}).setdefault(row.docid, grade) != grade:
            subtopics = "; the second column differs, as in judgements by subtopic" if len(iterations) > 1 else ""
            raise InputError(
                f"{line.origin}: {row.qid} {row.docid} has another judgement in an earlier line{subtopics}",
                TWICE_ADVICE,
            )
    if not qrels:
        raise InputError(f"{path}: no judgements", QRELS_ADVICE)
    return qrels


def _way_into(folder: str) -> str:
    """Which file of a folder has judgements, as BEIR's folders have them: advice."""
    inside = [*sorted(Path(folder).glob("*")), *sorted(Path(folder, "qrels").glob("*"))]
    found = [str(path) for path in inside if BEIR_QRELS.match(path.name) and path.is_file()]
    if not found:
        return "Name the file of judgements in it."
    best = next((path for path in found if os.path.basename(path).startswith("test.")), found[0])
    others = f" (there {'is' if len(found) == 2 else 'are'} also {', '.join(each for each in found if each != best)})"
    return f"BEIR's judgements are in a file of it: --qrels {shlex.quote(best)}{others if found[1:] else ''}."


def _no_grade(line: Line, text: str) -> InputError:
    likeness = "" if line.raw.lstrip().startswith(b"{") else columns.likeness(line.raw)
    is_score = number_of(text) is not None
    advice = "For the scores of a run, use rerank eval RUN --qrels QRELS." if is_score else QRELS_ADVICE
    return InputError(f"{line.origin}: the relevance is {text[:40]!r}, not an integer{likeness}", advice)


def _rows(path: str) -> Iterator[tuple[Line, columns.Judgement]]:
    """Each line of a file of judgements with its judgement; the first line shows the layout.

    Raises ConfigError at the end if the lines are a ranking in three columns.
    """
    layout: JudgementLayout | None = None
    counting = Counting()
    for line in lines_with_columns(Inputs((path,), scores=True), QRELS_ADVICE):
        try:
            layout = layout or _layout_by(line)
            if line.raw == layout.header:
                continue
            row = layout.judgement(line.raw)
        except Malformed as fault:
            raise refused(line, fault, QRELS_ADVICE) from None
        counting.see(layout, row)
        yield line, row
    if counting:
        raise RANKING.refusal(STDIN if path == "-" else path, "judgements")


def _layout_by(first: Line) -> JudgementLayout:
    """Detect the layout from the first line. Raises Malformed, and ConfigError for a run, records or texts."""
    try:
        return layout_of_judgements(first.raw)
    except Malformed:
        refuse_misplaced([first.raw], first.origin.source, "judgements")
        raise


def carried_judgements(
    docids: Iterable[str], candidates: list[dict[str, Any]], field: str
) -> Iterator[tuple[str, Any]]:
    """Documents with the judgement in this field of their candidate, if it has one; the field may be a dotted path."""
    for docid, candidate in zip(docids, candidates, strict=True):
        if (grade := named_in(candidate, field)) is not None:
            yield docid, grade


def add_judgements(qrels: Qrels, qid: str, what: str, judgements: Iterable[tuple[str, Any]]) -> None:
    """Add the judgements of a query. They must agree with those of earlier records. Raises InputError."""
    known = qrels.get(qid, {})
    here: dict[str, int] = {}
    for docid, value in judgements:
        grade = _grade(value, f"{what} of {docid}")
        before = here.setdefault(docid, known.get(docid, grade))
        if before != grade:
            raise InputError(f"{what} of {docid} is {grade}, and {before} in an earlier line", TWICE_ADVICE)
    if here:
        qrels.setdefault(qid, here)


def _grade(value: Any, what: str) -> int:
    """A judgement in a candidate: an integer (possibly in a string), or true (1) or false (0). Raises InputError."""
    text = value if isinstance(value, str) else ""
    if is_number(value):
        text = repr(float(value))
    number = columns.whole_number(text)
    if number is None:
        raise InputError(f"{what} is {value!r}, not an integer", QRELS_ADVICE)
    if abs(number) > MAX_RELEVANCE:
        raise InputError(f"{what} is beyond {MAX_RELEVANCE:,}", QRELS_ADVICE)
    return number


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number, true or false."""
    return isinstance(value, int | float)
