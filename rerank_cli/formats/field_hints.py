"""Which fields of a record hold the query, the candidates and their texts, where the names given are not among them.

The guesses are names that other tools use, names close to the typed one, and the only field that could be meant. There
is no guess where several could be.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.guesses import close_to
from rerank_cli.core.records import RAW_CAP, Failure
from rerank_cli.formats import column_names
from rerank_cli.formats.column_names import DOCUMENT_IDS, QUERY_IDS, normal
from rerank_cli.formats.json_values import item_at
from rerank_cli.formats.known import format_of
from rerank_cli.formats.record_format import OUR_FIELDS

# names of other tools, the most likely first
QUERIES = (
    "query",
    "question",
    "q",
    "query_text",
    "search_query",
    "user_query",
    "user_input",
    "prompt",
    "input",
    "anchor",
    "topic",
    "text",
)
LISTS = (
    "candidates",
    "passages",
    "documents",
    "docs",
    "hits",
    "results",
    "ctxs",
    "contexts",
    "retrieved",
    "retrieved_documents",
    "retrieved_contexts",
    "chunks",
    "matches",
    "nodes",
    "items",
)
TEXTS = (
    "text",
    "body",
    "content",
    "contents",
    "page_content",
    "passage",
    "document",
    "chunk",
    "snippet",
    "segment",
    "abstract",
)
NO_TEXTS = {"id", "_id", "uuid", "url", "lang", "language", "source", *QUERY_IDS, *DOCUMENT_IDS, *column_names.IDS}
DEPTH = 3  # names in a dotted path
ABSENT = object()
OPENING = {ord("{"): b"}", ord("["): b"]"}


class FieldHint(NamedTuple):
    """What is wrong with the names of fields, and what to type. `option` is one that was typed with an absent field."""

    option: str
    advice: str
    complete: bool  # whether all three fields are known


class _Role(NamedTuple):
    """An option that names a field, its value, and the fields of an object that it could mean."""

    option: str
    typed: str
    usual: str
    body: Any
    fitting: Mapping[str, Any]
    names: tuple[str, ...]

    @property
    def absent(self) -> bool:
        """Whether the object has no such field."""
        return item_at(self.body, self.typed, ABSENT) is ABSENT

    @property
    def guess(self) -> str | None:
        """The field that is meant; None if unknown, and where the field is there and its value is at fault."""
        if self.typed in self.fitting:
            return self.typed
        if not isinstance(item_at(self.body, self.typed, None), dict | None):
            return None
        if self.typed != self.usual and (close := close_to(self.typed, self.fitting)):
            return close[0]
        last = {path: _last(path) for path in self.fitting}
        known = (path for name in self.names for path in last if last[path] == name)
        return next(known, next(iter(last)) if len(last) == 1 else None)


def field_hint(bad: Sequence[Failure], read: ReadConfig) -> FieldHint | None:
    """A hint at the fields of records that were all read as native ones and failed; None without one.

    It is made from the first, and holds for records that lack the same fields.
    """
    body = None if not bad or bad[0].content else beginning_of(bad[0])
    if body is None:
        return None
    roles = _roles(body, read)
    if all(role.typed in role.fitting for role in roles):
        return None  # the fields are there, their values are at fault
    guesses = [(role, role.guess) for role in roles]
    named = [f"{role.option} {role.typed}" for role in roles if role.typed != role.usual and role.absent]
    words = [word for role, field in guesses if field not in (None, role.usual) for word in (role.option, str(field))]
    known = all(field is not None for _, field in guesses)
    foreign = format_of(body) if read.has_own_fields else None
    chosen = roles[1].typed != roles[1].usual and not roles[1].absent  # the user knows the list
    way = ""
    if foreign not in (None, "native") and not (chosen and known and words):
        way = f"These look like {foreign} records: leave the field options out."
    elif words:
        where = "-" if bad[0].origin.source == "<stdin>" else bad[0].origin.source
        words = ["rerank", "check", where, *words, *_other_options(read)]
        way = f"Name their fields, for example: {shlex.join(words)}"
    elif usual := [role for role, field in guesses if field == role.usual != role.typed]:
        options, fields = (
            " and ".join(each) for each in zip(*((role.option, role.usual) for role in usual), strict=True)
        )
        way = f"Leave {options} out: the records have {fields}."
    return FieldHint(named[0] if named else "", way, known) if named or words else None


def field_options(body: dict[str, Any], read: ReadConfig) -> str:
    """The options that name the fields of a native record, those that were typed included; "" where one is unknown.

    >>> field_options({"q": "x", "docs": [{"page_content": "y"}]}, ReadConfig(query_field="q", candidates_field="docs"))
    '--query-field q --candidates-field docs --text-field page_content'
    """
    roles = _roles(body, read)
    fields = [(role.option, role.guess) for role in roles if role.guess != role.usual]
    if any(field is None for _, field in fields):
        return ""
    return shlex.join([*(word for option, field in fields for word in (option, str(field))), *_other_options(read)])


def beginning_of(failure: Failure) -> dict[str, Any] | None:
    """The object of a bad record; of one that is cut, its values up to the last complete one. None without one."""
    raw = failure.raw
    try:
        value = orjson.loads(closed(raw) if len(raw) == RAW_CAP else raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def closed(raw: bytes) -> bytes:
    """JSON that ends anywhere, cut before its last comma outside of strings, with its brackets closed.

    >>> closed(b'{"q": "a, b", "docs": ["x", {"text": "y", "url": "htt')
    b'{"q": "a, b", "docs": ["x", {"text": "y"}]}'
    """
    ends: list[bytes] = []
    end, closing, quoted, escaped = 0, b"", False, False
    for place, byte in enumerate(raw):
        if quoted:
            quoted, escaped = escaped or byte != ord('"'), not escaped and byte == ord("\\")
        elif byte == ord('"'):
            quoted = True
        elif byte in OPENING:
            ends.append(OPENING[byte])
        elif byte in b"]}" and ends:
            ends.pop()
        elif byte == ord(","):
            end, closing = place, b"".join(reversed(ends))
    return raw[:end] + closing


def _roles(body: dict[str, Any], read: ReadConfig) -> list[_Role]:
    values = dict(_values(body))
    query = _Role("--query-field", read.query_field, "query", body, _texts(values, read.query_field), QUERIES)
    lists = {path: value for path, value in values.items() if isinstance(value, list)}
    objects = {path: value for path, value in lists.items() if any(isinstance(each, dict) for each in value)}
    candidates = _Role("--candidates-field", read.candidates_field, "candidates", body, objects or lists, LISTS)
    if read.candidates_field in lists or not any(_last(path) in LISTS for path in objects):
        candidates = candidates._replace(fitting=lists)
    first = next((each for each in lists.get(candidates.guess or "", []) if isinstance(each, dict)), None)
    if first is None:  # strings need no field
        return [query, candidates]
    fitting = _texts(dict(_values(first)), read.text_field)
    fitting = {path: each for path, each in fitting.items() if path.partition(".")[0] not in OUR_FIELDS}
    return [query, candidates, _Role("--text-field", read.text_field, "text", first, fitting, TEXTS)]


def _values(body: dict[str, Any], place: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    """The values of an object by dotted paths, outer ones first."""
    named = {f"{place}{name}": value for name, value in body.items() if "." not in name}
    yield from named.items()
    for path, value in named.items() if depth > 1 else ():
        if isinstance(value, dict):
            yield from _values(value, f"{path}.", depth - 1)


def _texts(values: Mapping[str, Any], typed: str) -> dict[str, Any]:
    """The strings that are no ids, and the one at the path that was typed."""
    texts = {path: value for path, value in values.items() if isinstance(value, str)}
    return {path: text for path, text in texts.items() if path == typed or _last(path) not in NO_TEXTS}


def _last(path: str) -> str:
    """The last name of a path, in the form that is compared."""
    return normal(path.rpartition(".")[2])


def _other_options(read: ReadConfig) -> list[str]:
    """The other options of fields that were typed."""
    typed = (("--id-field", read.id_field), ("--candidate-id-field", read.candidate_id_field))
    return [word for option, field in typed if field != "id" for word in (option, field)]
