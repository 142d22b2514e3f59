"""What a record format is: its records as native ones, and a ranking written into them.

A format knows JSON values and nothing of files, lines or limits: `per_line` reads them one a line, `per_group` several
lines a record. All else follows from four verbs. With two formats, `rerank convert` is
`to_lines(from_native(to_native(body)))`, and a ranking is written in another format as
`to_lines(with_ranking(from_native(to_native(body)), ranking))`.

The fields that a format computes win over fields of the same name in the record. What the written record has no place
for is counted in a `Dropped`, so that a conversion can report it.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import orjson

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import Request
from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import number_of, numbers_of, without

OUR_FIELDS = frozenset({"index", "score", "logit", "previous_score", "truncated", "chunk"})


class RecordFormat(Protocol):
    """A format of records, whatever lines they stand in. Classes of it are made as `Class(ReadConfig, WriteConfig)`.

    One whose texts keep their places says so: `in_place = True` (see the file of that name). One whose requests may
    have a query for each text has `pairs(body)`: a native record of one candidate for each pair, or None.
    """

    candidates_path: str  # where in a record its candidates are, for messages
    titled: bool  # whether a candidate's `title` is scored with its text
    needs_candidates: bool  # whether a record without candidates leaves no line

    def to_native(self, body: Any, dropped: Dropped | None = None) -> dict[str, Any]:
        """A record as a native one: `query`, and `candidates` that are strings or objects with a `text`.

        Raises Malformed with the place in the record as it was. Fields that the native format does not know ride along;
        those for which it has no place are counted in `dropped`.
        """

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> Any:
        """A record of this format from a native one. Raises Malformed when that lacks what this format must have.

        Fields for which this format has no place are counted in `dropped`.

        A format whose candidates then stand in another order has `order(record)`, their former places in the new order.
        """

    def with_ranking(self, body: Any, ranking: Ranking) -> Any:
        """What is written for a record of this format and its ranking."""

    def to_lines(self, value: Any) -> bytes:
        """The lines, newlines included, of a record or of what `with_ranking` gave."""


class RequestWriter:
    """Requests of a format, as they were read and with their ranking."""

    def __init__(self, record_format: RecordFormat) -> None:
        self.record_format = record_format

    def to_native(self, request: Request, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request that was read."""
        return self.record_format.to_native(request.body, dropped)

    def lines_of(self, request: Request) -> bytes:
        """The lines of a request as it was read."""
        return self.record_format.to_lines(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The lines of a ranked request."""
        return self.record_format.to_lines(self.record_format.with_ranking(request.body, ranking))


def refuse_no_text(write: WriteConfig, name: str, why: str) -> None:
    """Raises ConfigError where --no-text goes with the format `name`, whose candidates need their texts."""
    if write.no_text and write.format in ("same", name):
        raise ConfigError(f"--no-text: {name} {why}", "Write native records or a TREC run.")


def annotated(old: dict[str, Any], position: int, ranking: Ranking) -> dict[str, Any]:
    """A candidate with its place in a ranking: our fields replaced, everything else kept in its order."""
    index, logit = ranking.indices[position], ranking.logits[position]
    if OUR_FIELDS.isdisjoint(old):  # the common case, fast
        new = {"index": index, **old}
    else:
        new = {"index": index, **{name: value for name, value in old.items() if name not in OUR_FIELDS}}
    new["score"] = ranking.scores[position]
    new["logit"] = logit
    if "score" in old:
        new["previous_score"] = old["score"]
    if index in ranking.truncated:
        new["truncated"] = True
    if index in ranking.chunks:
        new["chunk"] = list(ranking.chunks[index])
    return new


def json_line(value: Any) -> bytes:
    """A JSON value as one line."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def scores_of(candidates: Sequence[dict[str, Any]], path: str = "$.candidates") -> tuple[str, list[float] | None]:
    """What orders candidates, one number each, and its field: `logit` where all have one, else `score`.

    None where no candidate has either. Raises Malformed when only some have one.
    """
    logits = [number_of(each.get("logit")) for each in candidates]
    if all(logit is not None for logit in logits):
        return "logit", [logit for logit in logits if logit is not None]
    found = numbers_of(candidates, "score", path)
    if found is None:
        numbers_of(candidates, "logit", path)  # only some: refused
    return "score", found


def without_old_logits(candidates: list[dict[str, Any]], dropped: Dropped | None, where: str) -> list[dict[str, Any]]:
    """The candidates of a format that orders them by `score`, without logits that order them otherwise.

    Such logits are of a former ranking, or not of a ranking at all; in a native record they would count first.
    """
    scored = [(number_of(each.get("score")), number_of(each.get("logit"))) for each in candidates]
    pairs = [(score, logit) for score, logit in scored if score is not None and logit is not None]
    if len(pairs) < len(candidates) or not disagree(pairs):
        return candidates
    if dropped is not None:
        dropped.note(["logit"] * len(candidates), where)
    return [without(each, "logit") for each in candidates]


def disagree(pairs: list[tuple[float, float]]) -> bool:
    """Whether the second numbers order any two pairs otherwise than the first ones do.

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
    """The candidates of a native record, bare strings as objects with a `text`."""
    return [{"text": each} if isinstance(each, str) else each for each in record["candidates"]]
