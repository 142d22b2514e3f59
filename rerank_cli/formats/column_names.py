"""The usual names of the columns of runs and judgements (query, document, score, rank, grade, tag), and of ids.

Names are compared in lower case, with `_` for `-` and blanks: `query-id`, `Query ID` and `query_id` are the same. The
name of an id is preferred to a word that can also name a text (`qid` to `query`).
"""

from collections.abc import Iterable, Mapping

from rerank_cli.formats.json_values import BLANKS, Malformed

QUERY_IDS = frozenset({"query_id", "queryid", "qid", "q_id", "topic_id", "topicid", "topic_number"})
DOCUMENT_IDS = frozenset({"corpus_id", "document_id", "doc_id", "docid", "docno", "did", "d_id", "pid", "passage_id"})
QUERY_NAMES = QUERY_IDS | {"query", "topic"}
DOCUMENT_NAMES = DOCUMENT_IDS | {"doc", "document", "passage"}
SCORE_NAMES = frozenset({"score"})
RANK_NAMES = frozenset({"rank"})
TAG_NAMES = frozenset({"tag", "run", "run_id", "runid", "run_name"})
ITERATION_NAMES = frozenset({"iteration", "iter", "q0", "subtopic"})
GRADE_NAMES = frozenset({"relevance", "rel", "grade", "label", "judgement", "judgment"})

# The first of these that a JSON line has: MS MARCO's passages also have the docid of their document.
IDS = ("_id", "id", "pid", "passage_id", "docid", "doc_id", "docno", "corpus_id", "corpus-id", "did", "qid", "query_id")
TEXTS = ("text", "contents", "content", "body", "passage", "segment", "query")


class Ambiguous(Malformed):
    """Two columns have names of the same role."""


def normal(name: str) -> str:
    """A name in the form that is compared.

    >>> normal('"Query-ID"'), normal("corpus id ")
    ('query_id', 'corpus_id')
    """
    return name.strip(BLANKS + "\"'").lower().replace("-", "_").replace(" ", "_")


def place_of(names: Iterable[str], *known: frozenset[str]) -> int | None:
    """The position of the name in the first of the sets `known` that matches; None without a match.

    Raises Ambiguous when two names are in the same set.

    >>> place_of(["qid", "query", "score"], QUERY_IDS, QUERY_NAMES), place_of(["qid"], DOCUMENT_IDS)
    (0, None)
    """
    names = [normal(each) for each in names]
    for some in known:
        places = [place for place, name in enumerate(names) if name in some]
        if len(places) > 1:
            both = " and ".join(names[place] for place in places[:2])
            raise Ambiguous(f"{both} are ambiguous")
        if places:
            return places[0]
    return None


def field_of(body: Mapping[str, object], *known: frozenset[str]) -> str | None:
    """The field of a JSON object with a `known` name, as `place_of` finds it."""
    place = place_of(body, *known)
    return None if place is None else list(body)[place]
