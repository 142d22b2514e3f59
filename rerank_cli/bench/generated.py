"""Generate records of given lengths for a benchmark, from common words that are one token in most tokenizers.

lognormal        documents of log-normal length, mean 230 tokens a pair, sigma 0.6, cut at 512
lognormal:64     the same with mean 64, cut at four times the mean
fixed:512        every pair exactly 512 tokens: documents twice as long, cut
"""

import math
import random
from collections.abc import Iterator
from typing import Any

from rerank_cli.core.errors import ConfigError

WORDS = (  # noqa: SIM905 (a list of words reads better as text)
    "time people year way day man thing food life child world school state family student group country problem "
    "hand part place case week company system program question work government number night point home water "
    "room music area money story fact month lot right film book page job word business issue side kind head "
    "house service land sea power second game line end member law car city community name president team minute "
    "idea body information back list face others level office door health person art war history party result "
    "change sun reason research girl star moment air test fire course "
).split()
CANDIDATES = 20  # per record
MEAN, SIGMA, QUERY_WORDS, SPECIALS = 230, 0.6, 6, 4


def kind_and_tokens(spec: str) -> tuple[str, int]:
    """The kind and the number of tokens of `--lengths`. Raises ConfigError."""
    kind, _, number = spec.partition(":")
    if kind not in ("lognormal", "fixed") or (number and not number.isdigit()) or (kind == "fixed" and not number):
        raise ConfigError(f"--lengths {spec}: unknown", "Use lognormal, lognormal:MEAN or fixed:TOKENS.")
    tokens = int(number) if number else MEAN
    if not 16 <= tokens <= 8192:
        raise ConfigError(f"--lengths {spec}: not between 16 and 8192 tokens", "Example: fixed:512.")
    return kind, tokens


def lengths_of(spec: str, max_length: int) -> int:
    """The maximal tokens per pair, limited by `--max-length`."""
    kind, tokens = kind_and_tokens(spec)
    return min(max_length, tokens if kind == "fixed" else max(512, 4 * tokens) if tokens > 128 else 4 * tokens)


def generate_records(spec: str, pairs: int) -> Iterator[dict[str, Any]]:
    """Records with 20 candidates, `pairs` in total. They are reproducible; fewer pairs are a prefix of more."""
    kind, tokens = kind_and_tokens(spec)
    rng = random.Random(7)
    mean = max(1, tokens - QUERY_WORDS - SPECIALS)
    location = math.log(mean) - SIGMA * SIGMA / 2
    for start in range(0, pairs, CANDIDATES):
        count = min(CANDIDATES, pairs - start)
        sizes = [2 * tokens if kind == "fixed" else round(rng.lognormvariate(location, SIGMA)) for _ in range(count)]
        texts = [" ".join(rng.choices(WORDS, k=max(1, size))) for size in sizes]
        query = " ".join(rng.choices(WORDS, k=QUERY_WORDS))
        yield {"id": f"q{start // CANDIDATES}", "query": query, "candidates": [{"text": text} for text in texts]}
