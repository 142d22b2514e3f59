"""A line of JSON as a record, checked for what a parser lets through: integers beyond 64 bits, and depth."""

import json
from typing import Any

import orjson

from rerank_cli.files.raw import UNREADABLE
from rerank_cli.formats.causes import ARRAY, UTF16, UTF16_ADVICE, cause
from rerank_cli.formats.shape import Malformed, kind

DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
LONG_DIGITS = b"0" * 19  # found in a line with all its digits alike: ten times as fast as a regular expression
MAX_DEPTH = 253  # orjson reads 1024 levels and writes 254; a bare-string candidate comes back one level deeper
REWRAPPED = 6  # levels that a candidate can lie deeper in another shape


def parse_object(raw: bytes, deeper: int = 0) -> dict[str, Any]:
    """The JSON object in a line, which can be written again `deeper` levels deeper. Raises Malformed."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        if raw.startswith(UNREADABLE):
            raise _unread(raw) from None
        check_utf8(raw)
        why = cause(raw, fault.msg, fault.pos)
        raise Malformed(f"not valid JSON: {fault.msg} (character {fault.pos + 1}){why and f'; {why}'}") from None
    if not isinstance(body, dict):
        why = f"; {ARRAY}" if isinstance(body, list) else ""
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
        reason, path = map(str, orjson.loads(raw.removeprefix(UNREADABLE)))
    except ValueError:  # it was a text all the same
        return Malformed("not valid JSON: a control character (character 2)")
    return Malformed(reason, path)
