"""Queries whose lines do not stand together in a file of several lines a query.

Each piece would be a record of its own and be ranked by itself. So a file is looked over beforehand, and such queries
are refused. What comes through a pipe cannot be looked over: there a query is refused where it comes again.
"""

from collections.abc import Iterable

from rerank_cli.formats.json_values import Malformed


class Apart:
    """The queries of a file that come again behind others."""

    def __init__(self, qids: Iterable[str] | None, what: str) -> None:
        """`qids` has the query of each line of the file, None for a pipe; `what` the file is, for messages."""
        self._what = what
        self._apart = None if qids is None else _coming_again(qids)
        self._begun: set[int] = set()  # hashes of the queries so far, of a pipe

    def refuse(self, qid: str) -> None:
        """Called once for each group of lines. Raises Malformed for a query that has several."""
        if self._apart is None:
            again = hash(qid) in self._begun
            self._begun.add(hash(qid))
        else:
            again = qid in self._apart
        if again:
            reason = f"the lines of {qid[:40]!r} do not stand together in the {self._what}: sort it by query"
            raise Malformed(reason, content=True)


def _coming_again(qids: Iterable[str]) -> frozenset[str]:
    seen: set[int] = set()  # hashes: about 60 bytes a query
    again, last = set(), ""
    for qid in qids:
        if qid != last:
            last = qid
            if hash(qid) in seen:
                again.add(qid)
            seen.add(hash(qid))
    return frozenset(again)
