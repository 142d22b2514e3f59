"""Rerankers that this version does not run, recognised by the names that their authors gave them.

Only a model that is not on this machine is judged by its name: the files of one that is there say more.
"""

import re
from dataclasses import dataclass

WHAT_RUNS = "Choose a cross-encoder such as BAAI/bge-reranker-v2-m3: `rerank models` lists models that run."
CONVERTED = re.compile(r"seq-?cls|-seq$|^alibaba-nlp-community/")  # to a sequence classifier, which runs
OWN_CODE = "a model with code of its own in its repository"
JINA = "Jina's API runs it, and sentence-transformers 5 with transformers 4."
NOT_RUN = (  # what models are by their names, and where they run
    (r"bge-reranker-v2(\.5)?-(minicpm|gemma2)", OWN_CODE, "FlagEmbedding runs it."),
    (r"jina-reranker-(v1|v2|m0)", OWN_CODE, JINA),
    (
        r"(^|alibaba-nlp)/gte-multilingual-reranker",
        OWN_CODE,
        "alibaba-nlp-community/gte-multilingual-reranker-base runs here, with transformers 5.23 or newer.",
    ),
    (r"jina-reranker-v3", "a listwise reranker", "Jina's API runs it."),
    (r"/rank[-_]?(zephyr|vicuna)", "a listwise reranker", "RankLLM runs it."),
    (r"/mono-?m?t5|/rank-?t5", "a reranker built on T5", ""),
    (r"qwen3-vl-reranker", "a reranker of pictures and texts", ""),
    (r"jina-colbert", OWN_CODE, "Jina's API runs it."),
)
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


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a model is that this version does not run, and where it runs, if that is known."""

    family: str
    elsewhere: str

    @property
    def advice(self) -> str:
        """Where it runs, and what runs here."""
        return f"{self.elsewhere} {WHAT_RUNS}".strip()


def foreign_model(name: str) -> Foreign | None:
    """What a model with this hub id is, if this version does not run such models; None for all others.

    >>> foreign_model("BAAI/bge-reranker-v2-minicpm-layerwise").elsewhere
    'FlagEmbedding runs it.'
    >>> foreign_model("Qwen/Qwen3-Reranker-0.6B")
    """
    name = name.lower()
    if CONVERTED.search(name):
        return None
    return next((Foreign(family, where) for names, family, where in NOT_RUN if re.search(names, name)), None)
