"""The configuration of a benchmark."""

from dataclasses import dataclass

from rerank_cli.bench.peers import PEERS
from rerank_cli.core.config import ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """What to measure. Exactly one of `source` (a file in the native format) and `lengths` gives the records."""

    model: ModelConfig
    source: str | None = None
    lengths: str = "lognormal"
    pairs: int = 320
    engines: tuple[str, ...] = ()  # "engine:dtype"; empty: all installed ones
    batch_tokens: tuple[int | None, ...] = (None,)
    peers: tuple[str, ...] = tuple(PEERS)
    batch_sizes: tuple[int, ...] = ()  # empty: each peer's own list
    rounds: int = 3
    random_weights: str | None = None
    tokenizer: str | None = None
    growth: tuple[int, ...] = ()  # numbers of pairs, in place of the comparison
