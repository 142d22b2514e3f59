"""Counters that can be added, and the rates that follow from them and a clock.

The counters of a window are added to those of the run, and those of a killed run to those of the resumed one. Rates are
of this process only. The progress bar and the reports read them; nothing here prints.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from typing import Any, Protocol

Clock = Callable[[], float]  # seconds, from any zero, never backwards


@dataclass(frozen=True, slots=True)
class StageCounters:
    """Counts of one stage of a cascade: pairs that it scored, chunks included, and what that took.

    `records` are those that had something to score in it. `cached`: pairs whose logits came from a cache.
    """

    records: int = 0
    pairs: int = 0
    batches: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    cached: int = 0
    busy_s: float = 0.0

    def __add__(self, other: "StageCounters") -> "StageCounters":
        return StageCounters(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def as_dict(self) -> dict[str, Any]:
        """The counters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(slots=True)
class Counters:
    """Counts of a run. `records` = `scored` + `failed`; blank lines are counted separately.

    Of a cascade, `pairs` are counted once, whatever number of stages scored them; `stages` counts each stage. Batches,
    tokens, duplicates, chunks and what a cache had are those of all stages.
    """

    records: int = 0
    scored: int = 0
    failed: int = 0
    blank: int = 0
    pairs: int = 0  # (query, candidate) pairs of scored records
    duplicate_pairs: int = 0  # of the pairs read: not scored again, since the window has the same pair
    empty_texts: int = 0
    truncated: int = 0
    chunked: int = 0  # documents scored in chunks
    chunks: int = 0  # their chunks
    batches: int = 0
    tokens: int = 0  # scored, without padding
    padded_tokens: int = 0
    windows: int = 0
    oom_splits: int = 0
    cached: int = 0  # pairs, or chunks, whose logit came from a cache: not in batches and tokens
    cache_changes: int = 0  # times that a run went on with other entries of a cache than it began with
    busy_s: float = 0.0  # seconds inside the engine
    stages: tuple[StageCounters, ...] = ()

    def __add__(self, other: "Counters") -> "Counters":
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "stages"}
        none = StageCounters()
        pairs = zip_longest(self.stages, other.stages, fillvalue=none)
        return Counters(**sums, stages=tuple([one + another for one, another in pairs]))

    def as_dict(self) -> dict[str, Any]:
        """The counters by name, for the journal and the statistics; those of stages only where there are any."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "stages"}
        return counts | ({"stages": [stage.as_dict() for stage in self.stages]} if self.stages else {})

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "Counters":
        """The counters that `as_dict` wrote; other keys are ignored."""
        counts = {f.name: saved[f.name] for f in fields(cls) if f.name in saved and f.name != "stages"}
        return cls(**counts, stages=tuple([StageCounters(**stage) for stage in saved.get("stages", ())]))

    @property
    def padding_share(self) -> float:
        """The share of padding in the tokens that the device computed: 0 is none."""
        return 1 - self.tokens / self.padded_tokens if self.padded_tokens else 0.0

    @property
    def balanced(self) -> bool:
        """Whether every record was either scored or failed."""
        return self.records == self.scored + self.failed


class Progress(Protocol):
    """What a run reports while it scores."""

    def batch_scored(self, pairs: int, tokens: int, padded: int, seconds: float) -> None:
        """The engine has finished a batch."""

    def pairs_found(self, pairs: int) -> None:
        """The logits of so many pairs came from a cache."""

    def advance(self, bytes_: float, records: float) -> None:
        """So much more of the input is scored, parts of records included."""


@dataclass(slots=True)
class Stats:
    """The run so far: `earlier` was committed by earlier processes, `done` by this one; `live` is ahead of `done`.

    `live` counts what the engine has scored in this process, whether committed or not, for the progress bar. So do
    `bytes_scored` and `records_scored`, which move with each batch, within a window too.
    """

    clock: Clock
    earlier: Counters = field(default_factory=Counters)
    done: Counters = field(default_factory=Counters)
    live: Counters = field(default_factory=Counters)
    bytes_done: int = 0  # of the inputs as they lie on disk
    bytes_at_start: int = 0  # where this process started
    bytes_total: int | None = None
    bytes_scored: float = 0.0  # how far in the inputs the engine is
    records_scored: float = 0.0
    records_total: int | None = None  # that will be read, where that is known
    doing: str = ""  # what is waited for while nothing is scored
    started: float = field(init=False)
    _first_batch: float | None = None

    def __post_init__(self) -> None:
        self.started = self.clock()

    def batch_scored(self, pairs: int, tokens: int, padded: int, seconds: float) -> None:
        """Count a batch as the engine finishes it."""
        if self._first_batch is None:
            self._first_batch = self.clock() - seconds
            self.doing = ""
        live = self.live
        self.live = live + Counters(batches=1, pairs=pairs, tokens=tokens, padded_tokens=padded, busy_s=seconds)

    def pairs_found(self, pairs: int) -> None:
        """Count pairs whose logits came from a cache."""
        if self._first_batch is None:
            self._first_batch = self.clock()
            self.doing = ""
        self.live = self.live + Counters(pairs=pairs, cached=pairs)

    @property
    def has_begun(self) -> bool:
        """Whether anything is scored."""
        return self._first_batch is not None

    def advance(self, bytes_: float, records: float) -> None:
        """The engine has scored so much more of the input, parts of records included."""
        self.bytes_scored += bytes_
        self.records_scored += records

    @property
    def total(self) -> Counters:
        """The counters of all processes of this run."""
        return self.earlier + self.done

    @property
    def wall_s(self) -> float:
        """Seconds since this process started."""
        return self.clock() - self.started

    @property
    def scoring_s(self) -> float:
        """Seconds since the first batch started; 0 before it. Rates are of these: start-up time does not count."""
        return 0.0 if self._first_batch is None else self.clock() - self._first_batch

    def per_second(self, amount: float) -> float:
        """`amount` per second since the first batch started; 0 before it."""
        return 0.0 if self._first_batch is None else amount / max(self.scoring_s, 1e-9)

    @property
    def busy_share(self) -> float:
        """The share of the time since the first batch in which the engine computed."""
        return min(1.0, self.per_second(self.live.busy_s))

    @property
    def cached_share(self) -> float:
        """The share of the pairs of this process whose logits came from a cache."""
        return self.live.cached / self.live.pairs if self.live.pairs else 0.0

    @property
    def pairs_scored(self) -> int:
        """Pairs scored by all processes of this run, whether committed or not."""
        return max(self.total.pairs, self.earlier.pairs + self.live.pairs)

    @property
    def share_done(self) -> float | None:
        """The share of the input that is scored, 0 to 1; None while it is unknown how much there is."""
        return None if (place := self._place()) is None else place[1]

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the pace of this process; None while unknown."""
        place = self._place()
        if place is None or self._first_batch is None or place[1] <= place[0]:
            return None
        start, now = place
        return (1 - now) * (self.clock() - self._first_batch) / (now - start)

    def _place(self) -> tuple[float, float] | None:
        """The shares of the input at which this process began and at which it is now.

        By bytes, or by records where those lead: --limit ends a run before its input does.
        """
        places = [
            (start / total, min(1.0, max(done, scored) / total))
            for start, done, scored, total in (
                (self.bytes_at_start, self.bytes_done, self.bytes_scored, self.bytes_total),
                (self.earlier.records, self.total.records, self.records_scored, self.records_total),
            )
            if total
        ]
        return max(places, key=lambda place: place[1], default=None)

    def summary(self) -> dict[str, Any]:
        """Flat values for `--stats`, FILE.meta.json and the table after a run.

        Times and rates are of this process: `pairs_per_s` is (`pairs` - `resumed_pairs`) / `scoring_s`.
        """
        return {
            **self.total.as_dict(),
            "resumed_records": self.earlier.records,
            "resumed_pairs": self.earlier.pairs,
            "wall_s": round(self.wall_s, 3),
            "scoring_s": round(self.scoring_s, 3),
            "pairs_per_s": round(self.per_second(self.done.pairs), 2),
            "tokens_per_s": round(self.per_second(self.live.tokens), 1),
            "ms_per_pair": round(1000 / rate, 3) if (rate := self.per_second(self.done.pairs)) else None,
            "padding_share": round(self.total.padding_share, 4),
            "busy_share": round(self.busy_share, 4),
            "cached_share": round(self.cached_share, 4),
        }


@dataclass(frozen=True, slots=True)
class StageProgress:
    """The progress of one stage of a cascade. Pairs are counted in the first stage, the input is done in the last."""

    stats: Stats
    first: bool
    last: bool

    def batch_scored(self, pairs: int, tokens: int, padded: int, seconds: float) -> None:
        """Count a batch."""
        self.stats.batch_scored(pairs if self.first else 0, tokens, padded, seconds)

    def pairs_found(self, pairs: int) -> None:
        """Count pairs whose logits came from a cache."""
        if self.first:
            self.stats.pairs_found(pairs)

    def advance(self, bytes_: float, records: float) -> None:
        """Count what is scored of the input."""
        if self.last:
            self.stats.advance(bytes_, records)
