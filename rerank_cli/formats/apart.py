"""Refuse queries whose lines are not adjacent, in a file with several lines per query.

Each group of lines would become a separate record, with its own ranking. So a file is scanned before it is read, and
such queries are refused. A pipe cannot be scanned: there a query is refused when it occurs again.
"""

from collections.abc import Iterable

from rerank_cli.formats.json_values import Malformed


class Apart:
    """The queries of a file that occur again after other queries."""

    def __init__(self, qids: Iterable[str] | None, what: str) -> None:
        """`qids` has the query of each line of the file, None for a pipe; `what` describes the file, for messages."""
        self._what = what
        self._apart = None if qids is None else _coming_again(qids)
        self._begun: set[int] = set()  # hashes of the queries so far, for a pipe

    def refuse(self, qid: str) -> None:
        """Call this once for each group of lines. Raises Malformed for a query with several groups."""
        if self._apart is None:
            again = hash(qid) in self._begun
            self._begun.add(hash(qid))
        else:
            again = qid in self._apart
        if again:
            reason = f"the lines of {qid[:40]!r} are not adjacent in the {self._what}: sort it by query"
            raise Malformed(reason, content=True)


def _coming_again(qids: Iterable[str]) -> frozenset[str]:
    seen: set[int] = set()  # hashes: about 60 bytes per query
    again, last = set(), ""
    for qid in qids:
        if qid != last:
            last = qid
            if hash(qid) in seen:
                again.add(qid)
            seen.add(hash(qid))
    return frozenset(again)
