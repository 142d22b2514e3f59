"""The options of reranking APIs."""

from typing import Annotated

from rerank_cli.cli.option import option
from rerank_cli.core.dialects import PROFILES

Api = Annotated[
    str | None,
    option("api", f"Kind of API at the URL of --model: {', '.join(PROFILES)}.", values=list(PROFILES)),
]
ApiKeyFile = Annotated[
    str | None,
    option(
        "api-key-file",
        "File that holds the key of an API, with mode 600. Without it, the key is read from the environment.",
    ),
]
Concurrency = Annotated[
    int,
    option("concurrency", "Requests to an API at the same time. Fewer while it answers 429.", min=1, most=256),
]
RequestsPerMinute = Annotated[
    float | None, option("requests-per-minute", "Most requests to an API in a minute (default: any number).", min=0.001)
]
