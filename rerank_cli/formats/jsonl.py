"""The native shape: one JSON object a line, `{"query": …, "candidates": [string or object, …]}`.

What the user wrote is kept, in its order; only the candidates are reordered and given our fields. A record that is
not of this shape becomes a Failure that names the place inside it. Parsing is orjson's, with the two things it lets
pass caught here: integers beyond 64 bits (it would make floats of them) and nesting that it could not write again.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import ConfigError
from rerank_cli.formats.streams import Line
from rerank_cli.ranking import Ranking
from rerank_cli.records import RAW_CAP, Blank, Entry, Failure, Request

OUR_FIELDS = frozenset({"index", "score", "logit", "previous_score", "truncated", "chunk"})
DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
LONG_DIGITS = b"0" * 19  # found in a line with all its digits alike: ten times as fast as a regular expression
MAX_DEPTH = 253  # orjson reads 1024 levels and writes 254; a bare-string candidate comes back one level deeper
KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


class Malformed(Exception):
    """A record is not of this shape: the reason, and the JSON path of the place."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


class NativeJsonl:
    """See the module."""

    name = "native"

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError when the candidates' text is where our own fields go."""
        if read.text_field.partition(".")[0] in OUR_FIELDS:
            raise ConfigError(f"--text-field {read.text_field}: rerank writes a field of that name", "Rename it first.")
        self._query = read.query_field
        self._candidates = read.candidates_field
        self._text = read.text_field
        self._plain_text = None if "." in read.text_field else read.text_field
        self._id = read.id_field
        self._max_candidates = read.max_candidates
        self._max_line_bytes = read.max_line_bytes
        self._no_text = write.no_text

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """One entry a line."""
        for line in lines:
            if not line.raw.strip() and not line.too_long:
                yield Blank(line.end)
                continue
            try:
                yield self._request(line)
            except Malformed as fault:
                yield Failure(line.origin, line.end, line.raw[:RAW_CAP], fault.reason, fault.path)

    def _request(self, line: Line) -> Request:
        if line.too_long:
            raise Malformed(f"the line is longer than --max-line-bytes ({self._max_line_bytes})")
        body = parse_object(line.raw)
        query = text_at(body, self._query, "$")
        candidates = value_at(body, self._candidates, "$")
        path = f"$.{self._candidates}"
        if not isinstance(candidates, list):
            raise Malformed(f"{path} is {kind(candidates)}, not a list", path)
        if self._max_candidates is not None and len(candidates) > self._max_candidates:
            raise Malformed(f"{len(candidates)} candidates, more than --max-candidates ({self._max_candidates})", path)
        check_id(body, self._id, "$")
        texts = tuple([self._candidate_text(value, path, index) for index, value in enumerate(candidates)])
        return Request(line.origin, line.end, line.raw[:RAW_CAP], query, texts, body)

    def _candidate_text(self, candidate: Any, path: str, index: int) -> str:
        if type(candidate) is str:
            return candidate
        if type(candidate) is dict:
            text = candidate.get(self._plain_text)  # the common case, fast
            if type(text) is str and type(candidate.get("id", "")) is str:
                return text
            place = f"{path}[{index}]"
            check_id(candidate, "id", place)
            return text_at(candidate, self._text, place)
        raise Malformed(f"{path}[{index}] is {kind(candidate)}, not a string or an object", f"{path}[{index}]")

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The record with its candidates best first, each with `index`, `score`, `logit` and what else applies."""
        old = value_at(request.body, self._candidates, "$")
        new = [
            self._written(old[index], index, score, logit, index in ranking.truncated)
            for index, score, logit in zip(ranking.indices, ranking.scores, ranking.logits, strict=True)
        ]
        return orjson.dumps(replaced(request.body, self._candidates, new), option=orjson.OPT_APPEND_NEWLINE)

    def _written(self, old: str | dict[str, Any], index: int, score: float, logit: float, cut: bool) -> dict[str, Any]:
        if isinstance(old, str):
            old = {} if self._no_text else {"text": old}
        elif self._no_text:
            old = removed(old, self._text)
        if OUR_FIELDS.isdisjoint(old):  # the common case, fast
            new = {"index": index, **old}
        else:
            new = {"index": index, **{name: value for name, value in old.items() if name not in OUR_FIELDS}}
        new["score"] = score
        new["logit"] = logit
        if "score" in old:
            new["previous_score"] = old["score"]
        if cut:
            new["truncated"] = True
        return new


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a line. Raises Malformed."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        _check_utf8(raw)
        raise Malformed(f"not valid JSON: {fault.msg} (character {fault.pos + 1})") from None
    if not isinstance(body, dict):
        raise Malformed(f"the line holds {kind(body)}, not an object")
    if LONG_DIGITS in raw.translate(DIGITS_ALIKE):
        _check_integers(raw)
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(body)
    return body


def _check_utf8(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise Malformed(f"not UTF-8: byte {raw[fault.start]:#04x} at position {fault.start + 1} of the line") from None


def _check_integers(raw: bytes) -> None:
    def checked(digits: str) -> int:
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
            raise Malformed(f"an integer beyond 64 bits ({digits[:24]}): write it as a string")
        return int(digits)

    try:
        json.loads(raw, parse_int=checked)
    except RecursionError:
        raise Malformed("nested too deeply") from None


def _check_depth(body: dict[str, Any]) -> None:
    try:
        orjson.dumps([body])
    except orjson.JSONEncodeError:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels") from None


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
        raise Malformed(f"{place}.{field} is {kind(value)}, not a string", f"{place}.{field}")
    return value


def check_id(body: dict[str, Any], field: str, place: str) -> None:
    """An id, if there is one, must be a string or an integer: anything else does not survive a round trip."""
    try:
        value = value_at(body, field, place)
    except Malformed:
        return
    if not isinstance(value, str) and type(value) is not int:
        raise Malformed(f"{place}.{field} is {kind(value)}, not a string or an integer", f"{place}.{field}")


def replaced(body: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy of `body` with the value at a dotted path replaced, everything else shared and in its order."""
    name, _, rest = field.partition(".")
    return {**body, name: replaced(body[name], rest, value) if rest else value}


def removed(body: dict[str, Any], field: str) -> dict[str, Any]:
    """A copy of `body` without the value at a dotted path."""
    name, _, rest = field.partition(".")
    if rest:
        return {**body, name: removed(body[name], rest)}
    return {key: value for key, value in body.items() if key != name}
