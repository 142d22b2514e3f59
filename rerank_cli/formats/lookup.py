"""Texts by id from a file of any size: `queries.tsv`, `corpus.jsonl.gz` and their like, indexed on disk.

The index is a temporary database that SQLite keeps in its folder for temporary files (SQLITE_TMPDIR) and that vanishes
with the process. A plain file is indexed by places, of a compressed one the index holds the lines themselves. The trade
refused: an index that stays beside the file, which would be read again after the file has changed.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import IO, Any

from rerank_cli.errors import ConfigError, InputError
from rerank_cli.formats.shape import Malformed, kind, parse_object
from rerank_cli.formats.sources import Source
from rerank_cli.formats.streams import Inputs, Line

IDS = ("_id", "id", "docid", "doc_id", "qid", "query_id")  # the first of these that a JSON line has
TEXTS = ("text", "contents", "content", "body", "query")
AT_ONCE = 500  # rows a statement
ADVICE = "One JSON object a line with _id and text (BEIR), or tab-separated: id, text or id, title, text."


class Lookup:
    """The lines of a file by their ids. Used by one thread at a time."""

    def __init__(self, path: str, max_line_bytes: int) -> None:
        """Index the file.

        Raises InputError for a line that has no id or text, and for an id that stands twice; ConfigError for a pipe.
        """
        self.path = path
        self._packed = False
        self._file: IO[bytes] | None = None
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("CREATE TABLE lines (id TEXT, place INTEGER, line BLOB)")
        inputs = Inputs((path,))
        self._source = inputs.sources[0]
        if self._source.size is None or path == "-":
            raise ConfigError(f"{path}: is no regular file", "Texts are looked up in it again and again: name a file.")
        self._packed = is_packed(self._source)
        try:
            self._fill(inputs, max_line_bytes)
        except sqlite3.Error as fault:
            raise InputError(
                f"{path}: cannot be indexed ({fault})", "Make room, or name another folder with SQLITE_TMPDIR."
            ) from None
        if not self._packed:
            self._file = open(path, "rb")  # noqa: SIM115 (it is read as long as we live)

    def _fill(self, inputs: Inputs, max_line_bytes: int) -> None:
        digest = hashlib.sha256()
        self._rows.execute("BEGIN")
        self._rows.executemany(
            "INSERT INTO lines VALUES (?, ?, ?)", self._indexed(inputs.lines(max_line_bytes), digest)
        )
        twice = self._rows.execute("SELECT id FROM lines GROUP BY id HAVING count(*) > 1 LIMIT 1").fetchone()
        if twice is not None:
            raise InputError(f"{self.path}: the id {twice[0]!r} stands twice", "Remove one of the lines.")
        self._rows.execute("CREATE UNIQUE INDEX by_id ON lines (id)")
        self._rows.execute("COMMIT")
        self.sha256 = digest.hexdigest()

    def _indexed(self, lines: Iterator[Line], digest: Any) -> Iterator[tuple[str, int, bytes | None]]:
        for line in lines:
            digest.update(line.raw + b"\n")
            if not line.raw.strip() and not line.too_long:
                continue
            try:
                if line.too_long:
                    raise Malformed("the line is longer than --max-line-bytes")
                name = entry_of(line.raw)["id"]
            except Malformed as fault:
                raise InputError(f"{line.origin}: {fault.reason} (at {fault.path})", ADVICE) from None
            yield name, line.origin.byte_offset, line.raw if self._packed else None

    def entries(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the file says of these ids: `id`, `text` and other fields. Ids that it does not have are left out.

        Raises InputError when a plain file was written to since it was indexed.
        """
        found: dict[str, dict[str, Any]] = {}
        if self._file is not None and self._source.was_written_to():
            raise InputError(f"{self.path}: was rewritten while it was read", "Run again on a file that holds still.")
        distinct = list(dict.fromkeys(names))
        for start in range(0, len(distinct), AT_ONCE):
            some = distinct[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            for name, place, line in self._rows.execute(
                f"SELECT id, place, line FROM lines WHERE id IN ({marks})", some
            ):
                found[name] = entry_of(line if self._file is None else self._line_at(self._file, place))
        return found

    def _line_at(self, file: IO[bytes], place: int) -> bytes:
        file.seek(place)
        return file.readline().rstrip(b"\n")


def is_packed(source: Source) -> bool:
    """Whether a file is compressed."""
    with source.open() as opened:
        return opened.packed


def entry_of(raw: bytes) -> dict[str, Any]:
    """A line of a corpus or of queries: `id` and `text` as strings, and what else it says. Raises Malformed."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip().startswith(b"{"):
        return _of_json(parse_object(raw))
    try:
        name, *fields = raw.decode("utf-8").rstrip("\r").split("\t")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    if len(fields) == 1:
        return {"id": name, "text": fields[0]}
    if len(fields) == 2:
        return {"id": name, "title": fields[0], "text": fields[1]}
    raise Malformed(f"{len(fields) + 1} columns, not 2 or 3 with tabs between them")


def _of_json(body: dict[str, Any]) -> dict[str, Any]:
    name = next((name for name in IDS if name in body), None)
    text = next((name for name in TEXTS if name in body), None)
    if name is None or text is None:
        raise Malformed(f"no {' or '.join(IDS[:2] if name is None else TEXTS[:2])}")
    if not isinstance(body[name], str | int) or isinstance(body[name], bool):
        raise Malformed(f"{name} is {kind(body[name])}, not a string or an integer", f"$.{name}")
    if not isinstance(body[text], str):
        raise Malformed(f"{text} is {kind(body[text])}, not a string", f"$.{text}")
    rest = {key: value for key, value in body.items() if key not in (name, text, "id", "text")}
    return {"id": str(body[name]), **rest, "text": body[text]}
