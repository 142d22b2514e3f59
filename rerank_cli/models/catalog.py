"""The families of models that run, with well-known models of each.

Sizes, languages and licences are those of the models' cards on the hub in November 2026. A card may change, and so may
a licence: the card counts. Any other model of a family runs, too.
"""

import re
from dataclasses import dataclass

from rerank_cli.models.declared import BI_ENCODER, CROSS_ENCODER, LATE, MODULAR, YES_NO

NON_COMMERCIAL = re.compile(r"(^|-)(nc|non-?commercial|research(-use)?-only)($|-)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model on the hub: parameters in millions, the most tokens of a pair, languages, and the SPDX id of its licence.

    `languages` are codes or a number of languages.
    """

    name: str
    parameters: float
    tokens: int
    languages: str
    licence: str

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return is_non_commercial(self.licence)


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind and architecture: `model_type` is that of config.json."""

    name: str
    kind: str
    model_type: str
    models: tuple[ListedModel, ...]


APACHE, MIT = "Apache-2.0", "MIT"

FAMILIES = (
    Family(
        "XLM-RoBERTa cross-encoders",
        CROSS_ENCODER,
        "xlm-roberta",
        (
            ListedModel("BAAI/bge-reranker-v2-m3", 568, 8192, "100+", APACHE),
            ListedModel("BAAI/bge-reranker-large", 560, 512, "en zh", MIT),
            ListedModel("BAAI/bge-reranker-base", 278, 512, "en zh", MIT),
            ListedModel("cross-encoder/mmarco-mMiniLMv2-L12-H384-v1", 118, 512, "14", APACHE),
        ),
    ),
    Family(
        "BERT cross-encoders",
        CROSS_ENCODER,
        "bert",
        (
            ListedModel("cross-encoder/ms-marco-MiniLM-L12-v2", 33.4, 512, "en", APACHE),
            ListedModel("cross-encoder/ms-marco-MiniLM-L6-v2", 22.7, 512, "en", APACHE),
            ListedModel("cross-encoder/ms-marco-TinyBERT-L2-v2", 4.4, 512, "en", APACHE),
            ListedModel("mini", 39.8, 512, "many", APACHE),
        ),
    ),
    Family(
        "ModernBERT cross-encoders",
        CROSS_ENCODER,
        "modernbert",
        (ListedModel("Alibaba-NLP/gte-reranker-modernbert-base", 149, 8192, "en", APACHE),),
    ),
    Family(
        "ModernBERT with a head in modules",
        MODULAR,
        "modernbert",
        (
            ListedModel("cross-encoder/ettin-reranker-1b-v1", 1000, 8192, "en", APACHE),
            ListedModel("cross-encoder/ettin-reranker-400m-v1", 400, 8192, "en", APACHE),
            ListedModel("cross-encoder/ettin-reranker-150m-v1", 150, 8192, "en", APACHE),
            ListedModel("cross-encoder/ettin-reranker-68m-v1", 68, 8192, "en", APACHE),
            ListedModel("cross-encoder/ettin-reranker-17m-v1", 17, 8192, "en", APACHE),
        ),
    ),
    Family(
        "DeBERTa cross-encoders",
        CROSS_ENCODER,
        "deberta-v2",
        (
            ListedModel("mixedbread-ai/mxbai-rerank-large-v1", 435, 512, "en", APACHE),
            ListedModel("mixedbread-ai/mxbai-rerank-base-v1", 184, 512, "en", APACHE),
            ListedModel("mixedbread-ai/mxbai-rerank-xsmall-v1", 70.8, 512, "en", APACHE),
        ),
    ),
    Family(
        "ELECTRA cross-encoders",
        CROSS_ENCODER,
        "electra",
        (ListedModel("cross-encoder/ms-marco-electra-base", 109, 512, "en", APACHE),),
    ),
    Family(
        "Language models that answer yes or no",
        YES_NO,
        "",  # of several architectures
        (
            ListedModel("Qwen/Qwen3-Reranker-8B", 8188, 32768, "100+", APACHE),
            ListedModel("Qwen/Qwen3-Reranker-4B", 4022, 32768, "100+", APACHE),
            ListedModel("Qwen/Qwen3-Reranker-0.6B", 596, 32768, "100+", APACHE),
            ListedModel("mixedbread-ai/mxbai-rerank-large-v2", 1544, 32768, "100+", APACHE),
            ListedModel("mixedbread-ai/mxbai-rerank-base-v2", 494, 32768, "100+", APACHE),
            ListedModel("BAAI/bge-reranker-v2-gemma", 2506, 8192, "many", APACHE),
            ListedModel("zeroentropy/zerank-2", 4022, 32768, "many", "CC-BY-NC-4.0"),
            ListedModel("zeroentropy/zerank-1", 4022, 32768, "many", "CC-BY-NC-4.0"),
            ListedModel("zeroentropy/zerank-1-small", 1721, 32768, "many", APACHE),
        ),
    ),
    Family(
        "Late interaction",
        LATE,
        "",  # of any architecture
        (
            ListedModel("lightonai/GTE-ModernColBERT-v1", 149, 300, "en", APACHE),
            ListedModel("colbert-ir/colbertv2.0", 110, 180, "en", MIT),
            ListedModel("answerdotai/answerai-colbert-small-v1", 33.4, 512, "en", APACHE),
        ),
    ),
    Family(
        "Bi-encoders",
        BI_ENCODER,
        "",  # of any architecture
        (
            ListedModel("intfloat/multilingual-e5-base", 278, 512, "94", MIT),
            ListedModel("intfloat/multilingual-e5-small", 118, 512, "94", MIT),
            ListedModel("sentence-transformers/all-MiniLM-L6-v2", 22.7, 256, "en", APACHE),
        ),
    ),
)


def listed_model(name: str) -> ListedModel | None:
    """The row of a model; None for an unknown one."""
    return next((model for family in FAMILIES for model in family.models if model.name == name), None)


def is_non_commercial(licence: str) -> bool:
    """Whether a licence says by its name that it forbids commercial use.

    >>> [is_non_commercial(name) for name in ("CC-BY-NC-4.0", "CC BY-NC 4.0", "acme_non_commercial", "MIT", "ncsa")]
    [True, True, True, False, False]
    """
    return NON_COMMERCIAL.search(re.sub(r"[\s_]+", "-", licence)) is not None
