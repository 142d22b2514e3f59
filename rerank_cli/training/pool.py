"""Read the input of `rerank mine`: a pool of texts, and queries with relevant texts.

Templates compose the model's input from the same fields as in `rerank score`. The output has the original texts, since
the prompts are for the bi-encoder only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from rerank_cli.core.errors import InputError
from rerank_cli.core.records import Origin
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.templates import Template

MAX_LINE_BYTES = 64 * 1024 * 1024
TEXT_ADVICE = 'Expected {"id": …, "text": …} for each text of the pool.'
QUERY_ADVICE = "Add `pos`, a list of texts, or `positives`, a list of ids of the pool."
ID_ADVICE = "Give each text of the pool its own id, or mine each file with its own queries."
FIELD_ADVICE = "Use only fields that every line has in the template."


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of queries and documents; None: the texts are not changed."""

    query: Template | None = None
    document: Template | None = None

    @classmethod
    def of(cls, query: str | None, document: str | None) -> "Templates":
        """Parse two templates. Raises ConfigError for an invalid one."""
        return cls(
            Template.of("--query-template", query) if query else None,
            Template.of("--doc-template", document) if document else None,
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """The distinct `texts`, the model's `inputs` for them (the same list without a template), and their positions.

    `places` maps texts to positions, `ids` maps ids to positions. Of lines with the same text the first is used.
    """

    texts: list[str]
    inputs: list[str]
    places: dict[str, int]
    ids: dict[str, int]


@dataclass(frozen=True, slots=True)
class Query:
    """The complete record of a query with its relevant texts, and the model's `input` for it.

    `places` are the positions of the relevant texts that the pool has; `other_inputs` are the model's inputs for the
    others.
    """

    record: dict[str, Any]
    input: str
    positives: list[str]
    places: list[int]
    other_inputs: list[str]


def read_pool(paths: tuple[str, ...], template: Template | None = None) -> Pool:
    """Read texts from JSON lines with `text` and, optionally, `id` or `_id` (BEIR's, with titles).

    Raises InputError, also for an id with two texts, which is ambiguous.
    """
    places: dict[str, int] = {}
    ids: dict[str, int] = {}
    first: dict[str, Origin] = {}
    inputs: list[str] = []
    for path in paths:
        for line, value in _objects(path):
            text, fields = _document(line, value)
            place = places.setdefault(text, len(places))
            if template is not None and place == len(inputs):
                inputs.append(_compose(template, line, (fields, "$")))
            name = value.get("id", value.get("_id"))
            if name is None:
                continue
            if ids.setdefault(str(name), place) != place:
                raise InputError(
                    f"{line.origin}: the id {str(name)[:60]!r} has a different text than in {first[str(name)]}",
                    ID_ADVICE,
                )
            first.setdefault(str(name), line.origin)
    if not places:
        raise InputError(f"{', '.join(paths)}: no texts", "Name JSON lines with `text`.")
    texts = list(places)
    return Pool(texts, texts if template is None else inputs, places, ids)


def _document(line: Line, value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A text of the pool, and the fields for templates. The title of a BEIR document (`_id`) is part of its text."""
    text, title = value.get("text"), value.get("title")
    if not isinstance(text, str):
        raise InputError(f"{line.origin}: no text in `text`", TEXT_ADVICE)
    if "_id" not in value:
        return text, value
    return f"{title} {text}" if isinstance(title, str) and title else text, {**value, "title": title or ""}


def read_queries(path: str, pool: Pool, templates: Templates) -> list[Query]:
    """Read the queries in a file. Raises InputError for a query without relevant texts, and without any queries."""
    queries = [_query(line, value, pool, templates) for line, value in _objects(path)]
    if not queries:
        raise InputError(f"{path}: no queries", QUERY_ADVICE)
    return queries


def _query(line: Line, value: dict[str, Any], pool: Pool, templates: Templates) -> Query:
    texts = value.get("pos")
    if texts is None and isinstance(value.get("positives"), list):
        unknown = [name for name in value["positives"] if str(name) not in pool.ids]
        if unknown:
            raise InputError(f"{line.origin}: the pool has no {str(unknown[0])[:60]!r}", QUERY_ADVICE)
        texts = [pool.texts[pool.ids[str(name)]] for name in value["positives"]]
    if not isinstance(value.get("query"), str) or not isinstance(texts, list) or not texts:
        raise InputError(f"{line.origin}: no query with relevant texts", QUERY_ADVICE)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{line.origin}: `pos` has a value that is not a string", QUERY_ADVICE)
    query = value["query"] if templates.query is None else _compose(templates.query, line, (value, "$"))
    places = [pool.places[text] for text in texts if text in pool.places]
    others = {f"$.pos[{index}]": text for index, text in enumerate(texts) if text not in pool.places}
    if templates.document is None:
        inputs = list(others.values())
    else:
        inputs = [
            _compose(templates.document, line, ({"text": text}, path), (value, "$")) for path, text in others.items()
        ]
    return Query(value, query, texts, places, inputs)


def _compose(template: Template, line: Line, *sources: tuple[dict[str, Any], str]) -> str:
    """Render a template with the fields in `sources`, objects with their JSON paths. Raises InputError."""
    try:
        return template.render(sources)[0]
    except Malformed as fault:
        raise InputError(f"{line.origin}: {fault.reason} (at {fault.path})", FIELD_ADVICE) from None


def _objects(path: str) -> Iterator[tuple[Line, dict[str, Any]]]:
    """The JSON objects of a file with their lines. Raises InputError for anything else."""
    for line in Inputs((path,)).lines(MAX_LINE_BYTES):
        if not line.raw.strip():
            continue
        try:
            value = orjson.loads(line.raw)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise InputError(f"{line.origin}: not a JSON object", "Expected one object per line, in valid UTF-8.")
        yield line, value
