"""Which formats there are, where their classes lie, and by which fields the first record of an input is known."""

from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import item_at, without

ABSENT = object()


class Known(NamedTuple):
    """A format: where its class is, and the dotted fields that a record of it has and none of the formats above has."""

    where: str
    fields: tuple[str, ...] = ()


FORMATS = {
    "rank-llm": Known("rank_llm:RankLlm", ("query.text", "candidates")),
    "nvidia": Known("nvidia:Nvidia", ("query.text", "passages")),
    "native": Known("native:Native", ("query", "candidates")),
    "openai-batch": Known("openai_batch:OpenAiBatch", ("custom_id", "url", "body")),
    "tevatron": Known("tevatron:Tevatron", ("query_id|qid", "query", "docid", "text")),
    "flag-embedding": Known("two_sided:FlagEmbedding", ("query", "pos", "neg")),
    "sentence-transformers": Known(
        "two_sided:SentenceTransformers", ("query|anchor|question", "positive|answer", "negative|negative_1")
    ),
    "tevatron-training": Known("tevatron_training:TevatronTraining", ("query", "positive_passages|negative_passages")),
    "ms-marco": Known(
        "ms_marco:MsMarco", ("query", "passages.passage_text|passages.0.passage_text", "!passages.0.text")
    ),
    "langchain": Known(
        "langchain:LangChain",
        ("query", "documents.0.page_content|documents.0.pageContent|documents.0.kwargs.page_content"),
    ),
    "labeled-list": Known(
        "labeled_list:LabeledList", ("query|anchor|question", "docs|documents|passages|positive|answer", "labels")
    ),
    "voyage": Known("api:Voyage", ("query", "documents", "top_k")),
    "rerank-api": Known("api:RerankApi", ("query", "documents")),
    "mixedbread": Known("api:Mixedbread", ("query", "input")),
    "tei": Known("api:Tei", ("query", "texts")),
    "beir": Known("trec:TrecRun"),
    "trec": Known("trec:TrecRun"),
    "flashrank": Known("flashrank:FlashRank", ("query", "passages")),
    "pairs": Known("pairs:Pairs", ("query", "text|passage|document")),
    "csv": Known("separated:Csv"),
    "tsv": Known("separated:Tsv"),
    "ms-marco-top1000": Known("top1000:Top1000"),
}
LAST = (  # what a record is taken for that has these fields and shows no other format
    ("flag-embedding", ("query", "pos")),
    ("labeled-list", ("query|anchor|question", "docs")),
    ("labeled-list", ("query|anchor|question", "positive|answer", "scores")),
    ("sentence-transformers", ("query|anchor", "positive")),
)


def format_of(body: dict[str, Any]) -> str | None:
    """The first format of which a record has all fields."""
    known = chain(((name, each.fields) for name, each in FORMATS.items() if each.fields), LAST)
    return next((name for name, fields in known if all(has(body, field) for field in fields)), None)


def has(body: Any, field: str) -> bool:
    """Whether a record has a dotted field; `a|b` is either, `!a` not that one, a number is a place in a list.

    >>> has({"documents": [{"page_content": ""}]}, "documents.0.page_content"), has({}, "qid|query_id"), has({}, "!id")
    (True, False, True)
    """
    if field.startswith("!"):
        return not has(body, field[1:])
    if "|" in field:
        return any(has(body, each) for each in field.split("|"))
    return item_at(body, field, ABSENT) is not ABSENT


def unmistakable(made: Any, name: str, dropped: Dropped | None = None, where: str = "") -> Any:
    """A record made for the format `name` without fields of its own by which it would be taken for another format.

    >>> unmistakable({"query": "q", "input": ["x"], "documents": ["y"]}, "mixedbread")
    {'query': 'q', 'input': ['x']}
    """
    if isinstance(made, list):
        return [unmistakable(each, name, dropped, "candidates[].") for each in made]
    if not isinstance(made, dict) or _foreign_marks(name).isdisjoint(made):
        return made
    while (other := format_of(made)) is not None and not marks(other) <= marks(name):
        field = next(each for each in sorted(marks(other) - marks(name)) if each in made)
        if dropped is not None:
            dropped.note([field], where)
        made = without(made, field)
    return made


@cache
def marks(name: str) -> frozenset[str]:
    """The top-level fields by which records of a format are known."""
    fields = [field for field in FORMATS[name].fields if not field.startswith("!")]
    return frozenset(each.partition(".")[0] for field in fields for each in field.split("|"))


@cache
def _foreign_marks(name: str) -> frozenset[str]:
    return frozenset[str]().union(*map(marks, FORMATS)) - marks(name)
