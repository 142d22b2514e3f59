"""Texts and ids of data, shortened for a page."""

from collections.abc import Iterable

from rerank_cli.evaluation.rankings import Results

TEXT = 240  # characters of a document
QUERY = 110  # characters of a query
TIP = 80  # characters of a query that is shown where a bar is pointed at
ID = 40  # characters of an id
MARKS = str.maketrans("", "", "\u200e\u200f\u061c")  # of direction: each text has its own in a page


def short(text: str, count: int) -> str:
    """A text of at most so many characters, without marks of direction."""
    text = text.translate(MARKS)
    return text if len(text) <= count else text[: count - 1] + "…"


def short_id(name: str) -> str:
    """An id of at most ID characters: its beginning and its end.

    >>> short_id("q1"), short_id("q" * 50 + "1")
    ('q1', 'qqqqqqqqqqqqqqqqqqqqqqqqqq…qqqqqqqqqqqq1')
    """
    return name if len(name) <= ID else f"{name[: ID - 14]}…{name[-13:]}"


def text_of(qid: str, files: Iterable[Results]) -> str:
    """The beginning of a query's text, from the first of these files that has it; else ""."""
    found = (results.queries[qid].query for results in files if qid in results.queries)
    return short(next(filter(None, found), ""), QUERY)


def tip(qid: str, query: str, figures: str) -> str:
    """What a bar says when it is pointed at: the query and its figures, on lines of their own."""
    return "\n".join(filter(None, [short_id(qid), short(query, TIP), figures]))
