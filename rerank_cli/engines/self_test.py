"""Test a loaded model on a few known pairs, in about a second.

Every run begins with this test: scores must be finite, a batch must score like its single pairs, and a known model must
rank the right passage first. A model of the hub at a known revision must give its published score. `rerank doctor`
prints the same comparison.
"""

import math
from pathlib import Path

from rerank_cli.core.dtypes import DTYPES
from rerank_cli.core.errors import DeviceError, ModelError, RerankError
from rerank_cli.core.scorer import Batch, OutOfMemory, PreparedPair, Scorer, as_numbers
from rerank_cli.engines.known_scores import check_start, known_model
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.libraries import in_short

PANDA = (
    "The giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, is a bear species "
    "endemic to China."
)
PAIRS = [("what is panda?", "hi"), ("what is panda?", PANDA)]
# By dtype, for a logit of size 1; padding changes rounding only.
SINGLES_TOLERANCE = dict(zip(DTYPES, (1e-3, 2e-2, 2e-1, 5e-1), strict=True))
KNOWN_ORDER = {"mini", "BAAI/bge-reranker-v2-m3"}


def score_together(scorer: Scorer, pairs: list[PreparedPair]) -> list[float]:
    """The logits of prepared pairs in one batch."""
    return as_numbers(next(iter(scorer.score(iter([Batch.of(pairs)])))))


def self_test(scorer: Scorer) -> dict[str, float]:
    """Score the known pairs in one batch and one by one.

    Returns the logits of the irrelevant and the relevant passage, and the largest difference `batch_delta`. Raises
    DeviceError when a score is not finite or depends on its batch, ModelError when a known model ranks them wrongly.
    """
    pairs = scorer.prepare(PAIRS)
    together = score_together(scorer, pairs)
    alone = [score_together(scorer, [pair])[0] for pair in pairs]
    if not all(map(math.isfinite, together + alone)):
        wider = "Use --dtype bf16 or fp32." if scorer.identity.dtype == "fp16" else "Try --dtype fp32."
        raise DeviceError(f"self-test: scores are not finite in {scorer.identity.dtype}", wider)
    delta = max(abs(a - b) for a, b in zip(together, alone, strict=True))
    size = max(1.0, *map(abs, together))
    if delta > SINGLES_TOLERANCE[scorer.identity.dtype] * size:
        raise DeviceError(
            f"self-test: the logit of a pair changes by {delta:.3g} with its batch",
            "Try --device cpu: the device or its libraries are faulty. `rerank doctor` shows their versions.",
        )
    irrelevant, relevant = together
    known = known_model(scorer)
    if known is not None and known.name in KNOWN_ORDER and relevant <= irrelevant:
        raise ModelError(
            "self-test: the model ranks 'hi' above a description of pandas",
            "Fetch the model again: its files are damaged.",
        )
    return {"irrelevant": irrelevant, "relevant": relevant, "batch_delta": delta}


def prove(scorer: Scorer, folder: Path, memory: DeviceError) -> None:
    """Test a scorer that has just loaded the model in `folder`.

    Raises ModelError or DeviceError, and `memory` when a batch does not fit into memory.
    """
    try:
        self_test(scorer)
        check_start(scorer)
    except OutOfMemory:
        raise memory from None
    except RerankError:
        raise
    except Exception as fault:  # values that transformers accepts and cannot compute with
        raise ModelError(
            f"{folder / 'config.json'}: the model it describes cannot score ({in_short(fault)})",
            FETCH_AGAIN,
        ) from fault
