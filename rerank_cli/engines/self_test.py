"""Test a loaded model on a few known pairs, in about a second.

Every run begins with this test: scores must be finite, a batch must score like its single pairs, and a known model must
rank the right passage first. `rerank doctor` prints the same comparison.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from rerank_cli.core.dtypes import DTYPES
from rerank_cli.core.errors import DeviceError, ModelError, RerankError
from rerank_cli.core.ranking import sigmoid
from rerank_cli.core.scorer import Batch, OutOfMemory, PreparedPair, Scorer
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.libraries import in_short

PANDA = (
    "The giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, is a bear species "
    "endemic to China."
)
PAIRS = [("what is panda?", "hi"), ("what is panda?", PANDA)]
# By dtype, for a logit of size 1; padding changes rounding only.
SINGLES_TOLERANCE = dict(zip(DTYPES, (1e-3, 2e-2, 2e-1, 5e-1), strict=True))
KNOWN_ORDER = {"mini", "bge-reranker-v2-m3"}


@dataclass(frozen=True, slots=True)
class KnownScore:
    """A published score; its `kind` is a logit or its sigmoid."""

    query: str
    document: str
    kind: str
    expected: float
    source: str

    def tolerance(self, dtype: str) -> float:
        """The tolerance for our score: their rounding and ours."""
        return TOLERANCES[self.kind][dtype]


TOLERANCES = {
    "logit": dict(zip(DTYPES, (0.05, 0.05, 0.2, 1.0), strict=True)),
    "sigmoid": dict(zip(DTYPES, (0.01, 0.01, 0.02, 0.1), strict=True)),
}


RED_PLANET = "Which planet is known as the Red Planet?"
_FLAG = "FlagEmbedding's README, fp16"
_ST = "sentence-transformers' tests, bf16"
BERLIN = "How many people live in Berlin?"
_CARD = "the model's page in sentence-transformers' documentation, fp32"
_OURS = "this package's own card, fp32"
KNOWN_SCORES = {
    "mini": (
        KnownScore("what is panda?", "hi", "logit", -3.9549, _OURS),
        KnownScore("what is panda?", PANDA, "logit", 1.9573, _OURS),
    ),
    "ms-marco-MiniLM-L6-v2": (
        KnownScore(
            BERLIN,
            "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers.",
            "logit",
            8.607138,
            _CARD,
        ),
        KnownScore(BERLIN, "Berlin is well known for its museums.", "logit", -4.3200774, _CARD),
    ),
    "bge-reranker-v2-m3": (
        KnownScore("query", "passage", "logit", -5.65234375, _FLAG),
        KnownScore("what is panda?", "hi", "logit", -8.1875, _FLAG),
        KnownScore("what is panda?", PANDA, "logit", 5.26171875, _FLAG),
        KnownScore(
            RED_PLANET,
            "Venus is often called Earth's twin because of its similar size and proximity.",
            "sigmoid",
            0.01855,
            _ST,
        ),
        KnownScore(
            RED_PLANET,
            "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
            "sigmoid",
            1.0,
            _ST,
        ),
        KnownScore(
            RED_PLANET,
            "Jupiter, the largest planet in our solar system, has a prominent red spot.",
            "sigmoid",
            0.78906,
            _ST,
        ),
        KnownScore(
            RED_PLANET,
            "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
            "sigmoid",
            0.98828,
            _ST,
        ),
    ),
}


def known_name(scorer: Scorer) -> str:
    """A hub id without its owner, or the name of a folder: one name for a model.

    A cross-encoder whose body is used as a bi-encoder has no known name.
    """
    if scorer.identity.engine == "bi-encoder":
        return ""
    return scorer.identity.model.rstrip("/").rpartition("/")[2]


def score_together(scorer: Scorer, pairs: list[PreparedPair]) -> list[float]:
    """The logits of prepared pairs in one batch."""
    return next(iter(scorer.score(iter([Batch.of(pairs)]))))


def self_test(scorer: Scorer) -> dict[str, float]:
    """Score the known pairs in one batch and one by one.

    Returns the logits of the irrelevant and the relevant passage, and the largest difference `batch_delta`. Raises
    DeviceError when a score is not finite or depends on its batch, ModelError when a known model ranks them wrongly.
    """
    pairs = scorer.prepare(PAIRS)
    together = score_together(scorer, pairs)
    alone = [score_together(scorer, [pair])[0] for pair in pairs]
    if not all(map(math.isfinite, together + alone)):
        raise DeviceError(f"self-test: scores are not finite in {scorer.identity.dtype}", "Try --dtype fp32.")
    delta = max(abs(a - b) for a, b in zip(together, alone, strict=True))
    size = max(1.0, *map(abs, together))
    if delta > SINGLES_TOLERANCE[scorer.identity.dtype] * size:
        raise DeviceError(
            f"self-test: the logit of a pair changes by {delta:.3g} with its batch",
            "Try --device cpu: the device or its libraries are faulty. `rerank doctor` shows their versions.",
        )
    irrelevant, relevant = together
    if known_name(scorer) in KNOWN_ORDER and relevant <= irrelevant:
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
    except OutOfMemory:
        raise memory from None
    except RerankError:
        raise
    except Exception as fault:  # values that transformers accepts and cannot compute with
        raise ModelError(
            f"{folder / 'config.json'}: the model it describes cannot score ({in_short(fault)})",
            FETCH_AGAIN,
        ) from fault


def known_scores(scorer: Scorer) -> list[tuple[KnownScore, float]]:
    """The published scores of this model with ours; empty for an unknown model."""
    known = KNOWN_SCORES.get(known_name(scorer), ())
    if not known:
        return []
    logits = score_together(scorer, scorer.prepare([(score.query, score.document) for score in known]))
    return [(score, sigmoid(x) if score.kind == "sigmoid" else x) for score, x in zip(known, logits, strict=True)]
