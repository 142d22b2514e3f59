"""The body of a request for scores, and what an answer says: scores, or why there are none."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from rerank_cli.core.decimals import as_float32
from rerank_cli.core.dialects import Dialect, Profile
from rerank_cli.core.printable import SURROGATES, printable
from rerank_cli.core.scorer import Logit, NoScore

TOO_LARGE = re.compile(r"too (large|long)|physical batch size|context size", re.IGNORECASE)
PAYLOAD_TOO_LARGE = 413
SERVER_FAULT = 500
MOST_WORDS = 200  # characters of what a server says
SAYING = ("message", "detail", "error", "msg", "error_message", "title")  # fields in which servers say what is wrong


class Malformed(Exception):
    """An answer that is not one of a reranking API at all."""


def body_of(profile: Profile, model: str, query: str, documents: Sequence[str], *, whole: bool) -> bytes:
    """The body of a request. `whole`: texts that are too long are errors, not truncated."""
    body: dict[str, Any] = {} if not model else {"model": model}
    body |= {"query": _sendable(query), profile.dialect.documents: [_sendable(each) for each in documents]}
    return orjson.dumps({**body, **profile.always, **(profile.whole if whole else profile.cut)})


def _sendable(text: str) -> str:
    """A text that UTF-8 can hold: U+FFFD for each lone surrogate."""
    return text if text.isascii() else SURROGATES.sub("\ufffd", text)


def parsed(content: bytes) -> Any:
    """An answer as JSON, in which NaN and Infinity are allowed. Raises Malformed."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Malformed(f"no JSON, but {shown(content)}") from None


def shown(content: bytes) -> str:
    """The beginning of an answer, for a message."""
    text = content[: 4 * MOST_WORDS].decode("utf-8", "replace")
    return repr(printable(text[:80])) if text.strip() else "nothing"


def scores_of(answer: Any, dialect: Dialect, count: int) -> list[Logit]:
    """The scores of `count` documents, in the order in which they were sent.

    A document without a score, or with one that is not finite, has a NoScore. If an index is met twice or is of no
    document, no document has a score: the numbering cannot be trusted. Raises Malformed.
    """
    results = answer
    if dialect.results:
        if not isinstance(answer, dict) or dialect.results not in answer:
            raise Malformed(f"no field {dialect.results!r}, but {shown(json.dumps(answer).encode())}")
        results = answer[dialect.results]
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise Malformed(f"no list of results, but {shown(json.dumps(results).encode())}")
    found: dict[int, Logit] = {}
    for each in results:
        index = each.get("index")
        known = type(index) is int and 0 <= index < count
        if not known or index in found:
            what = f"index {printable(str(index))[:20]} {'twice' if known else f'of {count} documents'}"
            return [NoScore(f"the server numbers its results wrongly: {what}")] * count
        found[index] = _score(each.get(dialect.score))
    return [found.get(index, NoScore("the server returned no score of this document")) for index in range(count)]


def _score(value: Any) -> Logit:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NoScore(f"the server's score is no number: {printable(str(value))[:20]}")
    try:
        score = as_float32(float(value))
    except OverflowError:
        score = math.inf
    return score if math.isfinite(score) else NoScore(f"the server's score is {printable(str(value))[:20]}")


def billed(answer: Any, path: tuple[str, ...]) -> int:
    """The units that an answer says were billed; 0 if it says nothing."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return int(answer) if isinstance(answer, int | float) and not isinstance(answer, bool) and 0 <= answer < 1e15 else 0


def is_too_large(status: int, words: str) -> bool:
    """Whether a status that could pass says that the request is too large: llama.cpp does so with 500."""
    return status == PAYLOAD_TOO_LARGE or (status == SERVER_FAULT and TOO_LARGE.search(words) is not None)


def words_of(content: bytes) -> str:
    """What a server says in a refusal, in short."""
    try:
        said = _said(json.loads(content), 0)
    except (ValueError, RecursionError):
        said = None
    text = said or content[: 4 * MOST_WORDS].decode("utf-8", "replace")
    text = " ".join(text.split())
    return printable(text[:MOST_WORDS] + ("…" if len(text) > MOST_WORDS else ""))


def _said(value: Any, depth: int) -> str | None:
    """The first sentence in a JSON value, by the names of fields that servers use."""
    if isinstance(value, str):
        return value.strip() or None
    if depth > 4:
        return None
    if isinstance(value, list) and value:
        return _said(value[0], depth + 1)
    if isinstance(value, Mapping):
        return next((said for name in SAYING if (said := _said(value.get(name), depth + 1))), None)
    return None
