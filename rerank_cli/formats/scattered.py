"""Notice queries whose lines are not adjacent: each part of such a query is a record, ranked on its own.

Memory is bounded: a part is noticed if fewer than REMEMBERED other queries begin between it and the part before it.
"""

from collections.abc import Hashable

from rerank_cli.core.records import Origin

REMEMBERED = 2**17  # queries, and as many older ones
NAMED = 3  # queries in a sentence
SHOWN = 40  # characters of a query in a sentence
LINES = 40  # bits of a line number


class Scattered:
    """Counts the records that are later parts of a query (`count`), and names the first of these queries."""

    def __init__(self) -> None:
        self.count = 0
        self._newer: dict[int, int] = {}  # hashes of keys, and where the query begins
        self._older: dict[int, int] = {}
        self._sources: list[str] = []
        self._named: dict[Hashable, str] = {}

    def see(self, key: Hashable, origin: Origin) -> None:
        """Count a record. Its key is the id or the text of its query, or ("id" or "query", that)."""
        number = hash(key)
        begin = self._newer.get(number, self._older.get(number))
        if begin is None:
            begin = self._place(origin)
        else:
            self.count += 1
            if len(self._named) < NAMED:
                name = str(key[1] if isinstance(key, tuple) else key)
                self._named.setdefault(key, f"{name[:SHOWN]!r} ({self._shown(begin)} and {origin})")
        self._newer[number] = begin
        if len(self._newer) == REMEMBERED:
            self._newer, self._older = {}, self._newer

    def _place(self, origin: Origin) -> int:
        """The input and the line as one number, which is small in memory."""
        if not self._sources or self._sources[-1] != origin.source:
            self._sources.append(origin.source)
        return (len(self._sources) - 1) << LINES | origin.line

    def _shown(self, place: int) -> str:
        return f"{self._sources[place >> LINES]}:{place & ((1 << LINES) - 1)}"

    @property
    def warnings(self) -> list[str]:
        """A sentence that counts the later parts, and says what to do; nothing if there are none."""
        if not self.count:
            return []
        named = ", ".join([*self._named.values(), *(["…"] if self.count > len(self._named) else [])])
        parts = "1 later part is" if self.count == 1 else f"{self.count:,} later parts are"
        return [
            f"the lines of a query are not adjacent: {named}. {parts} ranked apart. "
            "Sort the lines by query first (`rerank help formats`)"
        ]
