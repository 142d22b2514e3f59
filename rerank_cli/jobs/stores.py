"""The stores of a run: what of them it sees, and whether that is what an uninterrupted run would have seen.

A known logit saves its pair's place in a batch, so the other pairs are computed in other company, and their logits may
differ in the last digits. A vector that is kept was computed in other company, too. So a run sees the same entries from
its beginning to its end, resumed or not: it notes in the journal which. Where it cannot, that is counted, and the
statistics say why the result is not exact. Nothing of this matters to an engine whose results do not depend on company.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from rerank_cli.core.config import FileConfig
from rerank_cli.core.errors import RerankError
from rerank_cli.core.protocols import Report
from rerank_cli.core.scorer import Scorer, Traits, VectorScorer
from rerank_cli.core.stats import Counters
from rerank_cli.files.numbered_file import Seen
from rerank_cli.files.numbered_store import NumberedStore
from rerank_cli.files.shared_file import refuse_folder
from rerank_cli.jobs.cached_scorer import CachedScorer
from rerank_cli.jobs.store_use import LATEST, SCORES, VECTORS, Additions, Kind, StoreUse, View, made_by, name_of
from rerank_cli.jobs.vector_shelf import VectorShelf

V = TypeVar("V")
GB = 10**9
OTHERWISE = "other kept scores or vectors were seen than at the beginning"


class StoreOfRun(Generic[V]):
    """A store that an option names; without the option, what that means for a run that began with one.

    Constructing it opens the folder. A new run raises ConfigError and OutputError where it cannot be used: nothing is
    lost by then. A run that continues goes on without it, and `warn` is called.
    """

    def __init__(self, kind: Kind[V], folder: str | None, most_bytes: int, warn: Report, *, continues: bool) -> None:
        self._kind, self._most_bytes, self._warn = kind, most_bytes, warn
        self._opened: list[NumberedStore[V]] = []
        try:
            if folder is not None:
                self._opened = [kind.store(Path(folder), kind.option) for _ in range(2)]
        except RerankError as fault:
            if not continues:
                raise
            self._go_without(fault)
        self._use: StoreUse[V] | None = None
        self._matters = True
        self.seen: Seen | None = None
        self.changed = False  # whether the run continues with other entries than it began with

    def start(self, scorer: Scorer) -> StoreUse[V] | None:
        """The store of a new run, which sees all that is there."""
        if not self._opened:
            return None
        model, self.seen = self._begin(scorer)
        return self._used(scorer, model, self.seen.number)

    def _begin(self, scorer: Scorer) -> tuple[int, Seen]:
        identity = scorer.identity
        return self._opened[0].begin(made_by(identity), name_of(identity), round(time.time()))

    def _go_without(self, fault: RerankError) -> None:
        self._opened = []
        self._warn(f"{fault.message}: the run continues without {self._kind.called}. {fault.advice}")

    def resume(self, scorer: Scorer, resolved: dict[str, Any]) -> StoreUse[V] | None:
        """The store of a run that continues, with what the journal's header says; it sees what it saw before.

        A run that began without a store adds to it, and sees nothing of it.
        """
        noted = Seen(**resolved[self._kind.resolved]) if resolved.get(self._kind.resolved) else None
        self.seen = noted
        saw = noted is not None and noted.entries > 0
        try:
            model, now = self._begin(scorer) if self._opened else (0, None)
        except RerankError as fault:
            self._go_without(fault)
            now = None
        if now is None:
            self._note_change(scorer, saw)
            return None
        if noted is None or noted.store != now.store or noted.number > now.number:  # an older copy gives numbers again
            self._note_change(scorer, saw)
            self.seen = Seen(now.store, now.epoch, 0, 0)
        else:
            self._note_change(scorer, saw and noted.epoch != now.epoch)
            self.seen = Seen(noted.store, now.epoch, noted.number, noted.entries)
        return self._used(scorer, model, now.number)

    def _used(self, scorer: Scorer, model: int, begun: int) -> StoreUse[V]:
        assert self.seen is not None
        reads, writes = self._opened
        self._matters = not scorer.traits.batch_invariant
        number = self.seen.number
        if self._kind.store is VECTORS.store and not self._matters:
            number = LATEST  # a text that this run or another met meanwhile is not computed again
        additions = Additions(writes, model, self._most_bytes, begun)
        self._use = StoreUse(self._kind, View(reads, number), additions, self._warn)
        return self._use

    def _note_change(self, scorer: Scorer, changed: bool) -> None:
        if changed and not scorer.traits.batch_invariant:
            self.changed = True
            self._warn(f"{OTHERWISE}: scores may differ in their last digits from those of one run")

    def resolved(self) -> dict[str, Any]:
        """What is noted in the journal."""
        return {} if self.seen is None else {self._kind.resolved: asdict(self.seen)}

    def finish(self) -> bool:
        """Store the last entries and close the files.

        Returns whether entries that the run could see were lost meanwhile, or not seen.
        """
        if self._use is None or self.seen is None:
            return False
        self._use.store()
        lost = self._use.missed > 0 or self._epoch() != self.seen.epoch
        for store in self._opened:
            store.close()
        return lost and self.seen.entries > 0 and self._matters

    def _epoch(self) -> int | None:
        """The epoch now; None where it cannot be read."""
        try:
            return self._opened[0].epoch
        except RerankError:
            return None


class Stores:
    """The stores that --score-cache and --vectors name. Raises as StoreOfRun."""

    def __init__(self, files: FileConfig, warn: Report, *, continues: bool = False) -> None:
        most = round(files.cache_gb * GB)
        self._scores = StoreOfRun(SCORES, files.score_cache, most, warn, continues=continues)
        self._vectors = StoreOfRun(VECTORS, files.vectors, most, warn, continues=continues)
        self._keeps_vectors = files.vectors is not None
        self._shelf: VectorShelf | None = None

    def start(self, scorer: Scorer) -> Scorer:
        """The scorer of a new run."""
        return self._around(scorer, self._scores.start(scorer), self._vectors.start(scorer))

    def resume(self, scorer: Scorer, resolved: dict[str, Any]) -> Scorer:
        """The scorer of a run that continues, with what the journal's header says."""
        return self._around(scorer, self._scores.resume(scorer, resolved), self._vectors.resume(scorer, resolved))

    def _around(self, scorer: Scorer, scores: StoreUse[float] | None, vectors: StoreUse[bytes] | None) -> Scorer:
        if self._keeps_vectors:
            self._shelf = VectorShelf(scorer.identity, vectors)
            cast("VectorScorer", scorer).use_shelf(self._shelf)  # `opened_engine` refuses others
        return scorer if scores is None else CachedScorer(scorer, scores)

    @property
    def changes(self) -> int:
        """1 if the run continues with other entries than it began with, else 0."""
        return int(self._scores.changed or self._vectors.changed)

    def resolved(self) -> dict[str, Any]:
        """What is noted in the journal."""
        return {**self._scores.resolved(), **self._vectors.resolved()}

    def finish(self) -> int:
        """Store the last entries and close the files.

        Returns 1 if entries that the run could see were lost meanwhile, or not seen, else 0.
        """
        return int(any([self._scores.finish(), self._vectors.finish()]))

    @property
    def vectors_seen(self) -> int:
        """How many vectors there were when the run began."""
        return 0 if self._vectors.seen is None else self._vectors.seen.entries

    def figures(self) -> dict[str, int]:
        """How many documents had vectors, and of how many they were computed, in this process."""
        shelf = self._shelf
        return {} if shelf is None else {"vectors_found": shelf.found, "vectors_computed": shelf.computed}


def opened_before(kind: Kind[V], folder: str | None, scorer: Scorer) -> View[V] | None:
    """What a new run would see of a store; None where there is none yet. Raises as StoreOfRun."""
    if folder is None:
        return None
    if not kind.store.exists_in(Path(folder)):
        refuse_folder(Path(folder), f"{kind.option} {folder}")
        return None
    store = kind.store(Path(folder), kind.option)
    seen = store.seen(made_by(scorer.identity))
    return View(store, seen.number if seen.entries else 0)


def known_before(files: FileConfig, scorer: Scorer, report: Report) -> Scorer:
    """The scorer for a look at what a run would do: it sees what a run would see, and adds nothing."""
    view = opened_before(SCORES, files.score_cache, scorer)
    return scorer if view is None else CachedScorer(scorer, StoreUse(SCORES, view, None, report))


def why_not_exact(total: Counters, traits: Traits, vectors: int, *, resumed: bool) -> str | None:
    """Why another run of the same may give other last digits; None where it gives the same bytes.

    `traits` are those of the engine. `vectors`: how many there were when the run began.
    """
    invariant, why = traits.batch_invariant, ["a server gives the scores"] if traits.is_remote else []
    if total.oom_splits:
        why.append(f"{total.oom_splits} batches ran out of memory")
    if total.cached and not invariant:
        why.append(f"{total.cached:,} pairs from the cache")
    if vectors and not invariant:
        why.append(f"vectors of earlier runs ({vectors:,} were there)")
    if resumed and traits.has_vectors and not invariant:
        why.append("texts were encoded with others when it was resumed")
    if total.cache_changes:
        why.append(OTHERWISE)
    return "; ".join(why) or None
