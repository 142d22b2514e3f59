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
from rerank_cli.jobs.cached_scorer import Additions, CachedScorer, View, made_by

OPTION = "--score-cache"
GB = 10**9
RESOLVED = "score_cache"  # in the journal's header
OTHERWISE = "other entries of the score cache were seen than at the beginning"


class ScoreCache:
    """The cache that --score-cache names; without the option, what that means for a run that began with one.

    Constructing it opens the folder. Raises ConfigError and OutputError.
    """

    def __init__(self, files: FileConfig, report: Report) -> None:
        self._stores = []
        if files.score_cache is not None:
            folder = Path(files.score_cache)
            self._stores = [ScoreStore(folder, OPTION), ScoreStore(folder, OPTION)]
        self._most_bytes = round(files.cache_gb * GB)
        self._report = report
        self._scorer: CachedScorer | None = None
        self._seen: Seen | None = None
        self.changes = 0  # 1 if the run continues with other entries than it began with

    def start(self, scorer: Scorer) -> Scorer:
        """The scorer of a new run, which sees all that is there."""
        if not self._stores:
            return scorer
        model, self._seen = self._stores[0].begin(made_by(scorer.identity), round(time.time()))
        return self._around(scorer, model)

    def resume(self, scorer: Scorer, resolved: dict[str, Any]) -> Scorer:
        """The scorer of a run that continues, with what the journal's header says; it sees what it saw before.

        A run that began without a cache adds to it, and sees nothing of it.
        """
        noted = Seen(**resolved[RESOLVED]) if resolved.get(RESOLVED) else None
        self._seen = noted
        if not self._stores:
            self._note_change(scorer, noted is not None and noted.entries > 0)
            return scorer
        model, now = self._stores[0].begin(made_by(scorer.identity), round(time.time()))
        if noted is None or noted.store != now.store:
            self._note_change(scorer, noted is not None and noted.entries > 0)
            self._seen = Seen(now.store, now.epoch, 0, 0)
        else:
            self._note_change(scorer, noted.entries > 0 and noted.epoch != now.epoch)
            self._seen = Seen(noted.store, now.epoch, noted.number, noted.entries)
        return self._around(scorer, model)

    def _around(self, scorer: Scorer, model: int) -> Scorer:
        assert self._seen is not None
        reads, writes = self._stores
        view, additions = View(reads, self._seen.number), Additions(writes, model, self._most_bytes)
        self._scorer = CachedScorer(scorer, view, additions, self._report)
        return self._scorer

    def _note_change(self, scorer: Scorer, changed: bool) -> None:
        if changed and not scorer.traits.batch_invariant:
            self.changes = 1
            self._report(f"{OTHERWISE}: scores may differ in their last digits from those of one run")

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
    if folder is None or not ScoreStore.exists_in(folder):
        return scorer
    store = ScoreStore(folder, OPTION)
    model = store.model_of(made_by(scorer.identity))
    seen = store.seen(model)
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
