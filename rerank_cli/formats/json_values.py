"""JSON values: read a line as an object, and access values at a path.

Lines are also checked for what the parser accepts: integers beyond 64 bits, and depth.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import orjson

from rerank_cli.files.raw import UNREADABLE
from rerank_cli.formats.causes import ELEMENTS, UTF16, UTF16_ADVICE, cause

DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
LONG_DIGITS = b"0" * 19  # searched after all digits are replaced by 0: ten times as fast as a regular expression
MAX_DEPTH = 253  # orjson reads 1024 levels and writes 254; a bare-string candidate is written one level deeper
REWRAPPED = 6  # levels that another format can add to a candidate
BLANKS = " \t\n\v\f\r"  # as in C's isspace
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
SHOWN = 8  # fields in a message
NEEDS_ID = 'needs an "id"'
KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class Malformed(Exception):
    """A record that cannot be used: the reason, and the JSON path of the fault.

    `content`: the record has this format and its content is at fault, so no other format would read it.
    """

    def __init__(self, reason: str, path: str = "$", *, content: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.content = content


def kind(value: Any) -> str:
    """The type of a JSON value, in words."""
    return KINDS.get(type(value), "a number")


def value_at(body: dict[str, Any], field: str, place: str) -> Any:
    """The value at a dotted path in `body`, which is at the JSON path `place`. Raises Malformed."""
    value: Any = body
    for name in field.split("."):
        if not isinstance(value, dict):
            raise Malformed(f"{place} is {kind(value)}, not an object", place)
        if name not in value:
            raise Malformed(f'no field "{name}" (found {found_in(value)})', f"{place}.{name}")
        value = value[name]
        place = f"{place}.{name}"
    return value


def found_in(body: dict[str, Any]) -> str:
    """The names of an object's fields, for a message.

    >>> found_in({"id": 1, "body": "x"}), found_in({})
    ('"id", "body"', 'nothing')
    """
    return ", ".join(f'"{name[:40]}"' for name in list(body)[:SHOWN]) or "nothing"


def text_at(body: dict[str, Any], field: str, place: str) -> str:
    """The string at a dotted path. Raises Malformed."""
    value = value_at(body, field, place)
    if not isinstance(value, str):
        way = f"; --query-field {field}.text reads its text" if field == "query" and "text" in as_dict(value) else ""
        raise Malformed(f"{place}.{field} is {kind(value)}, not a string{way}", f"{place}.{field}")
    return value


def as_dict(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def list_at(body: dict[str, Any], field: str, place: str) -> list[Any]:
    """The list at a dotted path. Raises Malformed."""
    value = value_at(body, field, place)
    if not isinstance(value, list):
        raise Malformed(f"{place}.{field} is {kind(value)}, not a list", f"{place}.{field}")
    return value


def object_at(value: Any, place: str) -> dict[str, Any]:
    """`value`, which is at the JSON path `place`, if it is an object. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{place} is {kind(value)}, not an object", place)
    return value


def is_id(value: Any) -> bool:
    """Whether a value can be an id: a string or an integer. Other types do not survive a round trip."""
    return isinstance(value, str) or type(value) is int


def check_id(body: dict[str, Any], field: str, place: str) -> None:
    """Raises Malformed for an id that is neither a string nor an integer; null means no id."""
    try:
        value = value_at(body, field, place)
    except Malformed:
        return
    if value is not None and not is_id(value):
        path = f"{place}.{field}"
        raise Malformed(f"{path} is {kind(value)}, not a string or an integer", path, content=True)


def item_at(body: Any, field: str, absent: Any) -> Any:
    """The value at a dotted path, in which a number is an index of a list; `absent` without a value.

    >>> item_at({"hits": [{"qid": 7}]}, "hits.0.qid", None)
    7
    """
    for name in field.split("."):
        if isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return absent
    return body


def named_in(body: dict[str, Any], field: str) -> Any:
    """The value of a field, which may be a dotted path; None without one. A field of that very name comes first.

    >>> named_in({"metadata": {"grade": 2}}, "metadata.grade"), named_in({"a.b": 1, "a": {"b": 2}}, "a.b")
    (2, 1)
    """
    return body[field] if field in body else item_at(body, field, None)


def id_at(body: dict[str, Any], field: str, place: str) -> str | int | None:
    """The id at a dotted path, in which a number is an index of a list; None if missing or null.

    Raises Malformed for an id that is neither a string nor an integer.

    >>> id_at({"hits": [{"qid": 7}]}, "hits.0.qid", "$"), id_at({"hits": []}, "hits.0.qid", "$")
    (7, None)
    """
    value = item_at(body, field, None)
    if value is None or isinstance(value, str) or type(value) is int:
        return value
    path = f"{place}.{field}"
    raise Malformed(f"{path} is {kind(value)}, not a string or an integer", path, content=True)


def id_of(body: dict[str, Any], place: str, format_name: str) -> str | int:
    """The `id` of a native record or candidate, which `format_name` requires. Raises Malformed."""
    value: Any = body.get("id")
    if not is_id(value):
        raise Malformed(f"{format_name} {NEEDS_ID}", f"{place}.id", content=True)
    return value  # type: ignore[no-any-return]


def id_field(value: Any) -> dict[str, Any]:
    """An `id` field; empty for null.

    >>> id_field("d1"), id_field(None)
    ({'id': 'd1'}, {})
    """
    return {} if value is None else {"id": value}


def number_of(value: Any) -> float | None:
    """A finite number, possibly in a string; None for anything else.

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
    """The numbers in `field` of all candidates; None if no candidate has one.

    Null counts as missing. Raises Malformed when only some candidates have one, since these define no order.
    """
    values = [each.get(field) for each in candidates]
    numbers = [number_of(value) for value in values]
    if all(value is None for value in values):
        return None
    for index, (value, number) in enumerate(zip(values, numbers, strict=True)):
        if number is None:
            reason = f'no "{field}", other candidates have one' if value is None else f'"{field}" is not a number'
            raise Malformed(reason, f"{path}[{index}].{field}", content=True)
    return [number for number in numbers if number is not None]


def replaced(body: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy of `body` with the value at a dotted path replaced; other values are shared and keep their order."""
    name, _, rest = field.partition(".")
    return {**body, name: replaced(body[name], rest, value) if rest else value}


def removed(body: dict[str, Any], field: str) -> dict[str, Any]:
    """A copy of `body` without the value at a dotted path."""
    name, _, rest = field.partition(".")
    if rest:
        return {**body, name: removed(body[name], rest)}
    return without(body, name)


def pruned(body: dict[str, Any], field: str) -> dict[str, Any]:
    """A copy of `body` without the value at a dotted path, and without objects that become empty.

    Returns `body` itself if there is no such value.
    """
    name, _, rest = field.partition(".")
    if name not in body or (rest and not isinstance(body[name], dict)):
        return body
    if rest and (left := pruned(body[name], rest)):
        return {**body, name: left}
    return without(body, name)


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """A copy of `body` without some fields."""
    return {key: value for key, value in body.items() if key not in names}


def parse_object(raw: bytes, deeper: int = 0) -> dict[str, Any]:
    """Parse the JSON object in a line; it can be written `deeper` levels deeper. Raises Malformed."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        if raw.startswith(UNREADABLE):
            raise _unread(raw) from None
        check_utf8(raw)
        why = cause(raw, fault.msg, fault.pos)
        raise Malformed(f"not valid JSON: {fault.msg} (character {fault.pos + 1}){why and f'; {why}'}") from None
    if not isinstance(body, dict):
        why = f"; {ELEMENTS}" if isinstance(body, list) else ""
        raise Malformed(f"the line holds {kind(body)}, not an object{why}")
    if LONG_DIGITS in raw.translate(DIGITS_ALIKE):
        _check_integers(raw)
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH - deeper:
        _check_depth(body, deeper)
    return body


def check_utf8(raw: bytes) -> None:
    """Raises Malformed for bytes that are not UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        why = f"; {UTF16_ADVICE}" if UTF16.match(raw) else ""
        place = f"byte {raw[fault.start]:#04x} at position {fault.start + 1} of the line"
        raise Malformed(f"not UTF-8: {place}{why}") from None


def _check_integers(raw: bytes) -> None:
    def checked(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
            raise Malformed(f"an integer beyond 64 bits ({digits[:24]}): write it as a string")
        return int(digits)

    try:
        json.loads(raw, parse_int=checked)
    except RecursionError:
        raise Malformed("nested too deeply") from None


def _check_depth(body: dict[str, Any], deeper: int) -> None:
    nested: Any = body
    for _ in range(deeper + 1):
        nested = [nested]
    try:
        orjson.dumps(nested)
    except orjson.JSONEncodeError:
        raise Malformed(f"nested deeper than {MAX_DEPTH - deeper} levels") from None


def _unread(raw: bytes) -> Malformed:
    try:
        reason, path, _ = map(str, orjson.loads(raw.removeprefix(UNREADABLE)))
    except ValueError:  # a text that begins like one of ours
        return Malformed("not valid JSON: a control character (character 2)")
    return Malformed(reason, path)
