"""What a run does with a store that stays across runs: it reads what it may see, and adds what is new.

The key of an entry is a hash of what computes it and of its input as the engine composed it. So names of models and
options that change no input change no key.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from rerank_cli import __version__
from rerank_cli.core.errors import RerankError
from rerank_cli.core.protocols import Report
from rerank_cli.core.scorer import Identity
from rerank_cli.engines.machine import instructions, machine
from rerank_cli.files.numbered_store import NumberedStore
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.files.vector_store import VectorStore

V = TypeVar("V")
LATEST = 2**63 - 1  # number of a write: all are seen, also what a run adds itself
WAITED_S = 2.0  # after so many seconds new entries are stored, however few


@dataclass(frozen=True, slots=True)
class Kind(Generic[V]):
    """A kind of store, its option, its name in the journal's header, and how messages call it and its entries."""

    store: type[NumberedStore[V]]
    option: str
    resolved: str
    called: str
    entries: str
    weigh: Callable[[V], int]


SCORES = Kind(ScoreStore, "--score-cache", "score_cache", "the score cache", "scores", lambda _: 1)
VECTORS = Kind(VectorStore, "--vectors", "vectors", "the folder of vectors", "vectors", len)
WAITING = {"scores": 4096, "vectors": 32 * 2**20}  # new entries are stored when they weigh so much


def made_by(identity: Identity) -> dict[str, Any]:
    """What computes an entry: hashes of the model's files and no names, and the processor where that computes.

    How long an input may be is left out, since the input is in the key.
    """
    fields = identity.as_dict()
    del fields["max_length"], fields["query_max_length"]
    if identity.weights_sha256:
        del fields["model"], fields["revision"]
    processor = [machine()["cpu"], *instructions()] if identity.device == "cpu" else None
    return {"rerank": __version__, "processor": processor, **fields}


def name_of(identity: Identity) -> str:
    """Who computes, for people."""
    threads = "1 thread" if identity.threads == 1 else f"{identity.threads} threads"
    where = f"{identity.device}, {threads}" if identity.device == "cpu" else identity.device
    return f"{identity.model}, {identity.engine} {identity.dtype} on {where}, rerank {__version__}"


class Keys:
    """The keys of what an engine computes."""

    def __init__(self, identity: Identity) -> None:
        salt = orjson.dumps(made_by(identity), option=orjson.OPT_SORT_KEYS)
        self._salt = hashlib.blake2b(salt, digest_size=16)

    def of(self, content: bytes) -> bytes:
        """The key (16 bytes) of an input."""
        hashed = self._salt.copy()
        hashed.update(content)
        return hashed.digest()


@dataclass(frozen=True, slots=True)
class View(Generic[V]):
    """What is seen of a store: entries of its writes up to `number`."""

    store: NumberedStore[V]
    number: int


@dataclass(frozen=True, slots=True)
class Additions(Generic[V]):
    """What is added to a store: entries of a `model`, by its number there, up to `most_bytes` in all.

    Only entries of writes before the number `before` are dropped for it.
    """

    store: NumberedStore[V]
    model: int
    most_bytes: int
    before: int


class StoreUse(Generic[V]):
    """A store in a run.

    `find` and `add` may be called in two threads, so `reads` and `writes` open the store separately. Without `writes`
    nothing is added. A store that fails is not used any more, and `warn` says so. `missed` counts entries that were
    there and no use: damaged, or perhaps there and not read.
    """

    def __init__(self, kind: Kind[V], reads: View[V], writes: Additions[V] | None, warn: Report) -> None:
        self._kind, self._reads, self._writes, self._warn = kind, reads, writes, warn
        self._new: dict[bytes, V] = {}
        self._weight = 0
        self._stored_at = time.monotonic()
        self._to_drop: list[bytes] = []
        self._can_read = self._is_first = True
        self.missed = 0

    def find(self, keys: Sequence[bytes]) -> dict[bytes, V]:
        """The values of those keys that the run sees."""
        if not self._can_read or not self._reads.number or not keys:
            return {}
        waiting: dict[bytes, V] = {}
        if self._reads.number == LATEST and (new := self._new):
            waiting = {key: new[key] for key in keys if key in new}
            keys = [key for key in keys if key not in waiting]
        try:
            found, damaged = self._reads.store.find(keys, self._reads.number)
        except RerankError as fault:
            self._can_read = False
            self.missed += len(keys)
            self._warn(f"{fault.message}: {self._kind.called} is not read any more. {fault.advice}")
            return {}
        self.missed += len(damaged)
        self._to_drop.extend(damaged)
        return found | waiting

    def add(self, entries: Iterable[tuple[bytes, V]]) -> None:
        """Store entries, now or with later ones."""
        for key, value in entries:
            self._new[key] = value
            self._weight += self._kind.weigh(value)
        if self._weight >= WAITING[self._kind.entries] or time.monotonic() - self._stored_at >= WAITED_S:
            self.store()

    def store(self) -> None:
        """Store the entries that are not stored yet."""
        new, self._new, self._weight = self._new, {}, 0
        drop, self._to_drop = self._to_drop, []
        writes = self._writes
        if writes is None or not (new or drop):
            return
        try:
            if self._is_first:
                writes.store.keep_within(writes.most_bytes, writes.before)
                self._is_first = False
            writes.store.add(writes.model, list(new.items()), drop)
            if not writes.store.keep_within(writes.most_bytes, writes.before):
                self._stop(f"{self._kind.option} is full of what this run added", "Raise --cache-gb to keep more.")
        except RerankError as fault:
            self._stop(fault.message, fault.advice)
        self._stored_at = time.monotonic()

    def _stop(self, why: str, advice: str) -> None:
        self._writes = None
        kind = self._kind
        self._warn(f"{why}: new {kind.entries} are not added to {kind.called} any more. {advice}")
