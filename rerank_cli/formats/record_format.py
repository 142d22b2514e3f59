"""The contract of a record format: conversion to and from native records, and writing a ranking.

A format knows JSON values, but no files, lines or limits. `per_line` reads one record per line, `per_group` several
lines per record. Everything else is composed of four methods: `rerank convert` is
`to_lines(from_native(to_native(body)))`, and a ranking is written in another format as
`to_lines(with_ranking(from_native(to_native(body)), ranking))`.

Fields that a format computes replace user fields of the same name. Fields that the written record cannot hold are
counted in a `Dropped`, so that a conversion can report them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import Request
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import Malformed, number_of, numbers_of, without

COUNT = "num_candidates"  # how many candidates the input had, where some are left out
STAGE, STAGE_SCORES = "stage", "stage_scores"  # of a cascade: only both together are ours
GIVEN = "previous_score"  # the stage that is the score of the input
FIRST_STAGE = "stage_1_score"  # in tables, which have a column a stage
OUR_FIELDS = frozenset({"index", "score", "logit", "previous_score", "truncated", "chunk", COUNT, STAGE_SCORES})


class RecordFormat(ABC):
    """A format of records. Its classes extend this one and are constructed as `Class(ReadConfig, WriteConfig)`.

    The first four methods are required, the others have defaults.
    """

    candidates_path: str  # path of the candidates in a record, for messages
    titled: bool  # whether a candidate's `title` is scored with its text
    needs_candidates: bool  # whether a record without candidates has no line
    staged: bool = False  # whether a candidate can say which stage of a cascade scored it
    keeps_fields: bool = False  # whether a converted candidate keeps all of its fields
    fuses: bool = True  # whether a candidate's only score is our `score`, not the logit
    in_place: bool = False  # whether texts keep their positions, which are not ranks (`formats/in_place.py`)

    @abstractmethod
    def to_native(self, body: Any, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: `query`, and `candidates` that are strings or objects with a `text`.

        Raises Malformed with the path in the original record. Other fields are kept; those that a native record cannot
        hold are counted in `dropped`.
        """

    @abstractmethod
    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> Any:
        """A record of this format from a native one. Raises Malformed if it lacks a required field.

        Fields that this format cannot hold are counted in `dropped`.
        """

    @abstractmethod
    def with_ranking(self, body: Any, ranking: Ranking) -> Any:
        """The value to write for a record of this format and its ranking."""

    @abstractmethod
    def to_lines(self, value: Any) -> bytes:
        """The lines, newlines included, of a record or of a value of `with_ranking`."""

    @property
    def header(self) -> bytes:
        """The first line of an output with its newline; empty without one."""
        return b""

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the records read so far."""
        return []

    @property
    def first_notes(self) -> list[str]:
        """The notes that later records do not change."""
        return []

    @property
    def unmatched(self) -> str:
        """How to match answers with requests when some failed, if an answer was written without an id; else ""."""
        return ""

    def refuses_cut(self, body: Any) -> bool:
        """Whether a record forbids truncation: longer texts are errors."""
        return False

    def top(self, body: Any) -> int | None:
        """The number of results that a record asks for; None for all."""
        return None

    def pairs(self, body: Any) -> list[dict[str, Any]] | None:
        """One native record with one candidate per pair, for a record with a query for each text; else None."""
        return None

    def order(self, record: dict[str, Any]) -> list[int] | None:
        """The previous positions of a native record's candidates in the order of this format; None if unchanged."""
        return None


class RequestWriter:
    """Writes the requests of a format, with or without a ranking."""

    def __init__(self, record_format: RecordFormat) -> None:
        self.record_format = record_format

    @property
    def warnings(self) -> list[str]:
        """Sentences on what may give a wrong result."""
        return []

    @property
    def unmatched(self) -> str:
        """How to match answers with requests when some failed; "" if each has an id."""
        return self.record_format.unmatched

    @property
    def parts(self) -> int:
        """Records that are later parts of a query."""
        return 0

    def to_native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        return self.record_format.to_native(request.body, dropped)

    def lines_of(self, request: Request) -> bytes:
        """The lines of a request, without a ranking."""
        return self.record_format.to_lines(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The lines of a ranked request."""
        return self.record_format.to_lines(self.record_format.with_ranking(request.body, ranking))


def refuse_no_text(write: WriteConfig, name: str, why: str) -> None:
    """Raises ConfigError for --no-text with the format `name`, whose candidates need their texts."""
    if write.no_text and write.format in ("same", name):
        raise ConfigError(f"--no-text: {name} {why}", "Write native records or a TREC run.")


def annotated(old: dict[str, Any], position: int, ranking: Ranking, count: int) -> dict[str, Any]:
    """A candidate with its ranking: our fields are replaced, the others keep their order.

    `count` is the number of candidates in the input. It is written where some are left out: the positions 1, 0, 2 alone
    do not show that there were more than three.
    """
    index, logit = ranking.indices[position], ranking.logits[position]
    if OUR_FIELDS.isdisjoint(old):  # the common case, fast
        new = {"index": index, **old}
    else:
        ours = OUR_FIELDS | {STAGE} if STAGE_SCORES in old or ranking.stages else OUR_FIELDS
        new = {"index": index, **{name: value for name, value in old.items() if name not in ours}}
    new["score"] = ranking.scores[position]
    if ranking.has_logits and index not in ranking.without_logit:
        new["logit"] = logit
    if ranking.stages:
        new[STAGE], new[STAGE_SCORES] = ranking.stages[position], list(ranking.stage_scores[position])
    if "score" in old:
        new["previous_score"] = old["score"]
    if index in ranking.truncated:
        new["truncated"] = True
    if index in ranking.chunks:
        new["chunk"] = list(ranking.chunks[index])
    if len(ranking.indices) < count:
        new[COUNT] = count
    return new


def json_line(value: Any) -> bytes:
    """A JSON value as one line."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def scores_of(candidates: Sequence[dict[str, Any]], path: str = "$.candidates") -> tuple[str, list[float] | None]:
    """The field that orders the candidates, and its values: `logit` if all have one, else `score`.

    The values are None if no candidate has either. Candidates of a cascade are in its order: scores of two stages are
    not compared. Raises Malformed when only some have one.
    """
    if are_staged(candidates):
        return "score", [float(-place) for place in range(len(candidates))]
    logits = [number_of(each.get("logit")) for each in candidates]
    if all(logit is not None for logit in logits):
        return "logit", [logit for logit in logits if logit is not None]
    scores = numbers_of(candidates, "score", path)
    if scores is None:
        numbers_of(candidates, "logit", path)  # raises if only some have one
    return "score", scores


def are_staged(candidates: Sequence[dict[str, Any]]) -> bool:
    """Whether candidates were written by a cascade.

    >>> are_staged([{"stage": 2, "stage_scores": [0.5, 0.9]}]), are_staged([{"stage": 2}]), are_staged([])
    (True, False, False)
    """
    return bool(candidates) and all(
        STAGE in each and (type(each.get(STAGE_SCORES)) is list or FIRST_STAGE in each) for each in candidates
    )


def without_stages(record: dict[str, Any]) -> dict[str, Any]:
    """A native record without the scores of a cascade, for a format that cannot say of which stage they are.

    Its candidates are in the order of the cascade.
    """
    candidates = as_objects(record)
    if not are_staged(candidates):
        return record
    return {**record, "candidates": [without(without(each, "score"), "logit") for each in candidates]}


def given_scores(record: dict[str, Any], path: str) -> tuple[float, ...]:
    """The score that each candidate of a native record, at `path`, has: `score`, or `logit` where none has that.

    Raises Malformed where a candidate has none.
    """
    candidates = as_objects(record)
    if not candidates:
        return ()
    if are_staged(candidates):
        reason = f"{GIVEN}: the scores are of several stages, which are not compared"
        raise Malformed(reason, f"{path}[0].{STAGE_SCORES}", content=True)
    values: Sequence[float] | None
    try:
        values = numbers_of(candidates, "score", path) or numbers_of(candidates, "logit", path)
    except Malformed as fault:
        raise Malformed(f"{GIVEN}: {fault.reason}", fault.path, content=True) from None
    if values is None:
        raise Malformed(f'{GIVEN}: the candidates have no "score"', f"{path}[0].score", content=True)
    return tuple([float(value) for value in values])


def without_old_logits(candidates: list[dict[str, Any]], dropped: Dropped | None, where: str) -> list[dict[str, Any]]:
    """The candidates of a format that orders them by `score`, without logits that disagree with that order.

    Such logits are of a previous ranking or not of a ranking; in a native record they would take precedence.
    """
    scored = [(number_of(each.get("score")), number_of(each.get("logit"))) for each in candidates]
    pairs = [(score, logit) for score, logit in scored if score is not None and logit is not None]
    if len(pairs) < len(candidates) or not disagree(pairs):
        return candidates
    if dropped is not None:
        dropped.note(["logit"] * len(candidates), where)
    return [without(each, "logit") for each in candidates]


def disagree(pairs: list[tuple[float, float]]) -> bool:
    """Whether the second numbers order any two pairs differently than the first numbers.

    >>> disagree([(1, 5), (1, 2), (3, 5)]), disagree([(1, 5), (1, 2), (3, 4)])
    (False, True)
    """
    lowest: dict[float, float] = {}
    highest: dict[float, float] = {}
    for score, logit in pairs:
        lowest[score] = min(logit, lowest.get(score, logit))
        highest[score] = max(logit, highest.get(score, logit))
    scores = sorted(lowest)
    return any(highest[before] > lowest[after] for before, after in pairwise(scores))


def as_objects(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The candidates of a native record, with bare strings as objects with a `text`."""
    return [{"text": each} if isinstance(each, str) else each for each in record["candidates"]]
