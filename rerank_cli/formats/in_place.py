"""Formats of training data, whose texts keep their positions and get a score each.

The order of their texts shows judgements, not a ranking. So every text keeps its position and gets a score, and readers
of a ranking use the scores alone. Such a format has `in_place = True`.
"""

from collections.abc import Callable
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, note_rest
from rerank_cli.formats.json_values import Malformed, number_of, text_at, without
from rerank_cli.formats.record_format import annotated


def refuse_choice(name: str, read: ReadConfig, write: WriteConfig) -> None:
    """Raises ConfigError for options that would drop texts or scores of the format `name`."""
    mine = write.format == name or (write.format == "same" and read.format == name)
    typed = [] if write.top_k is None else [f"--top-k {write.top_k}"]
    typed += [] if write.min_score is None else [f"--min-score {write.min_score:g}"]
    typed += ["--no-text"] if write.no_text else []
    if mine and typed:
        raise ConfigError(
            f"{' '.join(typed)}: {name} records keep every text with its score",
            f"Leave {'them' if typed[1:] else 'it'} out, or write native records (--output-format native).",
        )


def field_of(body: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of these names with a value in the record; the first name if none has one.

    >>> field_of({"query_id": None, "id": 7}, ("query_id", "id")), field_of({}, ("query", "anchor"))
    ('id', 'query')
    """
    return next((name for name in names if body.get(name) is not None), names[0])


def query_at(body: dict[str, Any], field: str) -> str:
    """The query: a string, or a list of one string as in some MTEB sets. Raises Malformed."""
    value = body.get(field)
    if not isinstance(value, list) or not value:
        return text_at(body, field, "$")
    if len(value) > 1:
        reason = f"{len(value)} queries: write one record per query"
        raise Malformed(f"$.{field} has {reason}", f"$.{field}", content=True)
    return text_at({field: value[0]}, field, "$")


def parallel(body: dict[str, Any], field: str, count: int, fits: Callable[[Any], bool]) -> list[Any] | None:
    """A list with one fitting value for each of `count` texts; None if the record has no such list."""
    values = body.get(field)
    if not isinstance(values, list) or len(values) != count or not all(map(fits, values)):
        return None
    return values


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number, or a string with one."""
    return number_of(value) is not None


def relevance_of(candidate: dict[str, Any], index: int, name: str) -> float | None:
    """The judgement of a native candidate; None without one. Raises Malformed unless it is a number."""
    value = candidate.get("relevance")
    relevance = int(value) if isinstance(value, bool) else number_of(value)
    if relevance is None and value is not None:
        raise _no_relevance(index, name)
    return relevance


def relevances(candidates: list[dict[str, Any]], name: str) -> list[float]:
    """The judgement of every native candidate. Raises Malformed for the first without one."""
    grades = []
    for index, candidate in enumerate(candidates):
        relevance = relevance_of(candidate, index, name)
        if relevance is None:
            raise _no_relevance(index, name)
        grades.append(relevance)
    return grades


def _no_relevance(index: int, name: str) -> Malformed:
    path = f"$.candidates[{index}].relevance"
    return Malformed(f'{name} needs a "relevance" (a number)', path, content=True)


def positives_first(relevance: list[float]) -> list[int]:
    """The positions of relevant candidates, then those of the others.

    >>> positives_first([0, 2, 0, 1])
    [1, 3, 0, 2]
    """
    return sorted(range(len(relevance)), key=lambda index: relevance[index] <= 0)


def note_grades(relevance: list[float], dropped: Dropped | None) -> None:
    """Count judgements other than 0 and 1 as dropped, for a format that has only these."""
    for grade in relevance if dropped is not None else ():
        note_rest({"relevance grade": grade not in (0, 1) or None}, (), dropped, "candidates[].")


def logits_in_place(ranking: Ranking) -> list[float]:
    """The logits of all texts, in input order."""
    return [logit for _, logit in sorted(zip(ranking.indices, ranking.logits, strict=True))]


def scored_in_place(rows: list[dict[str, Any]], ranking: Ranking) -> list[dict[str, Any]]:
    """The objects in input order, each with `score`, `logit` and our other fields."""
    scored = list(rows)
    for position, index in enumerate(ranking.indices):
        scored[index] = without(annotated(rows[index], position, ranking, len(rows)), "index")
    return scored
