"""The reranking APIs: how their requests and responses differ, and where they are.

One table for the formats that answer these requests, and for the engine that sends them. A `Dialect` is the names of
fields; a `Profile` is a provider or a server that speaks it. `tried` says how a profile was tried: "SDK" with the
provider's own Python library, "server" with a server that ran, "reference" by the published API reference alone.
Sources: the API references of Cohere (v1 and v2), Jina, Voyage, mixedbread, Together and Pinecone; the servers vLLM,
infinity, text-embeddings-inference, llama.cpp, SGLang and NVIDIA NIM.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

RemoteScore = Literal["logit", "probability", "cosine", "unknown"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The field names of an API in requests and responses; "" for fields that it lacks."""

    name: str
    documents: str
    top: str
    echo: str  # the flag that requests the documents' texts
    results: str  # "" if the response is a bare list
    score: str
    document: str
    bare: bool = False  # a document given as a string is returned as a string
    object: str = ""  # the `object` field of a response


COHERE = Dialect("rerank-api", "documents", "top_n", "return_documents", "results", "relevance_score", "document")
VOYAGE = Dialect(
    "voyage", "documents", "top_k", "return_documents", "data", "relevance_score", "document", bare=True, object="list"
)
MIXEDBREAD = Dialect("mixedbread", "input", "top_k", "return_input", "data", "score", "input", bare=True, object="list")
TEI = Dialect("tei", "texts", "", "return_text", "", "score", "text", bare=True)
NVIDIA = Dialect("nvidia", "passages", "", "", "rankings", "logit", "")
SGLANG = Dialect("sglang", "documents", "top_n", "return_documents", "", "score", "document", bare=True)

MB = 10**6
OWN = 100  # documents of a request to a server of one's own, which must answer it in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A provider of a reranking API, or a kind of server.

    `url` is where a provider is asked; "" for servers of one's own, whose URL the user gives. `paths` are those of the
    endpoint, the usual one first. `keys` names variables of the environment that hold the API key. `always` is sent
    with each request; `cut` instructs the server to truncate long texts, `whole` to refuse them. The limits are of a
    request: documents, bytes of its body, estimated tokens. `units` is the path of what is billed, called `billed`;
    `documents_per_unit` is how many documents one unit covers, None where units are tokens.
    """

    name: str
    dialect: Dialect
    tried: str
    url: str = ""
    paths: tuple[str, ...] = ("/v1/rerank",)
    keys: tuple[str, ...] = ()
    score: RemoteScore = "unknown"
    always: Mapping[str, Any] = field(default_factory=dict)
    cut: Mapping[str, Any] = field(default_factory=dict)
    whole: Mapping[str, Any] = field(default_factory=dict)
    most_documents: int = 1000
    most_bytes: int = 8 * MB
    most_tokens: int | None = None
    units: tuple[str, ...] = ("usage", "total_tokens")
    billed: str = ""
    documents_per_unit: int | None = None

    @property
    def is_hosted(self) -> bool:
        """Whether a provider runs it; else the user's own server."""
        return bool(self.url)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="cohere",
            dialect=COHERE,
            tried="SDK",
            url="https://api.cohere.com/v2/rerank",
            paths=("/v2/rerank",),
            keys=("CO_API_KEY", "COHERE_API_KEY"),
            score="probability",
            units=("meta", "billed_units", "search_units"),
            billed="search units",
            documents_per_unit=100,
        ),
        Profile(
            name="jina",
            dialect=COHERE,
            tried="reference",
            url="https://api.jina.ai/v1/rerank",
            keys=("JINA_API_KEY",),
            score="probability",
            always={"return_documents": False},
            billed="tokens",
        ),
        Profile(
            name="voyage",
            dialect=VOYAGE,
            tried="SDK",
            url="https://api.voyageai.com/v1/rerank",
            keys=("VOYAGE_API_KEY",),
            score="probability",
            cut={"truncation": True},
            whole={"truncation": False},
            most_tokens=600_000,
            billed="tokens",
        ),
        Profile(
            name="mixedbread",
            dialect=MIXEDBREAD,
            tried="SDK",
            url="https://api.mixedbread.com/v1/reranking",
            paths=("/v1/reranking",),
            keys=("MXBAI_API_KEY",),
            billed="tokens",
        ),
        Profile(
            name="together",
            dialect=COHERE,
            tried="SDK",
            url="https://api.together.ai/v1/rerank",
            keys=("TOGETHER_API_KEY",),
            billed="tokens",
        ),
        Profile(
            name="vllm",
            dialect=COHERE,
            tried="reference",
            most_documents=OWN,
            paths=("/v1/rerank", "/v2/rerank", "/rerank"),
            score="probability",
            cut={"truncate_prompt_tokens": -1},
            whole={"truncate_prompt_tokens": None},
        ),
        Profile(
            name="tei",
            dialect=TEI,
            tried="reference",
            paths=("/rerank",),
            score="logit",
            always={"raw_scores": True},
            cut={"truncate": True},
            whole={"truncate": False},
            most_documents=32,
            most_bytes=2 * MB,
            units=(),
        ),
        Profile(
            name="infinity",
            dialect=COHERE,
            tried="reference",
            most_documents=OWN,
            paths=("/rerank", "/v1/rerank"),
            score="probability",
        ),
        Profile(
            name="llamacpp",
            dialect=COHERE,
            tried="server",
            most_documents=OWN,
            paths=("/v1/rerank", "/rerank", "/v1/reranking", "/reranking"),
        ),
        Profile(
            name="sglang",
            dialect=SGLANG,
            tried="reference",
            most_documents=OWN,
            always={"return_documents": False},
            units=(),
        ),
    )
}
LISTWISE = ("jina-reranker-v3",)  # beginnings of the names of models that compare the documents of a request
URLS = ("http", "https")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):.*", re.DOTALL)


def scheme_of(model: str) -> str | None:
    """What stands before the colon of a model, such as a provider or http; None for a model without one.

    >>> scheme_of("cohere:rerank-v3.5"), scheme_of("HTTP://host/rerank"), scheme_of("BAAI/bge-reranker-v2-m3")
    ('cohere', 'http', None)
    """
    found = SCHEME.fullmatch(model)
    return found[1].lower() if found is not None else None


HOSTED = tuple(name for name, profile in PROFILES.items() if profile.is_hosted)
