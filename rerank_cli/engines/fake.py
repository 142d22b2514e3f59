"""A deterministic engine without a model, for tests of pipelines and measurements without a model.

The logit of a pair is a hash of its two texts. Faults are requested in the model option:

    --model fake:slow=0.01          each batch takes 0.01 s
    --model fake:slow_load=1        loading takes 1 s; slow_prepare=1: each call of prepare takes 1 s
    --model fake:nan=0.02           2 % of the pairs (by hash) score NaN
    --model fake:nan_at=3           the first pair of the third batch scores NaN, once
    --model fake:oom_above=512      a batch of more than 512 tokens is out of memory
    --model fake:oom_at=3           the third batch is out of memory, once
    --model fake:lose_at=3          the device is lost at the third batch
    --model fake:composition=1      logits depend on the other pairs of the batch (as slightly on real devices)
    --model fake:seed=7             other logits than without it
    --model fake:vectors=1          a logit is a number of the document, which --vectors keeps, times one of the pair

Several faults are separated by commas.
"""

import math
import re
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

from rerank_cli.core.chunking import divided
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.decimals import as_float32
from rerank_cli.core.errors import ConfigError, PassingFault
from rerank_cli.core.scorer import Batch, Identity, OutOfMemory, PreparedPair, Shelf, Traits

LONGEST_S = 3600.0  # the longest delay
FAULTS = {  # default, and range
    "slow": (0.0, 0.0, LONGEST_S),
    "slow_load": (0.0, 0.0, LONGEST_S),
    "slow_prepare": (0.0, 0.0, LONGEST_S),
    "nan": (0.0, 0.0, 1.0),
    "nan_at": (math.inf, 1.0, math.inf),
    "oom_above": (math.inf, 0.0, math.inf),
    "oom_at": (math.inf, 1.0, math.inf),
    "lose_at": (math.inf, 1.0, math.inf),
    "composition": (0.0, 0.0, 1.0),
    "seed": (0.0, 0.0, 2.0**31),
    "vectors": (0.0, 0.0, 1.0),
}
HALF = struct.Struct("<e")
SPREAD = 16.0  # logits lie in [-8, 8)


def parse_faults(model: str) -> dict[str, float]:
    """The faults in a model name such as `fake:nan=0.02,slow=0.1`. Raises ConfigError for unknown ones."""
    faults = {name: without for name, (without, _, _) in FAULTS.items()}
    for part in filter(None, model.partition(":")[2].split(",")):
        name, _, value = part.partition("=")
        _, least, most = FAULTS.get(name, (0.0, 0.0, 0.0))
        try:
            faults[name] = float(value) if name in FAULTS else float("unknown")
        except ValueError:
            known = ", ".join(FAULTS)
            raise ConfigError(
                f"--model {model}: unknown fault {part!r}", f"Use name=number with one of: {known}."
            ) from None
        if not least <= faults[name] <= most:  # NaN is neither
            raise ConfigError(f"--model {model}: {part!r} is out of range", f"{name} is {least:g} to {most:g}.")
    return faults


def as_bytes(text: str) -> bytes:
    """A text as bytes, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Hashed:
    """The hash of a pair, and that of its document, both 32 bits."""

    pair: int
    document: int

    @classmethod
    def of(cls, document: str, query: int) -> "Hashed":
        """Hash a document, alone and after the hash of its query."""
        whole = as_bytes(document)
        return cls(crc32(whole, query), crc32(whole))


class FakeScorer:
    """An engine that hashes pairs instead of running a model.

    The cost of a pair is one token per space plus three, truncated or divided at `max_length`.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.faults = parse_faults(config.model)
        self.traits = Traits(
            multiple=1,
            batch_tokens=8192,
            window_batches=16,
            batch_invariant=not self.faults["composition"],
            has_vectors=self.faults["vectors"] > 0,
        )
        self._shelf: Shelf | None = None
        self.notes: list[str] = []
        self.max_length = config.max_length
        self._overlap = config.chunk_overlap if config.long_docs == "chunk" else None
        self._batches = 0
        self.identity = Identity(
            engine="fake",
            model=config.model if config.model.startswith("fake") else "fake",
            revision=None,
            weights_sha256="",
            tokenizer_sha256="",
            config_sha256="",
            device="cpu",
            dtype="fp32",
            max_length=config.max_length,
            query_max_length=config.query_max_length,
            threads=1,
            versions={},
            vectors="float16" if config.vectors else None,
        )

    def load(self) -> None:
        """Nothing to load; wait if `slow_load` is set."""
        time.sleep(self.faults["slow_load"])

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Hash each pair."""
        if self.faults["slow_prepare"]:
            time.sleep(self.faults["slow_prepare"])
        prepared, query, digest, tokens = [], None, 0, 0
        for asked, text in pairs:
            if asked != query:
                query, digest, tokens = asked, crc32(as_bytes(asked)), 3 + asked.count(" ")
            cost = tokens + text.count(" ")
            cut = cost > self.max_length
            if cut and self._overlap is not None:
                prepared.append(self._in_parts(digest, tokens, text))
                continue
            pair = PreparedPair(cost, truncated=False, payload=Hashed.of(text, digest))
            prepared.append(replace(pair, cost=self.max_length, truncated=True, uncut=cost) if cut else pair)
        return prepared

    def _in_parts(self, digest: int, tokens: int, text: str) -> PreparedPair:
        """The pair in chunks of complete words."""
        words = [match.span() for match in re.finditer(r"[^ ]+", text)] or [(0, 0)]
        room = max(1, self.max_length - tokens)
        parts = []
        for start, end in divided(len(words), room, min(self._overlap or 0, room // 2), range(len(words))):
            span = (words[start][0], words[end - 1][1])
            part = text[span[0] : span[1]]
            parts.append(
                PreparedPair(
                    cost=tokens + part.count(" "),
                    truncated=False,
                    payload=Hashed.of(part, digest),
                    span=span,
                    uncut=0,
                )
            )
        return replace(parts[0], more=tuple(parts[1:]), uncut=tokens + text.count(" "))

    def content(self, pair: PreparedPair) -> bytes:
        """The hash of a pair."""
        return b"%d" % pair.payload.pair

    def use_shelf(self, shelf: Shelf) -> None:
        """Keep the numbers of documents."""
        self._shelf = shelf

    def document(self, pair: PreparedPair) -> tuple[bytes, int]:
        """The hash of a document, and the bytes of its number."""
        return b"%d" % pair.payload.document, HALF.size

    def forget(self) -> None:
        """Nothing is kept."""

    def query_tokens(self, _pair: PreparedPair) -> int:
        """None: queries have no numbers."""
        return 0

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield the float32 logits of each batch, in order. Raises OutOfMemory with the first batch that does not fit.

        Raises PassingFault at the batch `lose_at`.
        """
        for batch in batches:
            self._batches += 1
            if self.faults["slow"]:
                time.sleep(self.faults["slow"])
            if self._batches >= self.faults["lose_at"]:
                raise PassingFault("the fake device was lost", "Run the same command with --resume.")
            if batch.padded > self.faults["oom_above"] or self._batches == self.faults["oom_at"]:
                raise OutOfMemory(batch)
            yield list(map(as_float32, self._logits(batch)))

    def _logits(self, batch: Batch) -> list[float]:
        digests = [pair.payload.pair for pair in batch.pairs]
        if seed := self.faults["seed"]:
            digests = [crc32(b"%d %d" % (digest, int(seed))) for digest in digests]
        if self.faults["composition"]:
            together = crc32(repr(digests).encode())
            digests = [crc32(b"%d %d" % (digest, together)) for digest in digests]
        logits = [digest / 2**32 * SPREAD - SPREAD / 2 for digest in digests]
        if self.traits.has_vectors:
            logits = [logit * number for logit, number in zip(logits, self._numbers(batch), strict=True)]
        if bad := self.faults["nan"]:
            logits = [
                math.nan if pair.payload.pair % 10000 < bad * 10000 else v
                for pair, v in zip(batch.pairs, logits, strict=True)
            ]
        if self._batches == self.faults["nan_at"]:
            logits[0] = math.nan
        return logits

    def _numbers(self, batch: Batch) -> list[float]:
        """A number from 0 to 1 of each document: from the shelf, or computed and added to it."""
        hashes = [pair.payload.document for pair in batch.pairs]
        if self._shelf is None:
            return [digest / 2**32 for digest in hashes]
        kept = self._shelf.find([b"%d" % digest for digest in dict.fromkeys(hashes)])
        made = {b"%d" % digest: HALF.pack(digest / 2**32) for digest in hashes if b"%d" % digest not in kept}
        self._shelf.add(list(made.items()))
        kept.update(made)
        return [HALF.unpack(kept[b"%d" % digest])[0] for digest in hashes]

    def close(self) -> None:
        """Nothing to release."""
