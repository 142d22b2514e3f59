"""Build the values that travel through a run, from plain records, without files."""

import hashlib
import json
import signal
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from rerank_cli.core.config import ModelConfig, ReadConfig, WriteConfig
from rerank_cli.core.decimals import short_score, shortest_float32
from rerank_cli.core.errors import Interrupted
from rerank_cli.core.ranking import sigmoid
from rerank_cli.core.records import Entry, Mark, Origin, Request
from rerank_cli.core.scorer import Batch, PreparedPair
from rerank_cli.engines.fake import FakeScorer
from rerank_cli.files.inputs import Line
from rerank_cli.formats.registry import open_format
from rerank_cli.formats.translated import Format


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now


class StoppingScorer(FakeScorer):
    """The fake engine, interrupted in whatever it does for the `last` time: scoring, or preparing too."""

    def __init__(self, config: ModelConfig, last: int, preparing: bool = True) -> None:
        super().__init__(config)
        self.left, self.preparing = last, preparing
        self.scored = 0  # pairs

    def step(self) -> None:
        """Count, and be interrupted."""
        self.left -= 1
        if self.left == 0:
            raise Interrupted(signal.SIGTERM)

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Hash each pair."""
        if self.preparing:
            self.step()
        return super().prepare(pairs)

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield logits."""
        for logits in super().score(batches):
            self.step()
            self.scored += len(logits)
            yield logits


def jsonl(*records: Any) -> bytes:
    """Records as JSON lines; bytes are unchanged."""
    return b"".join(
        (record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()) + b"\n"
        for record in records
    )


def lines_of(content: bytes, source: str = "in.jsonl") -> list[Line]:
    """The lines of a file, the plain way: split at newlines, hash what was passed."""
    lines, offset = [], 0
    pieces = content.split(b"\n")
    for number, piece in enumerate(pieces, 1):
        size = len(piece) + (number < len(pieces))
        if size:
            end = offset + size
            mark = Mark(0, number, end, end, end, hashlib.sha256(content[:end]))
            lines.append(Line(Origin(source, number, offset), piece, mark))
            offset = end
    return lines


def native_format(read: ReadConfig | None = None, write: WriteConfig | None = None) -> Format:
    """The native format."""
    return open_format(replace(read or ReadConfig(), format="native"), write or WriteConfig())


def entries_of(*records: Any, read: ReadConfig | None = None) -> list[Entry]:
    """The entries that records (or raw lines, as bytes) are read as."""
    return list(native_format(read).read(iter(lines_of(jsonl(*records)))))


def request_of(record: Any, read: ReadConfig | None = None) -> Request:
    """The request that a good record is read as."""
    (entry,) = entries_of(record, read=read)
    assert isinstance(entry, Request), entry
    return entry


def after(entries: list[Entry], mark: Mark) -> Iterator[Entry]:
    """The entries that begin at or after a place."""
    return (entry for entry in entries if entry.end.total > mark.total)


def fake(faults: str = "", **options: Any) -> FakeScorer:
    """The fake engine with faults as in its module."""
    return FakeScorer(ModelConfig(model=f"fake:{faults}", **options))


def fake_logit(query: str, text: str, seed: int = 0) -> float:
    """What the fake engine gives a pair when it is well: a hash, spread over [-8, 8), as a float32."""
    digest = crc32((query + text).encode("utf-8"))
    digest = crc32(b"%d %d" % (digest, seed)) if seed else digest
    return float32(digest / 2**32 * 16 - 8)


def written_logit(logit: float) -> float:
    """A logit as it is written: the same float32 in a short decimal."""
    return shortest_float32(logit)


def written_score(logit: float) -> float:
    """The score that is written for a logit."""
    return short_score(sigmoid(logit))


def float32(value: float) -> float:
    """The nearest float32."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    return rounded
