"""Which options of a request to a reranking API change the response.

Each of these is either supported or refused by name. The names of the other fields are in `core.dialects`, and so are
the sources.
"""

from collections.abc import Mapping
from typing import Any

from rerank_cli.core.dialects import Dialect
from rerank_cli.formats.json_values import kind

TOPS = ("top_n", "top_k")
ECHOES = ("return_documents", "return_input", "return_text")
LOGITS_IF = {"raw_scores": True, "use_activation": False, "activation": False}  # infinity and TEI; vLLM
WHOLE_IF = {
    "truncate": (False, "NONE"),
    "truncation": (False,),
}  # TEI, NIM; Voyage: a text that is too long is an error
CUT_IF = (True, "END", "RIGHT", "right")  # values that allow truncation at the end
FLAGS = (*ECHOES, *LOGITS_IF)

# Refused options, each with the values that have no effect; null never has one.
REFUSED: dict[str, tuple[Any, ...]] = {
    "rank_fields": ([], ["text"]),
    "max_tokens_per_doc": (),
    "max_chunks_per_doc": (),
    "max_doc_length": (),
    "max_query_length": (),
    "max_tokens_per_query": (),
    "max_length": (),
    "add_special_tokens": (True,),
    "chat_template_kwargs": ({},),
    "prompt_name": (),
    "query_instruction": ("",),
    "threshold": (),
    "min_score": (),
    "truncate_prompt_tokens": (-1,),
    "truncation_direction": ("Right", "right"),
    "truncation_side": ("right",),
    "overlap_tokens": (),
    "instruction": ("",),
    "instruct": ("",),
    "score_threshold": (),
    "softmax": (False,),
    "normalize": (True,),
    "rewrite_query": (False,),
    "return_embeddings": (False,),
    "chat_template": (),
    "parameters": ({},),
}
OPTIONS = frozenset({*TOPS, *ECHOES, *LOGITS_IF, *WHOLE_IF, *REFUSED})
WAYS = {
    "rank_fields": "remove it and use --doc-template",
    "max_tokens_per_doc": "remove it and use --max-length",
    "max_doc_length": "remove it and use --max-length",
    "max_query_length": "remove it and use --query-max-length",
    "max_tokens_per_query": "remove it and use --query-max-length",
    "max_length": "remove it and use --max-length",
    "threshold": "remove it and use --min-score",
    "min_score": "remove it and use --min-score",
    "truncate_prompt_tokens": "remove it and use --max-length",
    "overlap_tokens": "remove it and use --long-docs chunk with --chunk-overlap",
    "max_chunks_per_doc": "remove it and use --long-docs chunk",
    "score_threshold": "remove it and use --min-score",
}


def problem(name: str, value: Any, dialect: Dialect) -> str | None:
    """Why an option of a request is not supported; None if it is.

    >>> from rerank_cli.core.dialects import COHERE
    >>> problem("top_n", 3, COHERE), problem("top_k", 3, COHERE)
    (None, '"top_k" is not an option of rerank-api requests (use top_n)')
    """
    if value is None:
        return None
    if name in TOPS and (type(value) is not int or value < 0):
        return f"$.{name} is not a count"
    if name in FLAGS and not isinstance(value, bool):
        return f"$.{name} is {kind(value)}, not true or false"
    return _why_refused(name, value, dialect)


def _why_refused(name: str, value: Any, dialect: Dialect) -> str | None:
    if name in TOPS:
        fits, way = name == dialect.top, f"use {dialect.top}" if dialect.top else "remove it and use --top-k"
    elif name in ECHOES:
        fits, way = name == dialect.echo or not value, f"use {dialect.echo}" if dialect.echo else "remove it"
    elif name in WHOLE_IF:
        fits, way = _in(value, (*WHOLE_IF[name], *CUT_IF)), "use true or false"
    else:
        fits = name not in REFUSED or _in(value, REFUSED[name])
        return (
            None if fits else f'"{name}" is not supported and would change the response ({WAYS.get(name, "remove it")})'
        )
    return None if fits else f'"{name}" is not an option of {dialect.name} requests ({way})'


def _in(value: Any, values: tuple[Any, ...]) -> bool:
    """Whether `value` is one of `values` and of its type: 0 is not False."""
    return any(type(value) is type(each) and value == each for each in values)


def wants_logits(body: Mapping[str, Any]) -> bool:
    """Whether a request asks for raw scores."""
    return any(body.get(name) is value for name, value in LOGITS_IF.items())


def truncate_word(body: Mapping[str, Any]) -> str | None:
    """The truncation that a request asks for, in NVIDIA's words; None if it does not say.

    >>> truncate_word({"truncate": False}), truncate_word({"truncation": True}), truncate_word({"truncate": "yes"})
    ('NONE', 'END', None)
    """
    if refuses_cut(body):
        return "NONE"
    return "END" if any(_in(body.get(name), CUT_IF) for name in WHOLE_IF) else None


def refuses_cut(body: Mapping[str, Any]) -> bool:
    """Whether a request forbids truncation: longer texts are errors."""
    return any(_in(body.get(name), values) for name, values in WHOLE_IF.items())
