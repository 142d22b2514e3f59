"""An engine with a score cache around it: a pair whose logit is known is not computed again.

The key of a pair is a hash of what computes it and of its input as the engine composed it: token ids after truncation.
So two texts that are truncated to the same input have one entry, and options that change no input change no key.
"""

import hashlib
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from rerank_cli import __version__
from rerank_cli.core.errors import RerankError
from rerank_cli.core.protocols import Report
from rerank_cli.core.scorer import Batch, Identity, PreparedPair, Scorer
from rerank_cli.engines.machine import machine
from rerank_cli.files.score_store import ScoreStore

KEPT, KEPT_S = 4096, 2.0  # logits are stored when there are so many, or after so many seconds


def made_by(identity: Identity) -> dict[str, Any]:
    """What computes a logit: hashes of the model's files and no names, and the processor where that computes.

    How long an input may be is left out, since the input is in the key.
    """
    fields = identity.as_dict()
    del fields["max_length"], fields["query_max_length"]
    if identity.weights_sha256:
        del fields["model"], fields["revision"]
    processor = machine()["cpu"] if identity.device == "cpu" else None
    return {"rerank": __version__, "processor": processor, **fields}


def name_of(identity: Identity) -> str:
    """Who computes, for people."""
    return f"{identity.model}, {identity.engine} {identity.dtype} on {identity.device}, rerank {__version__}"


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of a store: entries of its writes up to `number`."""

    store: ScoreStore
    number: int


@dataclass(frozen=True, slots=True)
class Additions:
    """What is added to a store: entries of a `model`, by its number there, up to `most_bytes` in all."""

    store: ScoreStore
    model: int
    most_bytes: int


class CachedScorer:
    """A Scorer around another one.

    Pairs are prepared in another thread than they are scored, so `reads` and `writes` open the store separately.
    Without `writes` nothing is added. A store that fails is not used any more, and `warn` says so. `missed` counts
    entries that were there and no use: damaged, or perhaps there and not read.
    """

    def __init__(self, scorer: Scorer, reads: View, writes: Additions | None, warn: Report) -> None:
        self._scorer, self._reads, self._writes, self._warn = scorer, reads, writes, warn
        self.identity, self.traits, self.notes = scorer.identity, scorer.traits, scorer.notes
        self._salt = hashlib.blake2b(orjson.dumps(made_by(self.identity), option=orjson.OPT_SORT_KEYS), digest_size=16)
        self._kept: list[tuple[bytes, float]] = []
        self._stored_at = time.monotonic()
        self._to_drop: list[bytes] = []
        self._can_read = True
        self.missed = 0

    def load(self) -> None:
        """Load the engine."""
        self._scorer.load()

    def content(self, pair: PreparedPair) -> bytes:
        """That of the engine."""
        return self._scorer.content(pair)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Prepare pairs, each with its key and with its logit where that is known."""
        prepared = self._scorer.prepare(pairs)
        keys = [[self._key(part) for part in pair.parts] for pair in prepared]
        known = self._find([key for each in keys for key in each])
        made = []
        for pair, each in zip(prepared, keys, strict=True):
            first, *more = (
                replace(part, key=key, logit=known.get(key)) for part, key in zip(pair.parts, each, strict=True)
            )
            made.append(replace(first, more=tuple(more)) if more else first)
        return made

    def _key(self, part: PreparedPair) -> bytes:
        hashed = self._salt.copy()
        hashed.update(self._scorer.content(part))
        return hashed.digest()

    def _find(self, keys: list[bytes]) -> dict[bytes, float]:
        if not self._can_read or not self._reads.number or not keys:
            return {}
        try:
            found, damaged = self._reads.store.find(keys, self._reads.number)
        except RerankError as fault:
            self._can_read = False
            self.missed += len(keys)
            self._warn(f"{fault.message}: the score cache is not read any more. {fault.advice}")
            return {}
        self.missed += len(damaged)
        self._to_drop.extend(damaged)
        return found

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Score batches, and store their logits."""
        sent: deque[Batch] = deque()

        def noted() -> Iterator[Batch]:
            for batch in batches:
                sent.append(batch)
                yield batch

        for logits in self._scorer.score(noted()):
            pairs = sent.popleft().pairs
            self._kept.extend(
                (pair.key, logit) for pair, logit in zip(pairs, logits, strict=True) if math.isfinite(logit)
            )
            if len(self._kept) >= KEPT or time.monotonic() - self._stored_at >= KEPT_S:
                self.store()
            yield logits

    def store(self) -> None:
        """Store the logits that are not stored yet."""
        kept, self._kept = self._kept, []
        drop, self._to_drop = self._to_drop, []
        writes = self._writes
        if writes is None or not (kept or drop):
            return
        try:
            writes.store.add(writes.model, kept, drop)
            writes.store.keep_within(writes.most_bytes)
        except RerankError as fault:
            self._writes = None
            self._warn(f"{fault.message}: new scores are not added to the score cache any more. {fault.advice}")
        self._stored_at = time.monotonic()

    def close(self) -> None:
        """Store what is left, and release the device."""
        self.store()
        self._scorer.close()
