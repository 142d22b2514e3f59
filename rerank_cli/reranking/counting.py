"""Count the batches and records of a window, for runs and dry runs."""

from collections.abc import Sequence

from rerank_cli.core.plan import BatchPlan
from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import Failure, Request
from rerank_cli.core.stats import Counters, Progress
from rerank_cli.reranking.windows import NumberedRequest, Window


def count_batch(plan: BatchPlan, seconds: float, counters: Counters, progress: Progress) -> None:
    """Add a batch to its window's `counters`, and to the progress that `progress` shows."""
    counters.batches += 1
    counters.tokens += plan.tokens
    counters.padded_tokens += plan.padded
    counters.busy_s += seconds
    progress.batch_scored(len(plan.indices), plan.tokens, plan.padded, seconds)


def count_found(pairs: int, counters: Counters, progress: Progress) -> None:
    """Add pairs whose logits came from a cache."""
    if pairs:
        counters.cached += pairs
        progress.pairs_found(pairs)


def counters_of(window: Window, results: Sequence[tuple[Request, Ranking] | NumberedRequest | Failure]) -> Counters:
    """The counters of a window's records, without batches. A record failed if its result is a Failure."""
    counters = Counters(records=len(results), blank=window.blank, duplicate_pairs=window.duplicates, windows=1)
    for entry, result in zip(window.entries, results, strict=True):
        if isinstance(entry, Failure) or isinstance(result, Failure):
            counters.failed += 1
            continue
        counters.scored += 1
        counters.pairs += len(entry.pairs)
        counters.truncated += len(entry.truncated)
        counters.empty_texts += entry.request.texts.count("")
        counters.chunked += len(entry.chunks)
        counters.chunks += sum(map(len, entry.chunks.values()))
    return counters


def counters_of_chunks(window: Window) -> Counters:
    """The documents of a window that a stage scored in chunks, and their chunks."""
    found = [entry.chunks for entry in window.entries if not isinstance(entry, Failure)]
    return Counters(chunked=sum(map(len, found)), chunks=sum(len(each) for chunks in found for each in chunks.values()))
