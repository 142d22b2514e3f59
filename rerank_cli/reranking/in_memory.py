"""Score a few texts in memory."""

from collections.abc import Sequence

from rerank_cli.core.errors import DeviceError
from rerank_cli.core.plan import Budget, plan_batches
from rerank_cli.core.scorer import Batch, OutOfMemory, Scorer, as_numbers

BATCH_TOKENS = 1024


def load_and_score(scorer: Scorer, queries: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
    """The logits of each query's texts. Loads and closes the scorer. Raises DeviceError when memory is too small."""
    scorer.load()
    logits = score_texts(scorer, queries)
    scorer.close()
    return logits


def score_texts(scorer: Scorer, queries: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
    """The logits of each query's texts, by a loaded scorer. Raises DeviceError when memory is too small."""
    pairs = scorer.prepare([(query, text) for query, texts in queries for text in texts])
    plans = plan_batches([pair.cost for pair in pairs], Budget(BATCH_TOKENS), scorer.traits.multiple)
    batches = (Batch(tuple([pairs[i] for i in plan.indices]), plan.tokens, plan.padded) for plan in plans)
    flat = [0.0] * len(pairs)
    try:
        for plan, logits in zip(plans, scorer.score(batches), strict=True):
            for index, logit in zip(plan.indices, as_numbers(logits), strict=True):
                flat[index] = logit
    except OutOfMemory as fault:
        raise DeviceError(f"{scorer.identity.device}: {fault}", "Use shorter records, or a smaller model.") from None
    left = iter(flat)
    return [[next(left) for _ in texts] for _, texts in queries]
