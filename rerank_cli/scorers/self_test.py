"""Is this the model it should be, and does it compute? A few known pairs tell, in a second.

Run at the start of every run: scores must be finite, a batch must score like its singles, and a model whose scores
are known must put the right passage first. `rerank doctor` prints the same comparison.
"""

import math
from dataclasses import dataclass

from rerank_cli.errors import DeviceError, ModelError
from rerank_cli.ranking import sigmoid
from rerank_cli.scorers import Batch, PreparedPair, Scorer

PANDA = (
    "The giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, is a bear species "
    "endemic to China."
)
PAIRS = [("what is panda?", "hi"), ("what is panda?", PANDA)]
SINGLES_TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 2e-1}  # of a logit of size 1; padding moves rounding only
KNOWN_ORDER = {"mini", "BAAI/bge-reranker-v2-m3"}


@dataclass(frozen=True, slots=True)
class KnownScore:
    """A score that others published. `tolerance` is in the units of `kind` and fits half precision."""

    query: str
    document: str
    kind: str
    expected: float
    tolerance: float
    source: str


RED_PLANET = "Which planet is known as the Red Planet?"
_FLAG = "FlagEmbedding's README, fp16"
_ST = "sentence-transformers' tests, bf16"
KNOWN_SCORES = {
    "BAAI/bge-reranker-v2-m3": (
        KnownScore("query", "passage", "logit", -5.65234375, 0.05, _FLAG),
        KnownScore("what is panda?", "hi", "logit", -8.1875, 0.05, _FLAG),
        KnownScore("what is panda?", PANDA, "logit", 5.26171875, 0.05, _FLAG),
        KnownScore(
            RED_PLANET,
            "Venus is often called Earth's twin because of its similar size and proximity.",
            "sigmoid",
            0.01855,
            0.01,
            _ST,
        ),
        KnownScore(
            RED_PLANET,
            "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
            "sigmoid",
            1.0,
            0.01,
            _ST,
        ),
        KnownScore(
            RED_PLANET,
            "Jupiter, the largest planet in our solar system, has a prominent red spot.",
            "sigmoid",
            0.78906,
            0.01,
            _ST,
        ),
        KnownScore(
            RED_PLANET,
            "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
            "sigmoid",
            0.98828,
            0.01,
            _ST,
        ),
    )
}


def score_together(scorer: Scorer, pairs: list[PreparedPair]) -> list[float]:
    """The logits of a few prepared pairs in one batch."""
    longest = max(pair.cost for pair in pairs)
    batch = Batch(tuple(pairs), sum(pair.cost for pair in pairs), longest * len(pairs))
    return next(iter(scorer.score(iter([batch]))))


def self_test(scorer: Scorer) -> dict[str, float]:
    """Score the known pairs together and alone.

    Returns the logits of the irrelevant and the relevant passage and the largest difference `batch_delta`. Raises
    DeviceError when a score is not finite or depends on its batch, ModelError when a known model gets the order wrong.
    """
    pairs = scorer.prepare(PAIRS)
    together = score_together(scorer, pairs)
    alone = [score_together(scorer, [pair])[0] for pair in pairs]
    if not all(map(math.isfinite, together + alone)):
        raise DeviceError(f"self-test: scores are not finite in {scorer.identity.dtype}", "Try --dtype fp32.")
    delta = max(abs(a - b) for a, b in zip(together, alone, strict=True))
    size = max(1.0, *map(abs, together))
    if delta > SINGLES_TOLERANCE.get(scorer.identity.dtype, 2e-1) * size:
        raise DeviceError(
            f"self-test: a pair's logit moves by {delta:.3g} with the batch it is in",
            "The device or its libraries compute wrongly; `rerank doctor` shows versions. Try --device cpu.",
        )
    irrelevant, relevant = together
    if scorer.identity.model in KNOWN_ORDER and relevant <= irrelevant:
        raise ModelError(
            "self-test: the model puts 'hi' above a description of pandas", "Its files are damaged: fetch anew."
        )
    return {"irrelevant": irrelevant, "relevant": relevant, "batch_delta": delta}


def known_scores(scorer: Scorer) -> list[tuple[KnownScore, float]]:
    """The published scores of this model beside ours; empty for a model without any."""
    known = KNOWN_SCORES.get(scorer.identity.model, ())
    if not known:
        return []
    logits = score_together(scorer, scorer.prepare([(score.query, score.document) for score in known]))
    return [(score, sigmoid(x) if score.kind == "sigmoid" else x) for score, x in zip(known, logits, strict=True)]
