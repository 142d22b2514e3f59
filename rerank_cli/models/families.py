"""Rerankers that this version does not run, recognised by the names that their authors gave them.

Only a model that is not on this machine is judged by its name: the files of one that is there say more.
"""

import re

WHAT_RUNS = "Choose a cross-encoder such as BAAI/bge-reranker-v2-m3: `rerank models` lists models that run."
CONVERTED = re.compile(r"seq-?cls|-seq$|^alibaba-nlp-community/")  # to a sequence classifier, which runs
NOT_RUN = {
    "a reranker built on a language model": r"qwen3-(vl-)?reranker|mxbai-rerank-.*v2|/zerank-|/ctxl-rerank"
    r"|bge-reranker-v2(\.5)?-(gemma|minicpm)",
    "a reranker built on T5": r"/mono-?m?t5|/rank-?t5",
    "a listwise reranker": r"jina-reranker-v3|/rank[-_]?(zephyr|vicuna)",
    "a model with code of its own in its repository": r"jina-reranker-(v1|v2|m0)|/gte-multilingual-reranker",
    "a late-interaction model": r"colbert",
}
OWNERS = {  # on the hub, of models that are often named without them
    "cross-encoder": r"ms-marco-(minilm|tinybert|electra)",
    "BAAI": r"bge-reranker-(base|large|v2-m3)$",
    "mixedbread-ai": r"mxbai-rerank-(xsmall|base|large)-v1$",
    "Alibaba-NLP": r"gte-reranker-modernbert-base$",
}
OF_AN_API = re.compile(r"(cohere[./])?rerank-(v?[0-9]|english|multilingual|lite)")  # Cohere's and Voyage's


def advice_on(name: str) -> str:
    """What to type for a well-known model that is no name of the hub; "" for all others.

    >>> advice_on("ms-marco-MiniLM-L-12-v2"), advice_on("a/rerank-v3.5")
    ('Its name on the hub is cross-encoder/ms-marco-MiniLM-L-12-v2.', '')
    """
    if OF_AN_API.match(name.lower()):
        return f"By its name it is a model of an API, which cannot be downloaded. {WHAT_RUNS}"
    owner = next((owner for owner, names in OWNERS.items() if re.match(names, name.lower())), None)
    return "" if owner is None else f"Its name on the hub is {owner}/{name}."


def family_of(name: str) -> str | None:
    """What a model with this hub id is, if this version does not run such models; None for all others.

    >>> family_of("Qwen/Qwen3-Reranker-0.6B"), family_of("tomaarsen/Qwen3-Reranker-0.6B-seq-cls")
    ('a reranker built on a language model', None)
    """
    name = name.lower()
    if CONVERTED.search(name):
        return None
    return next((family for family, names in NOT_RUN.items() if re.search(names, name)), None)
