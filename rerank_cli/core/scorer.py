"""The contract of an engine: pairs of texts in, raw float32 logits out.

Constructing an engine is cheap: it finds its model and device and fills `identity`, which is compared before a run is
resumed. `load` then reads the weights.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rerank_cli.core.config import RunConfig


@dataclass(frozen=True, slots=True)
class Identity:
    """The engine, its model and its device: everything that can change a score.

    `device` is the class of hardware ("cpu", or the name of a GPU), not the number of one of several. `versions` are
    those of the libraries that compute. Hashes are SHA-256 in hex.
    """

    engine: str
    model: str
    revision: str | None
    weights_sha256: str
    tokenizer_sha256: str
    config_sha256: str
    device: str
    dtype: str
    max_length: int
    query_max_length: int
    threads: int
    versions: dict[str, str]
    label: int | None = None  # of a classifier with several, the one that is ranked by
    prompt: str | None = None  # of a reranker that answers yes or no: its name, and the beginning of its hash
    instruction: str | None = None  # in the prompt, if it is not the prompt's own
    api: str | None = None  # of a server that gives the scores: its profile
    score_kind: str | None = None  # and what its scores are
    vectors: str | None = None  # the type to which vectors of documents are rounded, if they are kept across runs

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for the fingerprint and the statistics."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Traits:
    """What the planner needs to know about an engine.

    `multiple`: a batch costs its rows times its longest pair, rounded up to this multiple (0: the sum of its pairs).
    `batch_tokens` and `window_batches` are the defaults for its device: tokens per batch, and the size of a window in
    batches. `batch_invariant`: a logit does not depend on the batch that it is computed in, to the last bit. It is set
    where a test shows it. `has_logits`: whether a score can be read as a logit; else its sigmoid means nothing.
    `has_vectors`: whether the engine is a VectorScorer. `per_query`: a batch holds all pairs of one query, and the
    engine divides it itself. `is_remote`: whether the engine is a RemoteScorer.
    """

    multiple: int
    batch_tokens: int
    window_batches: int
    batch_invariant: bool = False
    has_logits: bool = True
    has_vectors: bool = False
    per_query: bool = False
    is_remote: bool = False


@dataclass(frozen=True, slots=True)
class PreparedPair:
    """A pair ready for the device: its cost in tokens, whether it was truncated, and the engine's `payload`.

    For a document scored in chunks this is the first chunk, with its characters in `span` and the other chunks in
    `more`. `uncut` is the length of the pair in tokens before it was truncated or divided: 0 for chunks after the
    first, None for a pair that was not cut. A cache of scores adds its `key`, and the `logit` where it has that: such a
    pair is not scored, but its cost counts towards its window, which must not depend on a cache. `query` is set where
    batches are by query.
    """

    cost: int
    truncated: bool
    payload: Any
    span: tuple[int, int] | None = None
    more: tuple["PreparedPair", ...] = ()
    uncut: int | None = None
    key: bytes = b""
    logit: float | None = None
    query: str = ""

    @property
    def parts(self) -> "tuple[PreparedPair, ...]":
        """This pair and its further chunks."""
        return (self, *self.more)


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs that are scored together, longest first; `tokens` and `padded` as planned."""

    pairs: tuple[PreparedPair, ...]
    tokens: int
    padded: int

    @classmethod
    def of(cls, pairs: "Sequence[PreparedPair]") -> "Batch":
        """A batch of these pairs, padded to the longest."""
        return cls(tuple(pairs), sum(pair.cost for pair in pairs), max(pair.cost for pair in pairs) * len(pairs))


@dataclass(frozen=True, slots=True)
class NoScore:
    """Why a pair has no score: its record fails with this reason."""

    reason: str


Logit = float | NoScore  # what an engine returns for a pair: a raw float32 logit, or why there is none


def as_numbers(logits: "Sequence[Logit]") -> list[float]:
    """The logits; NaN for a pair without one."""
    return [math.nan if isinstance(logit, NoScore) else logit for logit in logits]


class OutOfMemory(Exception):
    """The device could not hold this batch. Every batch before it has been yielded, none after it."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(f"out of memory with a batch of {len(batch.pairs)} pairs, {batch.padded} tokens")
        self.batch = batch


class Scorer(Protocol):
    """An engine. `prepare` runs in another thread than `score`; neither is called by two threads at once."""

    identity: Identity
    traits: Traits
    notes: list[str]  # reported to the user once: what was adjusted and why

    def load(self) -> None:
        """Load the model onto the device and self-test it. Raises ModelError or DeviceError."""

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Tokenize (query, document) pairs on the CPU. Returns one prepared pair each, in the same order."""

    def content(self, pair: PreparedPair) -> bytes:
        """The input of a prepared pair as the engine composed it.

        Two pairs with the same content have the same logit, but for what their batches change.
        """

    def score(self, batches: Iterator[Batch]) -> Iterator[Sequence[Logit]]:
        """Yield the raw float32 logits of each batch, one per pair, in order.

        May read a few batches ahead. Raises OutOfMemory with the batch that did not fit, DeviceError when the device
        fails, PassingFault when it was lost.
        """

    def close(self) -> None:
        """Release the device."""


class Shelf(Protocol):
    """Where an engine keeps vectors of documents for later runs: their numbers, little-endian, by the document.

    A document is what the model reads of it, as bytes.
    """

    def find(self, documents: Sequence[bytes]) -> dict[bytes, bytes]:
        """The vectors of those documents that are kept."""

    def add(self, vectors: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep the vectors of documents."""


class VectorScorer(Scorer, Protocol):
    """An engine that makes vectors of a document from its text alone, and can keep them as float16."""

    def use_shelf(self, shelf: Shelf) -> None:
        """Take vectors of documents from a shelf, and add what is computed. All are rounded to float16 from then on."""

    def document(self, pair: PreparedPair) -> tuple[bytes, int]:
        """What the model reads of the document of a prepared pair, and how many bytes its vectors take on a shelf."""

    def query_tokens(self, pair: PreparedPair) -> int:
        """The tokens of the query of a prepared pair."""

    def forget(self) -> None:
        """Drop the vectors that are kept in memory."""


@dataclass(frozen=True, slots=True)
class RemoteCost:
    """What a server is asked for some pairs: requests, and the units that it bills, as far as that can be estimated."""

    requests: int = 0
    units: int = 0

    def __add__(self, other: "RemoteCost") -> "RemoteCost":
        return RemoteCost(self.requests + other.requests, self.units + other.units)


class RemoteScorer(Scorer, Protocol):
    """An engine that asks a server. No text is sent before `score`."""

    billed_unit: str  # what the server bills; "" if it bills nothing

    def cost_of(self, batch: Batch) -> RemoteCost:
        """What scoring a batch would cost. Nothing is sent."""

    def seconds_for(self, requests: int) -> float | None:
        """How long so many requests take at the rate that is allowed; None if no rate is set."""

    def figures(self) -> dict[str, Any]:
        """What this process sent: requests, those sent again, and the units that the server billed."""


def known_and_unknown(pairs: Sequence[PreparedPair]) -> tuple[dict[int, float], list[int]]:
    """The logits that are known, by the position of their pair, and the positions of the pairs to score."""
    known = {index: pair.logit for index, pair in enumerate(pairs) if pair.logit is not None}
    unknown = [index for index, pair in enumerate(pairs) if pair.logit is None] if known else list(range(len(pairs)))
    return known, unknown


BUDGETS = ("batch_tokens", "window_tokens")


def budgets_of(config: RunConfig, traits: Traits) -> dict[str, int]:
    """The budgets of a run. `auto` is resolved once, by the device."""
    batch_tokens = config.batch.batch_tokens or traits.batch_tokens
    return {
        "batch_tokens": batch_tokens,
        "window_tokens": config.batch.window_tokens or batch_tokens * traits.window_batches,
    }
