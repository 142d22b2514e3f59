"""The formats: where their classes are, and the fields that identify the first record of an input."""

from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import item_at, without

ABSENT = object()


class Known(NamedTuple):
    """A format: where its class is, and the dotted fields that distinguish its records from the formats above it.

    `lists` are the fields of its texts. If items are objects, they have the field `text`; without it, all are strings.
    """

    where: str
    fields: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    text: str = ""


FORMATS = {
    "rank-llm": Known("rank_llm:RankLlm", ("query.text", "candidates"), ("candidates",), "doc"),
    "nvidia": Known("nvidia:Nvidia", ("query.text", "passages"), ("passages",), "text"),
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
        "labeled_list:LabeledList",
        ("query|anchor|question", "docs|documents|passages|positive|answer", "labels"),
        ("docs", "documents", "passages", "positive", "answer"),
    ),
    "voyage": Known("api:Voyage", ("query", "documents", "top_k"), ("documents",), "text"),
    "rerank-api": Known("api:RerankApi", ("query", "documents"), ("documents",), "text"),
    "mixedbread": Known("api:Mixedbread", ("query", "input"), ("input",), "text"),
    "tei": Known("api:Tei", ("query", "texts"), ("texts",), "text"),
    "beir": Known("trec:TrecRun"),
    "trec": Known("trec:TrecRun"),
    "flashrank": Known("flashrank:FlashRank", ("query", "passages"), ("passages",), "text"),
    "pairs": Known("pairs:Pairs", ("query", "text|passage|document")),
    "csv": Known("separated:Csv"),
    "tsv": Known("separated:Tsv"),
    "ms-marco-top1000": Known("top1000:Top1000"),
}
LAST = (  # the format of a record that has these fields and matches no other
    ("flag-embedding", ("query", "pos")),
    ("labeled-list", ("query|anchor|question", "docs")),
    ("labeled-list", ("query|anchor|question", "positive|answer", "scores")),
    ("sentence-transformers", ("query|anchor", "positive")),
)


def format_of(body: dict[str, Any]) -> str | None:
    """The first format whose fields a record has, with items of the type that the format reads.

    >>> format_of({"query": "q", "docs": ["x"]}), format_of({"query": "q", "docs": [{"page_content": "x"}]})
    ('labeled-list', None)
    """
    known = chain(((name, each.fields) for name, each in FORMATS.items() if each.fields), LAST)
    found = (name for name, fields in known if all(has(body, field) for field in fields))
    return next((name for name in found if _holds_texts(body, FORMATS[name])), None)


def _holds_texts(body: dict[str, Any], known: Known) -> bool:
    """Whether the first item of a record's first list is a text of the format, not an object with other fields.

    Without a list there, another list of the record must be that of the texts. Other wrong values are no mark of
    another format.
    """
    lists = [body[field] for field in known.lists if isinstance(body.get(field), list)]
    if lists:
        item = lists[0][0] if lists[0] else None
        return not isinstance(item, dict) or (known.text != "" and known.text in item)
    named = any(body.get(field) is not None for field in known.lists)
    return not named or not any(isinstance(value, list) for value in body.values())


def has(body: Any, field: str) -> bool:
    """Whether a record has a dotted field. `a|b` is either, `!a` its absence, a number the index of a list.

    >>> has({"documents": [{"page_content": ""}]}, "documents.0.page_content"), has({}, "qid|query_id"), has({}, "!id")
    (True, False, True)
    """
    if field.startswith("!"):
        return not has(body, field[1:])
    if "|" in field:
        return any(has(body, each) for each in field.split("|"))
    return item_at(body, field, ABSENT) is not ABSENT


def unmistakable(record: Any, name: str, dropped: Dropped | None = None, where: str = "") -> Any:
    """A converted record of the format `name`, without user fields that would identify another format.

    >>> unmistakable({"query": "q", "input": ["x"], "documents": ["y"]}, "mixedbread")
    {'query': 'q', 'input': ['x']}
    """
    if isinstance(record, list):
        return [unmistakable(each, name, dropped, "candidates[].") for each in record]
    if not isinstance(record, dict) or _foreign_marks(name).isdisjoint(record):
        return record
    while (other := format_of(record)) is not None and not marks(other) <= marks(name):
        field = next(each for each in sorted(marks(other) - marks(name)) if each in record)
        if dropped is not None:
            dropped.note([field], where)
        record = without(record, field)
    return record


@cache
def marks(name: str) -> frozenset[str]:
    """The top-level fields that identify records of a format."""
    fields = [field for field in FORMATS[name].fields if not field.startswith("!")]
    return frozenset(each.partition(".")[0] for field in fields for each in field.split("|"))


@cache
def _foreign_marks(name: str) -> frozenset[str]:
    return frozenset[str]().union(*map(marks, FORMATS)) - marks(name)
