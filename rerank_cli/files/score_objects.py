"""Scores in one JSON object, `{qid: {docid: score}}`, as a stream of JSON lines, one per score.

MTEB, BEIR and ranx store runs and judgements this way, on one line or many. The object is read in pieces, in bounded
memory. Positions, hashes and resuming work for its scores as for lines. MTEB nests queries below a task's subset and
split, after a field about the model: a file with one split is read, a file with several is refused.

A score that is not a number becomes an error record with its path. Another object is an InputError. Rejected
alternative: a JSON parser, which holds the complete object and keeps only the last of two queries with the same name.
"""

import json
import re
import shlex
from collections.abc import Iterator
from io import RawIOBase

from rerank_cli.core.errors import InputError
from rerank_cli.files.raw import PeekableStream, unreadable_line

HEAD = CHUNK = 1 << 16  # bytes; HEAD bytes show whether a stream is such an object
LONGEST = 1 << 20  # bytes of a name and its value
PLAIN, IN_MTEB = 2, 4  # levels of names above a score
MTEB = b'"mteb_model_meta"'
SPACE = rb"[ \t\r\n]*+"
STRING = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
OTHER = rb'[^\s"{}\[\],:]++'
DIGITS = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
TOKEN = re.compile(rb'%b|["{}\[\],:]|%b' % (STRING, OTHER))
SCORE = re.compile(rb"%b(%b)%b:%b(%b)%b([,}])" % (SPACE, STRING, SPACE, SPACE, DIGITS, SPACE))
ENTRY = re.compile(rb"%b(%b)%b:%b(?:([{\[])|(%b|%b)(?=%b[,}]))" % (SPACE, STRING, SPACE, SPACE, STRING, OTHER, SPACE))
NUMBER = re.compile(DIGITS)
REST = re.compile(SPACE)
BOM = b"\xef\xbb\xbf"
MARK = re.compile(rb"(?:%b)?+" % BOM)  # optional
SHOWN = 40  # bytes in a message
ADVICE = "Expected {qid: {docid: score}}, as MTEB, BEIR and ranx write it."


def begins_scores(head: bytes) -> bool:
    """Whether a stream that begins with these bytes is an object of objects, as far as they show.

    A record may begin with an object of numbers, but it also has a text or a list.

    >>> begins_scores(b'{"q1": {"d1": 1.5, "d'), begins_scores(b'{"query": {"qid": 1}, "candidates": [')
    (True, False)
    """
    depth, before, inside, listed = 0, b"", False, False
    for found in TOKEN.finditer(head.removeprefix(BOM)):
        token = found[0]
        opens, may_open = token == b"{", depth == 0 or before == b":"
        if (opens and not may_open) or (not opens and may_open and depth < 2):
            return False
        if token == b'"':  # a string that is cut
            break
        depth += {b"{": 1, b"}": -1}.get(token, 0)
        inside, listed = inside or depth > 1, listed or token == b"["
        if not depth:
            return inside
        before = token
    return inside and not listed


def scores_as_lines(stream: RawIOBase, name: str) -> RawIOBase:
    """The stream; for an object of scores, its scores as lines."""
    if isinstance(stream, PeekableStream) and begins_scores(stream.peek(HEAD, HEAD)):
        return ScoreLines(stream, name)
    return stream


class ScoreLines(RawIOBase):
    """The scores of an object as a stream of JSON lines with `query-id`, `corpus-id` and `score`."""

    def __init__(self, stream: RawIOBase, name: str) -> None:
        self._pieces = Pieces(stream, name)
        self._left = b""
        self._names: list[bytes] = []  # of the open objects
        self._levels = PLAIN
        self._split: list[bytes] = []  # MTEB's subset and split, once known
        self._queries: set[bytes] = set()  # of the current object
        self._blocks = self._all_lines()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Read some of the lines. Raises InputError for anything but an object of scores."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = block
        block, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)

    def _all_lines(self) -> Iterator[bytes]:
        """Blocks of lines, object after object."""
        if not self._pieces.at_end():
            self._pieces.take(MARK)
        while not self._pieces.at_end():
            self._queries.clear()
            if not self._pieces.skip(b"{"):
                raise self._pieces.fault(inside=False)
            yield from self._entries()

    def _entries(self) -> Iterator[bytes]:
        """Blocks of lines of an object, from its opening to its closing brace."""
        closed = self._pieces.skip(b"}")
        while not closed:
            if len(self._names) == self._levels - 1 and self._names[0] != MTEB:
                block, closed = self._scores()
                yield block
            if not closed:
                yield from self._entry()
                closed = self._pieces.skip(b"}")
                if not closed and not self._pieces.skip(b","):
                    raise self._pieces.fault()

    def _scores(self) -> tuple[bytes, bool]:
        """The lines of the next scores, as far as they were read, and whether the object ends after them."""
        head, closed, lines = _line_until_docid(self._names[-1]), False, []
        for found in self._pieces.all(SCORE):
            lines += [head, found[1], b',"score":', found[2], b"}\n"]
            closed = found[3] == b"}"
            if closed:
                break
        return b"".join(lines), closed

    def _entry(self) -> Iterator[bytes]:
        """Blocks of lines of the next name and its value."""
        found = self._pieces.take(ENTRY)
        if found is None:
            raise self._pieces.fault()
        name, opening, scalar = found.groups()
        if not self._names and name == MTEB:
            self._levels = IN_MTEB
        self._names.append(name)
        if opening:
            self._check_opening(opening)
            self._check_once()
            yield from self._entries()
        elif self._names[0] != MTEB:
            yield self._line(scalar)
        self._names.pop()

    def _line(self, scalar: bytes) -> bytes:
        """The line of a scalar value; an error record if it is not a score."""
        if len(self._names) < self._levels:
            return self._refused(f"{_kind(scalar)} where an object is expected")
        if not NUMBER.fullmatch(scalar):
            return self._refused(f"the score is {_kind(scalar)}, not a number")
        return b'%b%b,"score":%b}\n' % (_line_until_docid(self._names[-2]), self._names[-1], scalar)

    def _refused(self, reason: str) -> bytes:
        """The error record of a value that is not a score, with its ids."""
        ids = zip((b"query-id", b"corpus-id"), self._names[self._levels - 2 :], strict=False)
        rest = b"{%b}" % b",".join([b'"%b":%b' % each for each in ids])
        return unreadable_line(reason, _path(self._names), rest) + b"\n"

    def _check_opening(self, sign: bytes) -> None:
        """Raises InputError for a list, for an object in place of a score, and for a second split of MTEB."""
        if sign == b"[" or len(self._names) >= self._levels + (self._names[0] == MTEB):
            what = "a list" if sign == b"[" else "an object"
            place = "a score" if len(self._names) >= self._levels else "an object"
            raise InputError(f"{self._pieces.name}: {_path(self._names)} is {what}, expected {place}", ADVICE)
        if self._levels == IN_MTEB and len(self._names) == IN_MTEB - PLAIN and self._names[0] != MTEB:
            self._split = self._split or list(self._names)
            if self._split != self._names:
                raise self._several_splits()

    def _check_once(self) -> None:
        """Raises InputError for a query that occurs twice in the object: a parser would keep only the last one."""
        if len(self._names) != self._levels - 1 or self._names[0] == MTEB:
            return
        qid = _unescaped(self._names[-1])
        if qid in self._queries:
            raise InputError(f"{self._pieces.name}: {_path(self._names)} occurs twice", "Join the two, or remove one.")
        self._queries.add(qid)

    def _several_splits(self) -> InputError:
        one, other = ("".join(f"[{_text(each)}]" for each in names) for names in (self._split, self._names))
        name = self._pieces.name
        return InputError(
            f"{name}: has predictions of several splits, {one} and {other}",
            f"Choose one: jq '.{one}' {shlex.quote(name)} > one.json",
        )


class Pieces:
    """A text that is read in pieces and matched by patterns from its current position."""

    def __init__(self, stream: RawIOBase, name: str) -> None:
        self.name = name
        self._stream = stream
        self._text, self._place, self._before = b"", 0, 0  # text read, position in it, bytes before it

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """The match of a pattern at the current position. It must not match a prefix of a longer token."""
        while not (found := pattern.match(self._text, self._place)):
            if len(self._text) - self._place > LONGEST or not self._read_more():
                return None
        self._place = found.end()
        return found

    def all(self, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """Repeated matches of a pattern, as far as the text was read."""
        while found := pattern.match(self._text, self._place):
            self._place = found.end()
            yield found

    def skip(self, sign: bytes) -> bool:
        """Skip this sign. Returns whether it came next."""
        self.at_end()
        found = self._text[self._place : self._place + 1] == sign
        self._place += found
        return found

    def at_end(self) -> bool:
        """Skip blanks. Returns whether nothing else follows."""
        while True:
            blanks = REST.match(self._text, self._place)
            self._place = blanks.end() if blanks else self._place
            if self._place < len(self._text):
                return False
            if not self._read_more():
                return True

    def fault(self, *, inside: bool = True) -> InputError:
        """The error for an unexpected token; `inside` an object, the file may be truncated."""
        ended = self.at_end() or (inside and b"}" not in self._text[self._place :] and not self._read_more())
        shown = self._text[self._place : self._place + SHOWN].decode("utf-8", "replace")
        what = "ends early" if ended else f"has an unexpected {shown!r}"
        return InputError(f"{self.name}: the JSON object {what} (byte {self._before + self._place})", ADVICE)

    def _read_more(self) -> bool:
        block = self._stream.read(CHUNK) or b""
        self._before += self._place
        self._text, self._place = self._text[self._place :] + block, 0
        return bool(block)


def _line_until_docid(qid: bytes) -> bytes:
    return b'{"query-id":%b,"corpus-id":' % qid


def _kind(scalar: bytes) -> str:
    return "a string" if scalar.startswith(b'"') else scalar.decode("utf-8", "replace")[:SHOWN]


def _unescaped(name: bytes) -> bytes:
    """A name without escapes, for comparison."""
    try:
        return json.dumps(json.loads(name)).encode() if b"\\" in name or not name.isascii() else name
    except ValueError:
        return name


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _path(names: list[bytes]) -> str:
    return "$" + "".join(f"[{_text(each)}]" for each in names)
