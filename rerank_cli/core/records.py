"""The frozen values that travel between the stages of a run.

A line of input becomes exactly one of Request, Failure or Blank; a Request becomes a line of output or, when it
cannot be scored, a Failure. Nothing here reads a file or knows JSON beyond "the user's record is a dict".
"""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashlib import _Hash

RAW_CAP = 64 * 1024  # bytes of a record kept for the errors file


@dataclass(frozen=True, slots=True)
class Mark:
    """A place between two lines of the input, with a running SHA-256 of everything before it.

    `source` counts the inputs from 0; `line` and `offset` count the lines and the (decompressed) bytes consumed of
    that input; `total` counts the bytes consumed of all inputs, `disk` the same as they lie on disk (for progress). The
    digest of a single input is the SHA-256 of its content, decompressed.
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
    """Where a record stands: input name, line number from 1, byte offset of the line's start from 0."""

    source: str
    line: int
    byte_offset: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Request:
    """One query and its candidates' texts, with the user's whole record `body` riding along untouched.

    Where each text has a query of its own, `queries` holds them, `query` is empty, and the texts are not ranked against
    each other.

    `raw` is the record's line, at most RAW_CAP bytes of it, for the errors file should scoring fail. `fields` says
    where in each text the candidate's own text stands (characters, None: nowhere); empty means that it is all of it.
    `followed` counts the entries that stood inside the record and come after it: they end where it ends. With
    `refuses_cut` the record itself says that a text which does not fit is an error; `top` is how many results it asks
    for (None: all).
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

    @property
    def size(self) -> int:
        """Bytes of its line."""
        return self.end.offset - self.origin.byte_offset

    def pairs(self, start: int = 0, end: int | None = None) -> list[tuple[str, str]]:
        """Each text with its query, from one place to another."""
        texts = self.texts[start:end]
        return list(zip(self.queries[start:end] or (self.query,) * len(texts), texts, strict=True))

    @property
    def by_query(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each query with the texts that are ranked for it."""
        return [(query, (text,)) for query, text in self.pairs()] if self.queries else [(self.query, self.texts)]


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that gives no output: why (`reason`), where inside it (`path`, JSON path), and its bytes.

    `length` is said where `end` is not that of its own line, but of the record that it stands in. `content`: the record
    is of the format that it is read as, and the fault lies in what it holds.
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
    """A line that holds no record: one with nothing on it, a header or a comment. Counted, otherwise ignored."""

    end: Mark
    empty: bool = True  # nothing but white space stands on it

    size = 1  # hardly anything


Entry = Request | Failure | Blank


def failed(request: Request, reason: str, path: str = "$") -> Failure:
    """The failure of a request that was read well and could not be scored."""
    return Failure(request.origin, request.end, request.raw, reason, path, content=True)
