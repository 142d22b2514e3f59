"""Look up texts by id in files of any size, such as `queries.tsv` or `corpus.jsonl.gz`, with an index on disk.

The index is a temporary SQLite database in SQLite's folder for temporary files (SQLITE_TMPDIR); it ends with the
process. For a plain file the index holds offsets, for a compressed one the lines themselves. Rejected alternative: an
index kept next to the file, which could be stale after the file changed.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import IO, Any

from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.files.sources import Source
from rerank_cli.formats.causes import ARRAY
from rerank_cli.formats.column_names import IDS, TEXTS
from rerank_cli.formats.columns import likeness
from rerank_cli.formats.json_values import Malformed, is_id, kind, parse_object
from rerank_cli.formats.kinds import refuse_as_texts

HEADS = frozenset(IDS)  # of ids, in a header
HEADS_OF_TEXTS = ("document", "doc")
AT_ONCE = 500  # rows per statement
NAMED = 2  # files in a sentence
LOOK_AT = 100  # lines: if none of these can be read, it is another kind of file
ADVICE = (
    "Expected one JSON object per line with _id and text (BEIR), or tab-separated columns: id, text or id, title, text."
)


class Lookup:
    """The lines of one or more files by their ids. Used by one thread at a time.

    A line that cannot be read, or an id with two texts, fails only the records that need it.
    """

    def __init__(self, paths: Sequence[str], max_line_bytes: int, titled: bool = True) -> None:
        """Index the files. Without `titled`, everything after the first tab of a line is the text.

        Raises InputError when none of the first lines can be read, ConfigError for a pipe, a run or judgements.
        """
        self.name = ", ".join(paths[:NAMED]) + (f" and {len(paths) - NAMED} more files" if len(paths) > NAMED else "")
        self._lines = [LineReader(titled) for _ in paths]
        self._expected = "a corpus" if titled else "queries"
        self._bad, self._first_bad, self._equal = 0, "", 0
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute(
            "CREATE TABLE lines (id TEXT, file INTEGER, place INTEGER, line BLOB, fault TEXT, digest INTEGER)"
        )
        inputs = Inputs(tuple(paths))
        self._sources = inputs.sources
        for source in self._sources:
            if source.size is None or source.path == "-":
                raise ConfigError(
                    f"{source.path}: is not a regular file",
                    "Texts are looked up in it repeatedly: name a regular file.",
                )
        compressed = [is_compressed(source) for source in self._sources]
        try:
            self._fill(inputs, max_line_bytes, compressed)
        except sqlite3.Error as fault:
            raise InputError(
                f"{self.name}: cannot be indexed ({fault})",
                "Free some space, or name another folder with SQLITE_TMPDIR.",
            ) from None
        # open until `close`
        self._files = [None if each else open(path, "rb") for path, each in zip(paths, compressed, strict=True)]  # noqa: SIM115 (closed by `close`)

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the file."""
        notes = []
        if self._bad:
            notes.append(f"{self.name}: {self._bad:,} lines cannot be read (the first: {self._first_bad})")
        if self._equal:
            notes.append(f"{self.name}: {self._equal:,} duplicate lines were skipped")
        return notes

    def _fill(self, inputs: Inputs, max_line_bytes: int, compressed: Sequence[bool]) -> None:
        digest = hashlib.sha256()
        self._rows.execute("BEGIN")
        self._rows.executemany(
            "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?)",
            self._index_rows(inputs.lines(max_line_bytes), digest, compressed),
        )
        self._join_equal_lines()
        self._rows.execute("CREATE UNIQUE INDEX by_id ON lines (id)")
        self._rows.execute("COMMIT")
        self.sha256 = digest.hexdigest()

    def _join_equal_lines(self) -> None:
        """Keep one line per id: the first of equal lines. Different lines of one id are a fault."""
        twice = self._rows.execute(
            "SELECT id, min(rowid), count(*), count(DISTINCT digest) FROM lines GROUP BY id HAVING count(*) > 1"
        ).fetchall()
        if not twice:
            return
        self._rows.execute("CREATE INDEX for_a_while ON lines (id)")
        for name, first, count, different in twice:
            self._rows.execute("DELETE FROM lines WHERE id = ? AND rowid > ?", (name, first))
            if different == 1:
                self._equal += count - 1
            else:
                fault = "its id has several different lines"
                self._rows.execute("UPDATE lines SET fault = ? WHERE rowid = ?", (fault, first))
        self._rows.execute("DROP INDEX for_a_while")

    def _index_rows(
        self, lines: Iterator[Line], digest: Any, compressed: Sequence[bool]
    ) -> Iterator[tuple[str, int, int, bytes | None, str | None, int]]:
        good, begun = 0, -1  # readable lines, and the current file
        for line in lines:
            file = line.end.source
            digest.update(line.raw + b"\n")
            if not line.raw.strip() and not line.too_long:
                continue
            first, begun = file != begun, file
            try:
                if line.too_long:
                    raise Unreadable("the line is longer than --max-line-bytes")
                name, fault = self._lines[file].read(line.raw)["id"], None
                good += 1
                if first:
                    refuse_as_texts(line.raw, line.origin.source, self._expected)
            except Malformed as bad:
                if first:
                    refuse_as_texts(line.raw, line.origin.source, self._expected, readable=False)
                name, fault = getattr(bad, "name", None), f"{line.origin}: {bad.reason} (at {bad.path})"
                self._bad, self._first_bad = self._bad + 1, self._first_bad or fault
                self._refuse(good, line.raw)
                if name is None:
                    continue
            equal = int.from_bytes(hashlib.blake2b(line.raw.rstrip(b"\r"), digest_size=8).digest(), signed=True)
            yield name, file, line.origin.byte_offset, line.raw if compressed[file] else None, fault, equal
        self._refuse(good)

    def _refuse(self, good: int, last: bytes | None = None) -> None:
        """Raises InputError when no line up to the `last` one (None: of the complete file) can be read."""
        if self._bad and not good and (last is None or self._bad == LOOK_AT):
            raise InputError(self._first_bad, ADVICE)

    def entries(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The entries of these ids: `id`, `text` and other fields. Missing ids are left out.

        Raises Malformed for a line that cannot be read, InputError when a plain file changed since it was indexed.
        """
        entries: dict[str, dict[str, Any]] = {}
        for source, file in zip(self._sources, self._files, strict=True):
            if file is not None and source.was_written_to():
                reason = f"{source.path}: was changed while it was read"
                raise InputError(reason, "Run again when the file no longer changes.")
        distinct = list(dict.fromkeys(names))
        for start in range(0, len(distinct), AT_ONCE):
            some = distinct[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            for name, number, place, line, fault in self._rows.execute(
                f"SELECT id, file, place, line, fault FROM lines WHERE id IN ({marks})", some
            ):
                if fault is not None:
                    raise Malformed(f"{name!r} cannot be read from {self.name}: {fault}", content=True)
                file = self._files[number]
                entries[name] = self._lines[number].read(line if file is None else self._line_at(file, place))
        return entries

    def missing(self, what: str, name: str) -> Malformed:
        """The fault of a record that needs a missing id."""
        less = f" ({self._bad:,} of its lines cannot be read, the first: {self._first_bad})" if self._bad else ""
        return Malformed(f"{what} {name!r} is not in {self.name}{less}", content=True)

    def _line_at(self, file: IO[bytes], place: int) -> bytes:
        file.seek(place)
        return file.readline().rstrip(b"\n")


def is_compressed(source: Source) -> bool:
    """Whether a file is compressed."""
    with source.open() as opened:
        return opened.compressed


class Unreadable(Malformed):
    """A line that is not an entry; `name` is its id, if known."""

    def __init__(self, reason: str, path: str = "$", name: str | None = None) -> None:
        super().__init__(reason, path, content=True)
        self.name = name


class LineReader:
    """Lines of a corpus or of queries: JSON objects, or columns with tabs between them.

    A corpus has the columns id and text, or id, title and text; the first line decides. Queries have no titles, so a
    second tab is part of the text.
    """

    def __init__(self, titled: bool) -> None:
        self._titled = titled
        self._width = 0  # columns after the id, once known
        self._title_last = False  # by the header

    def read(self, raw: bytes) -> dict[str, Any]:
        """`id` and `text` as strings, and the other fields of a line. Raises Malformed."""
        raw = raw.removeprefix(b"\xef\xbb\xbf")
        if raw.lstrip().startswith(b"{"):
            return _of_json(parse_object(raw))
        if raw.lstrip().startswith(b"[") and b"\t" not in raw:
            raise Unreadable(f"not an entry; {ARRAY}")
        try:
            name, *fields = raw.decode("utf-8").rstrip("\r").split("\t", -1 if self._titled else 1)
        except UnicodeDecodeError:
            raise Unreadable("not UTF-8") from None
        if not self._titled and fields:
            return {"id": name, "text": fields[0]}
        if len(fields) not in (1, 2):
            reason = f"{len(fields) + 1} columns separated by tabs, expected 2 or 3{likeness(raw)}"
            raise Unreadable(reason, name=name)
        if not self._width:
            self._width, self._title_last = len(fields), _is_header_with_title_last([name, *fields])
        if len(fields) != self._width:
            reason = f"{len(fields) + 1} columns, the first line has {self._width + 1}; a text may contain a tab"
            raise Unreadable(reason, name=name)
        if self._title_last:
            fields.reverse()
        return {"id": name, **({"title": fields[0]} if self._width == 2 else {}), "text": fields[-1]}


def _is_header_with_title_last(columns: list[str]) -> bool:
    """Whether a first line is a header with the text before the title.

    >>> _is_header_with_title_last(["pid", "passage", "title"]), _is_header_with_title_last(["d1", "a", "title"])
    (True, False)
    """
    first, *rest = (each.strip().lower() for each in columns)
    return first in HEADS and len(rest) == 2 and rest[0] in (*TEXTS, *HEADS_OF_TEXTS) and rest[1] == "title"


def _of_json(body: dict[str, Any]) -> dict[str, Any]:
    name = next((name for name in IDS if body.get(name) is not None), None)
    if name is None:
        raise Unreadable(f"no {' or '.join(IDS[:2])}")
    if not is_id(body[name]):
        raise Unreadable(f"{name} is {kind(body[name])}, not a string or an integer", f"$.{name}")
    text = next((each for each in TEXTS if each in body), None)
    if text is None:
        raise Unreadable(f"no {' or '.join(TEXTS[:2])}", name=str(body[name]))
    if not isinstance(body[text], str):
        raise Unreadable(f"{text} is {kind(body[text])}, not a string", f"$.{text}", str(body[name]))
    rest = {key: value for key, value in body.items() if key not in (name, text, "id", "text")}
    return {"id": str(body[name]), **rest, "text": body[text]}
