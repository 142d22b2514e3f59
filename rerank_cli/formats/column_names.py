"""How people name what runs and judgements hold (query, document, score, rank, grade, tag), and texts their ids.

Names of columns are compared in lower case, with `_` for `-` and blanks: `query-id`, `Query ID` and `query_id` are one.
A name of an id counts before a word that may also name a text (`qid` before `query`).
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

# Of a text on a JSON line the first of these that it has: MS MARCO's passages also have the docid of their document.
IDS = ("_id", "id", "pid", "passage_id", "docid", "doc_id", "docno", "corpus_id", "corpus-id", "did", "qid", "query_id")
TEXTS = ("text", "contents", "content", "body", "passage", "segment", "query")


class Ambiguous(Malformed):
    """Two names may both be meant."""


def normal(name: str) -> str:
    """A name as it is compared.

    >>> normal('"Query-ID"'), normal("corpus id ")
    ('query_id', 'corpus_id')
    """
    return name.strip(BLANKS + "\"'").lower().replace("-", "_").replace(" ", "_")


def place_of(names: Iterable[str], *known: frozenset[str]) -> int | None:
    """The place of the only name among `known`, the first of these sets that has one; None where none has.

    Raises Ambiguous where two names are in the same set.

    >>> place_of(["qid", "query", "score"], QUERY_IDS, QUERY_NAMES), place_of(["qid"], DOCUMENT_IDS)
    (0, None)
    """
    names = [normal(each) for each in names]
    for some in known:
        places = [place for place, name in enumerate(names) if name in some]
        if len(places) > 1:
            both = " and ".join(names[place] for place in places[:2])
            raise Ambiguous(f"{both} may both be meant")
        if places:
            return places[0]
    return None


def field_of(body: Mapping[str, object], *known: frozenset[str]) -> str | None:
    """The field of a JSON object whose name is among `known`, as `place_of` finds it."""
    place = place_of(body, *known)
    return None if place is None else list(body)[place]
