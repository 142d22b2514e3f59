"""What a dry run found of an engine: lengths, batches, what is cut, and the time that scoring will take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from rerank_cli.core.errors import ExitStatus
from rerank_cli.core.scorer import PreparedPair, RemoteCost, RemoteScorer, Scorer
from rerank_cli.core.stats import Counters
from rerank_cli.jobs.documents import Documents
from rerank_cli.jobs.estimate import Estimate

BINS = 8  # below the cut, and at most as many above it


@dataclass(slots=True)
class Remote:
    """What a server would be asked."""

    scorer: RemoteScorer
    cost: RemoteCost = field(default_factory=RemoteCost)

    @property
    def unit(self) -> str:
        """What the server bills."""
        return self.scorer.billed_unit

    @property
    def seconds(self) -> float | None:
        """The time of all requests at the rate that is allowed."""
        return self.scorer.seconds_for(self.cost.requests)

    @classmethod
    def of(cls, engine: Scorer) -> "Remote | None":
        """Of an engine that asks a server."""
        return cls(cast("RemoteScorer", engine)) if engine.traits.is_remote else None

    def as_dict(self) -> dict[str, Any]:
        """Flat figures."""
        return {"requests": self.cost.requests, "units": self.cost.units, "unit": self.unit or None, "truncated": None}


@dataclass(slots=True)
class DryRun:
    """What a run would meet. `lengths` counts pairs by their tokens before any cut; `counters` as in a run.

    `max_length` is 0 where it is not known.
    """

    format: str
    max_length: int
    batch_tokens: int
    window_tokens: int
    model: str
    fate: str  # of pairs longer than max_length
    counters: Counters = field(default_factory=Counters)
    scored_pairs: int = 0  # each once, chunks one by one
    lengths: Counter[int] = field(default_factory=Counter)
    has_cache: bool = False  # whether --score-cache was given
    remote: "Remote | None" = None  # of an engine that asks a server
    documents: Documents | None = None  # of an engine that makes vectors of them
    estimate: Estimate | None = None  # None where there is nothing to score

    def add(self, texts: Sequence[tuple[str, str]], prepared: Sequence[PreparedPair]) -> None:
        """Count the lengths and the documents of pairs, prepared from (query, text)."""
        self.lengths.update(pair.uncut or pair.cost for pair in prepared)
        if self.documents is not None:
            self.documents.add(texts, prepared)

    @property
    def status(self) -> ExitStatus:
        """OK, or SOME_FAILED when a record would fail."""
        return ExitStatus.SOME_FAILED if self.counters.failed else ExitStatus.OK

    def percentile(self, share: float) -> int:
        """The length that this share of the pairs does not exceed (nearest rank); 0 without pairs."""
        left = share * sum(self.lengths.values())
        for length, count in sorted(self.lengths.items()):
            left -= count
            if left <= 0:
                return length
        return 0

    @property
    def estimated_s(self) -> float | None:
        """Seconds that scoring will take; None where that is not known."""
        if self.remote is not None:
            return self.remote.seconds
        return self.estimate.seconds if self.estimate is not None else None if self.counters.batches else 0.0

    def bins(self) -> list[tuple[int, int, int]]:
        """Lengths in ranges, (from, to, pairs): equally wide, none across `max_length`, the last as wide as needed."""
        longest = max(self.lengths, default=0)
        limit = min(longest, self.max_length or longest)
        cut = longest > limit
        width = max(1, -(-limit // BINS))
        edges = [min(low + width, limit) for low in range(0, limit, width)]
        if cut:
            above = [self.max_length + width * number for number in range(1, BINS)]
            edges += [*(edge for edge in above if edge < longest), longest]
        ranges = zip([1, *(edge + 1 for edge in edges)], edges, strict=False)
        return [(low, high, sum(self.lengths[n] for n in range(low, high + 1))) for low, high in ranges]

    def as_dict(self) -> dict[str, Any]:
        """Flat figures."""
        count = self.counters
        return {
            **{name: value for name, value in count.as_dict().items() if name not in ("busy_s", "oom_splits")},
            "scored_pairs": self.scored_pairs,
            "format": self.format,
            "max_length": self.max_length,
            "batch_tokens": self.batch_tokens,
            "window_tokens": self.window_tokens,
            "padding_share": round(count.padding_share, 4),
            "truncated_share": round(count.truncated / count.pairs, 4) if count.pairs else 0.0,
            "median_tokens": self.percentile(0.5),
            "p95_tokens": self.percentile(0.95),
            "max_tokens": max(self.lengths, default=0),
            **(self.documents.as_dict() if self.documents is not None else {}),
            **(self.remote.as_dict() if self.remote is not None else {}),
            "estimated_s": None if (seconds := self.estimated_s) is None else round(seconds, 3),
        }
