"""The score cache of a run: what of it the run sees, and whether that is what an uninterrupted run would have seen.

A known logit saves its pair's place in a batch, so the other pairs are computed in other company, and their logits may
differ in the last digits. So a run sees the same entries from its beginning to its end, resumed or not: it notes in the
journal which. Where it cannot, that is counted, and the statistics say why the result is not exact.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rerank_cli.core.config import FileConfig
from rerank_cli.core.errors import RerankError
from rerank_cli.core.protocols import Report
from rerank_cli.core.scorer import Scorer
from rerank_cli.core.stats import Counters
from rerank_cli.files.numbered_store import Seen
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.files.shared_file import refuse_folder
from rerank_cli.jobs.cached_scorer import Additions, CachedScorer, View, made_by, name_of

OPTION = "--score-cache"
GB = 10**9
RESOLVED = "score_cache"  # in the journal's header
OTHERWISE = "other entries of the score cache were seen than at the beginning"


class ScoreCache:
    """The cache that --score-cache names; without the option, what that means for a run that began with one.

    Constructing it opens the folder. A new run raises ConfigError and OutputError where it cannot be used: nothing is
    lost by then. A run that continues goes on without it, and `warn` is called.
    """

    def __init__(self, files: FileConfig, warn: Report, *, continues: bool = False) -> None:
        self._stores: list[ScoreStore] = []
        self._most_bytes = round(files.cache_gb * GB)
        self._warn = warn
        try:
            if files.score_cache is not None:
                self._stores = [ScoreStore(Path(files.score_cache), OPTION) for _ in range(2)]
        except RerankError as fault:
            if not continues:
                raise
            self._go_without(fault)
        self._scorer: CachedScorer | None = None
        self._seen: Seen | None = None
        self.changes = 0  # 1 if the run continues with other entries than it began with

    def start(self, scorer: Scorer) -> Scorer:
        """The scorer of a new run, which sees all that is there."""
        if not self._stores:
            return scorer
        model, self._seen = self._begin(scorer)
        return self._around(scorer, model)

    def _begin(self, scorer: Scorer) -> tuple[int, Seen]:
        identity = scorer.identity
        return self._stores[0].begin(made_by(identity), name_of(identity), round(time.time()))

    def _go_without(self, fault: RerankError) -> None:
        self._stores = []
        self._warn(f"{fault.message}: the run continues without a score cache. {fault.advice}")

    def resume(self, scorer: Scorer, resolved: dict[str, Any]) -> Scorer:
        """The scorer of a run that continues, with what the journal's header says; it sees what it saw before.

        A run that began without a cache adds to it, and sees nothing of it.
        """
        noted = Seen(**resolved[RESOLVED]) if resolved.get(RESOLVED) else None
        self._seen = noted
        saw = noted is not None and noted.entries > 0
        try:
            model, now = self._begin(scorer) if self._stores else (0, None)
        except RerankError as fault:
            self._go_without(fault)
            now = None
        if now is None:
            self._note_change(scorer, saw)
            return scorer
        if noted is None or noted.store != now.store or noted.number > now.number:  # an older copy gives numbers again
            self._note_change(scorer, saw)
            self._seen = Seen(now.store, now.epoch, 0, 0)
        else:
            self._note_change(scorer, saw and noted.epoch != now.epoch)
            self._seen = Seen(noted.store, now.epoch, noted.number, noted.entries)
        return self._around(scorer, model)

    def _around(self, scorer: Scorer, model: int) -> Scorer:
        assert self._seen is not None
        reads, writes = self._stores
        view, additions = View(reads, self._seen.number), Additions(writes, model, self._most_bytes)
        self._scorer = CachedScorer(scorer, view, additions, self._warn)
        return self._scorer

    def _note_change(self, scorer: Scorer, changed: bool) -> None:
        if changed and not scorer.traits.batch_invariant:
            self.changes = 1
            self._warn(f"{OTHERWISE}: scores may differ in their last digits from those of one run")

    def resolved(self) -> dict[str, Any]:
        """What is noted in the journal."""
        return {} if self._seen is None else {RESOLVED: asdict(self._seen)}

    def finish(self) -> int:
        """Store the last logits and close the files.

        Returns 1 if entries that the run could see were lost meanwhile, or not seen, else 0.
        """
        if self._scorer is None or self._seen is None:
            return 0
        self._scorer.store()
        lost = self._scorer.missed > 0 or self._epoch() != self._seen.epoch
        for store in self._stores:
            store.close()
        return int(lost and self._seen.entries > 0 and not self._scorer.traits.batch_invariant)

    def _epoch(self) -> int | None:
        """The epoch now; None where it cannot be read."""
        try:
            return self._stores[0].epoch
        except RerankError:
            return None


def known_before(files: FileConfig, scorer: Scorer, report: Report) -> Scorer:
    """The scorer for a look at what a run would do: it sees what a run would see, and adds nothing."""
    folder = None if files.score_cache is None else Path(files.score_cache)
    if folder is None:
        return scorer
    if not ScoreStore.exists_in(folder):
        refuse_folder(folder, f"{OPTION} {folder}")
        return scorer
    store = ScoreStore(folder, OPTION)
    seen = store.seen(made_by(scorer.identity))
    return CachedScorer(scorer, View(store, seen.number if seen.entries else 0), None, report)


def why_not_exact(total: Counters, invariant: bool) -> str | None:
    """Why another run of the same may give other last digits; None where it gives the same bytes.

    `invariant`: whether logits do not depend on their batches.
    """
    why = []
    if total.oom_splits:
        why.append(f"{total.oom_splits} batches ran out of memory")
    if total.cached and not invariant:
        why.append(f"{total.cached:,} pairs from the cache")
    if total.cache_changes:
        why.append(OTHERWISE)
    return "; ".join(why) or None
