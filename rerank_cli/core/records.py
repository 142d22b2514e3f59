"""The frozen values that pass between the stages of a run.

A line of input becomes one Request, Failure or Blank. A Request becomes a line of output, or a Failure when it cannot
be scored. Nothing here reads files or JSON; the user's record is a dict.
"""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rerank_cli.core.stages import StageScores

if TYPE_CHECKING:
    from hashlib import _Hash

RAW_CAP = 64 * 1024  # bytes of a record kept for the errors file


@dataclass(frozen=True, slots=True)
class Mark:
    """A position between two lines of the input, with the SHA-256 of all input before it.

    `source` is the number of the input, from 0. `line` and `offset` count the lines and the decompressed bytes consumed
    of that input. `total` counts the decompressed bytes consumed of all inputs; `disk` counts bytes on disk, for
    progress. The digest of a single input is the SHA-256 of its decompressed content.
    """

    source: int = 0
    line: int = 0
    offset: int = 0
    total: int = 0
    disk: int = field(default=0, compare=False)
    hasher: "_Hash" = field(default_factory=hashlib.sha256, compare=False, repr=False)

    @property
    def sha256(self) -> str:
        """The digest of all input consumed so far, in hex."""
        return self.hasher.hexdigest()


@dataclass(frozen=True, slots=True)
class Origin:
    """The position of a record: input name, line number from 1, byte offset of the line from 0."""

    source: str
    line: int
    byte_offset: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Composed:
    """The texts of a request as one stage of a cascade reads them; the fields are those of `Request`."""

    query: str
    texts: tuple[str, ...]
    fields: tuple[tuple[int, int] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """What earlier stages of a cascade did with a request.

    `request` is the whole one. `positions` are those of its candidates that are passed on, in input order. `stages` has
    one item a stage before this one: None where a stage was skipped.
    """

    request: "Request"
    positions: tuple[int, ...]
    stages: tuple[StageScores | None, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A query and the texts of its candidates. `body` is the user's complete record, unchanged.

    If each text has its own query, `queries` holds them and `query` is empty; such texts are not ranked against each
    other.

    `raw` is the record's line, up to RAW_CAP bytes, for the errors file. `fields` gives the span of the candidate's own
    text in each composed text (characters; None: absent); empty means the complete text. `followed` counts the entries
    that stood inside the record and come after it; they end where the record ends. `refuses_cut`: the record itself
    forbids truncation. `top` is the number of results that it requests (None: all).

    `scores` are those that the candidates had in the input, where a run needs them. `composed` has the texts of each
    stage of a cascade, where stages compose their own. `passed` is set for a stage that gets a part of the candidates.
    """

    origin: Origin
    end: Mark
    raw: bytes
    query: str
    texts: tuple[str, ...]
    body: Any
    fields: tuple[tuple[int, int] | None, ...] = ()
    followed: int = 0
    refuses_cut: bool = False
    top: int | None = None
    queries: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    composed: tuple[Composed, ...] = ()
    passed: Passed | None = None

    @property
    def size(self) -> int:
        """Bytes of its line."""
        return self.end.offset - self.origin.byte_offset

    def position(self, place: int) -> int:
        """The position in the input's list of the candidate at this place."""
        return place if self.passed is None else self.passed.positions[place]

    def pairs(self, start: int = 0, end: int | None = None) -> list[tuple[str, str]]:
        """The (query, text) pairs from position `start` to `end`."""
        texts = self.texts[start:end]
        return list(zip(self.queries[start:end] or (self.query,) * len(texts), texts, strict=True))

    @property
    def by_query(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each query with the texts ranked for it."""
        return [(query, (text,)) for query, text in self.pairs()] if self.queries else [(self.query, self.texts)]


@dataclass(frozen=True, slots=True)
class Failure:
    """A record without output: the `reason`, the JSON `path` of the fault, and the record's bytes.

    `length` is set if `end` is not that of its own line but of the record that contains it. `content`: the record has
    the expected format, and its content is at fault.
    """

    origin: Origin
    end: Mark
    raw: bytes
    reason: str
    path: str = "$"
    length: int | None = None
    followed: int = 0
    content: bool = False

    @property
    def size(self) -> int:
        """Bytes of its line."""
        return self.end.offset - self.origin.byte_offset if self.length is None else self.length

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason} (at {self.path})"


@dataclass(frozen=True, slots=True)
class Blank:
    """A line without a record: blank, a header or a comment. It is counted and otherwise ignored."""

    end: Mark
    empty: bool = True  # white space only

    size = 1  # negligible


Entry = Request | Failure | Blank


def failed(request: Request, reason: str, path: str = "$") -> Failure:
    """The failure of a valid request that could not be scored."""
    return Failure(request.origin, request.end, request.raw, reason, path, content=True)
