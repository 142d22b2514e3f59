"""What `rerank mine` reads: a pool of texts, and queries whose relevant texts are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from rerank_cli.errors import InputError
from rerank_cli.formats.streams import Inputs, Line
from rerank_cli.records import Origin

MAX_LINE_BYTES = 64 * 1024 * 1024
TEXT_ADVICE = 'A text of the pool is {"id": …, "text": …}.'
QUERY_ADVICE = "A query needs `pos`, a list of texts, or `positives`, a list of ids of the pool."
ID_ADVICE = "Give each text of the pool its own id, or mine each file with its own queries."


@dataclass(frozen=True, slots=True)
class Pool:
    """The distinct `texts`, where among them each one stands, and where the text of each id."""

    texts: list[str]
    places: dict[str, int]
    ids: dict[str, int]


@dataclass(frozen=True, slots=True)
class Query:
    """A query's whole record with its relevant texts: the `places` of those in the pool, and the `others`."""

    record: dict[str, Any]
    positives: list[str]
    places: list[int]
    others: list[str]


def read_pool(paths: tuple[str, ...]) -> Pool:
    """The texts of JSON lines with `text` and, if they are to be named, `id` or `_id`.

    Raises InputError, also for an id that stands for two texts: which of them answers a query, nobody could tell.
    """
    places: dict[str, int] = {}
    ids: dict[str, int] = {}
    first: dict[str, Origin] = {}
    for path in paths:
        for line, value in _objects(path):
            text = value.get("text")
            if not isinstance(text, str):
                raise InputError(f"{line.origin}: no text in `text`", TEXT_ADVICE)
            title = value.get("title")
            whole = f"{title} {text}" if isinstance(title, str) and title and "_id" in value else text  # BEIR's
            place = places.setdefault(whole, len(places))
            name = value.get("id", value.get("_id"))
            if name is None:
                continue
            if ids.setdefault(str(name), place) != place:
                raise InputError(
                    f"{line.origin}: the id {str(name)[:60]!r} has another text than in {first[str(name)]}", ID_ADVICE
                )
            first.setdefault(str(name), line.origin)
    if not places:
        raise InputError(f"{', '.join(paths)}: no texts", "Name JSON lines with `text`.")
    return Pool(list(places), places, ids)


def read_queries(path: str, pool: Pool) -> list[Query]:
    """The queries in a file. Raises InputError for one without relevant texts, and for a file without any."""
    found = [_query(line, value, pool) for line, value in _objects(path)]
    if not found:
        raise InputError(f"{path}: no queries", QUERY_ADVICE)
    return found


def _query(line: Line, value: dict[str, Any], pool: Pool) -> Query:
    texts = value.get("pos")
    if texts is None and isinstance(value.get("positives"), list):
        unknown = [name for name in value["positives"] if str(name) not in pool.ids]
        if unknown:
            raise InputError(f"{line.origin}: the pool has no {str(unknown[0])[:60]!r}", QUERY_ADVICE)
        texts = [pool.texts[pool.ids[str(name)]] for name in value["positives"]]
    if not isinstance(value.get("query"), str) or not isinstance(texts, list) or not texts:
        raise InputError(f"{line.origin}: no query with relevant texts", QUERY_ADVICE)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{line.origin}: `pos` holds what is no text", QUERY_ADVICE)
    places = [pool.places[text] for text in texts if text in pool.places]
    return Query(value, texts, places, [text for text in texts if text not in pool.places])


def _objects(path: str) -> Iterator[tuple[Line, dict[str, Any]]]:
    for line in Inputs((path,)).lines(MAX_LINE_BYTES):
        if not line.raw.strip():
            continue
        try:
            value = orjson.loads(line.raw)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise InputError(f"{line.origin}: not a JSON object", "One object in valid UTF-8 a line.")
        yield line, value
