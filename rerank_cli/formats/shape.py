"""What a record shape is: its records as native ones, and a ranking written into them.

A shape knows JSON values and nothing of files, lines or limits: `lines` reads them one a line, `groups` several lines a
record. All else follows from four verbs. With two shapes, `rerank convert` is `dumped(made(native(body)))`, and a
ranking is written in another shape as `dumped(ranked(made(native(body)), ranking))`.

The fields that a shape computes win over fields of the same name in the record. What has no place in the record written
is counted in a `Dropped`, so that a conversion can report it.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import orjson

from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped

BLANKS = " \t\n\v\f\r"  # what C's isspace knows
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
OUR_FIELDS = frozenset({"index", "score", "logit", "previous_score", "truncated", "chunk"})
KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class Malformed(Exception):
    """A record cannot be used: the reason, and the JSON path of the place.

    `content`: the record is of this shape, and the fault lies in what it holds, so no other format would read it.
    """

    def __init__(self, reason: str, path: str = "$", *, content: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.content = content


class Shape(Protocol):
    """One record shape. Made from what is read and what is to be written: Shape(ReadConfig, WriteConfig)."""

    candidates_path: str  # where in a record its candidates are, for messages
    titled: bool  # whether a candidate's `title` is scored with its text
    needs_candidates: bool  # whether a record without candidates leaves no line

    def native(self, body: Any, dropped: Dropped | None = None) -> dict[str, Any]:
        """A record as a native one: `query`, and `candidates` that are strings or objects with a `text`.

        Raises Malformed with the place in the record as it was. Fields that the native shape does not know ride along;
        those for which it has no place are counted in `dropped`.
        """

    def made(self, record: dict[str, Any], dropped: Dropped | None = None) -> Any:
        """A record of this shape from a native one. Raises Malformed when that lacks what this shape must have.

        Fields for which this shape has no place are counted in `dropped`.

        A shape whose candidates then stand in another order has `order(record)`, their former places in the new order.
        """

    def ranked(self, body: Any, ranking: Ranking) -> Any:
        """What is written for a record of this shape and its ranking."""

    def dumped(self, value: Any) -> bytes:
        """The lines, newlines included, of a record or of what `ranked` gave."""


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


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return KINDS.get(type(value), "a number")


def value_at(body: dict[str, Any], field: str, place: str) -> Any:
    """The value at a dotted path below `body`, which stands at JSON path `place`. Raises Malformed."""
    value: Any = body
    for name in field.split("."):
        if not isinstance(value, dict):
            raise Malformed(f"{place} is {kind(value)}, not an object", place)
        if name not in value:
            found = ", ".join(f'"{key[:40]}"' for key in list(value)[:8]) or "nothing"
            raise Malformed(f'no field "{name}" (found {found})', f"{place}.{name}")
        value = value[name]
        place = f"{place}.{name}"
    return value


def text_at(body: dict[str, Any], field: str, place: str) -> str:
    """The string at a dotted path. Raises Malformed."""
    value = value_at(body, field, place)
    if not isinstance(value, str):
        way = f"; --query-field {field}.text reads its text" if field == "query" and "text" in as_dict(value) else ""
        raise Malformed(f"{place}.{field} is {kind(value)}, not a string{way}", f"{place}.{field}")
    return value


def as_dict(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_at(body: dict[str, Any], field: str, place: str) -> list[Any]:
    """The list at a dotted path. Raises Malformed."""
    value = value_at(body, field, place)
    if not isinstance(value, list):
        raise Malformed(f"{place}.{field} is {kind(value)}, not a list", f"{place}.{field}")
    return value


def object_at(value: Any, place: str) -> dict[str, Any]:
    """`value`, which stands at `place`, if it is an object. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{place} is {kind(value)}, not an object", place)
    return value


def is_id(value: Any) -> bool:
    """Whether a value can be an id: a string or an integer. Anything else does not survive a round trip."""
    return isinstance(value, str) or type(value) is int


def check_id(body: dict[str, Any], field: str, place: str) -> None:
    """Raises Malformed for an id that is neither a string nor an integer; null means that there is none."""
    try:
        value = value_at(body, field, place)
    except Malformed:
        return
    if value is not None and not is_id(value):
        path = f"{place}.{field}"
        raise Malformed(f"{path} is {kind(value)}, not a string or an integer", path, content=True)


def id_of(body: dict[str, Any], place: str, shape: str) -> str | int:
    """The `id` of a native record or candidate, which `shape` cannot do without. Raises Malformed."""
    value: Any = body.get("id")
    if not is_id(value):
        raise Malformed(f'{shape} needs an "id"', f"{place}.id", content=True)
    return value  # type: ignore[no-any-return]


def named(value: Any) -> dict[str, Any]:
    """An `id` field for an id; nothing for null.

    >>> named("d1"), named(None)
    ({'id': 'd1'}, {})
    """
    return {} if value is None else {"id": value}


def number_of(value: Any) -> float | None:
    """A finite number, also one that is written as a string; None for anything else.

    >>> [number_of(value) for value in (2, "12.5", " -1e3 ", "x", None, "1e999", "1_000", "٣")]
    [2, 12.5, -1000.0, None, None, None, None, None]
    """
    if isinstance(value, str):
        stripped = value.strip(BLANKS)
        value = float(stripped) if NUMBER.fullmatch(stripped) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def numbers_of(candidates: Sequence[dict[str, Any]], field: str, path: str = "$.candidates") -> list[float] | None:
    """A number that every candidate has in `field`, one each; None where no candidate has one.

    Null is none. Raises Malformed when only some have one: an order made of such scores would be invented.
    """
    values = [each.get(field) for each in candidates]
    found = [number_of(value) for value in values]
    if all(value is None for value in values):
        return None
    for index, (value, number) in enumerate(zip(values, found, strict=True)):
        if number is None:
            reason = f'no "{field}", other candidates have one' if value is None else f'"{field}" is not a number'
            raise Malformed(reason, f"{path}[{index}].{field}", content=True)
    return [number for number in found if number is not None]


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
    """The candidates of a shape that orders them by `score`, without logits that order them otherwise.

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


def replaced(body: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy of `body` with the value at a dotted path replaced, everything else shared and in its order."""
    name, _, rest = field.partition(".")
    return {**body, name: replaced(body[name], rest, value) if rest else value}


def removed(body: dict[str, Any], field: str) -> dict[str, Any]:
    """A copy of `body` without the value at a dotted path."""
    name, _, rest = field.partition(".")
    if rest:
        return {**body, name: removed(body[name], rest)}
    return without(body, name)


def pruned(body: dict[str, Any], field: str) -> dict[str, Any]:
    """A copy of `body` without the value at a dotted path, and without objects that hold nothing then."""
    name, _, rest = field.partition(".")
    if rest and (left := pruned(body[name], rest)):
        return {**body, name: left}
    return without(body, name)


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """A copy of `body` without some fields."""
    return {key: value for key, value in body.items() if key not in names}


def as_objects(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The candidates of a native record, bare strings as objects with a `text`."""
    return [{"text": each} if isinstance(each, str) else each for each in record["candidates"]]
