"""The contract of an engine: pairs of texts in, raw float32 logits out.

Making an engine is cheap: it finds its model and device and fills `identity`, which is compared before a run is
continued; `load` then pays for the weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rerank_cli.core.config import RunConfig


@dataclass(frozen=True, slots=True)
class Identity:
    """What an engine is and runs on: everything of it that can change a score.

    `device` is the class of hardware ("cpu", or a GPU's name), not which of several it is. `versions` are those of the
    libraries that compute. Hashes are SHA-256 in hex.
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

    def as_dict(self) -> dict[str, Any]:
        """By name, for the journal's fingerprint and the statistics."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Traits:
    """What the planner must know of an engine.

    `multiple`: a batch costs its rows times its longest pair, filled up to a multiple of this (0: the sum of pairs).
    `batch_tokens` and `window_batches` are the defaults for its device: tokens a batch, and batches' worth of tokens a
    window.
    """

    multiple: int
    batch_tokens: int
    window_batches: int


@dataclass(frozen=True, slots=True)
class PreparedPair:
    """A pair ready for the device: its cost in tokens, whether a text was cut, and what the engine made of it.

    A document that is scored in parts gives its first part, with `span` (the characters of the document in it), and the
    others in `more`. `uncut` is the pair's length in tokens before it was cut or divided, 0 for parts after the first;
    None where nothing was.
    """

    cost: int
    truncated: bool
    payload: Any
    span: tuple[int, int] | None = None
    more: tuple["PreparedPair", ...] = ()
    uncut: int | None = None

    @property
    def parts(self) -> "tuple[PreparedPair, ...]":
        """Itself and the others."""
        return (self, *self.more)


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs to be scored together, longest first; `tokens` and `padded` as planned."""

    pairs: tuple[PreparedPair, ...]
    tokens: int
    padded: int

    @classmethod
    def of(cls, pairs: "Sequence[PreparedPair]") -> "Batch":
        """A few pairs as one batch, padded to the longest."""
        return cls(tuple(pairs), sum(pair.cost for pair in pairs), max(pair.cost for pair in pairs) * len(pairs))


class OutOfMemory(Exception):
    """The device could not hold this batch. Every batch before it has been yielded, none after it."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(f"out of memory with a batch of {len(batch.pairs)} pairs, {batch.padded} tokens")
        self.batch = batch


class Scorer(Protocol):
    """An engine. `prepare` runs in another thread than `score`; neither is called by two threads at once."""

    identity: Identity
    traits: Traits
    notes: list[str]  # for the user, once: what was adjusted and why

    def load(self) -> None:
        """Bring the model to the device and test it with known pairs. Raises ModelError or DeviceError."""

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Tokenize (query, document) pairs on the CPU; one prepared pair each, in the same order."""

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield for each batch, in order, one raw float32 logit per pair.

        May draw a few batches ahead of what it has yielded. Raises OutOfMemory with the batch that did not fit,
        DeviceError for a device that cannot go on and PassingFault for one that went away.
        """

    def close(self) -> None:
        """Free the device."""


def budgets_of(config: RunConfig, traits: Traits) -> dict[str, int]:
    """The budgets that `auto` leaves to the device, decided once for the whole run."""
    batch_tokens = config.batch.batch_tokens or traits.batch_tokens
    return {
        "batch_tokens": batch_tokens,
        "window_tokens": config.batch.window_tokens or batch_tokens * traits.window_batches,
    }
