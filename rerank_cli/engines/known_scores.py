"""Published scores of well-known models, from known_scores.json: what this model gives elsewhere.

The file has a tolerance for each unit and dtype, the sources with the dtype that they computed in, the pairs of texts,
and for each model its scores. `revisions` are the commits on the hub for which the scores are known to hold; a run of
one of these is checked when it starts.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from rerank_cli.core.errors import ModelError
from rerank_cli.core.ranking import sigmoid
from rerank_cli.core.scorer import Batch, Scorer, as_numbers
from rerank_cli.models.prompts import prompt_of_model

FILE = Path(__file__).with_name("known_scores.json")
FAR = 5.0  # tolerances: further off, another model is computed, not the same one in other rounding


@dataclass(frozen=True, slots=True)
class KnownScore:
    """A published score of a pair; its `unit` is a logit, its sigmoid or a MaxSim. `tolerances` are by our dtype."""

    query: str
    document: str
    unit: str
    expected: float
    source: str
    tolerances: dict[str, float]

    def ours(self, logit: float) -> float:
        """Our score in the unit of this one."""
        return sigmoid(logit) if self.unit == "sigmoid" else logit


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with published scores, and the revisions that they are of."""

    name: str
    revisions: tuple[str, ...]
    scores: tuple[KnownScore, ...]

    @property
    def telling(self) -> KnownScore:
        """The score that another model is least likely to give: of sigmoids the one nearest to a half."""
        return min(self.scores, key=lambda score: abs(score.expected - 0.5) if score.unit == "sigmoid" else 1.0)


@functools.cache
def known_models() -> dict[str, KnownModel]:
    """The models of the file, by hub id or alias."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    models = {}
    for name, model in document["models"].items():
        scores = []
        for group in model["scores"]:
            pairs, source = document["pairs"][group["pairs"]], document["sources"][group["source"]]
            said = f"{source['text']}, {source['dtype']}"
            for text, value in zip(pairs["documents"], group["values"], strict=True):
                tolerances = document["tolerances"][group["unit"]]
                scores.append(KnownScore(pairs["query"], text, group["unit"], value, said, tolerances))
        models[name] = KnownModel(name, tuple(model["revisions"]), tuple(scores))
    return models


def known_model(scorer: Scorer) -> KnownModel | None:
    """The known model that a scorer computes: by its hub id, or by the name of its folder.

    A cross-encoder whose body is used as a bi-encoder is another model, and so is one with another prompt.
    """
    identity = scorer.identity
    if identity.engine == "bi-encoder" or identity.instruction is not None:
        return None
    known = known_by_name(identity.model)
    prompt = prompt_of_model(known.name) if known is not None else None
    return known if identity.prompt == (prompt.identity if prompt is not None else None) else None


def known_by_name(name: str) -> KnownModel | None:
    """The known model with this hub id, or with this name of a folder; None for an unknown one."""
    models, last = known_models(), name.rstrip("/").rpartition("/")[2]
    found = models.get(name.rstrip("/"))
    return found or next((each for each in models.values() if each.name.rpartition("/")[2] == last), None)


def known_scores(scorer: Scorer) -> list[tuple[KnownScore, float]]:
    """The published scores of this model with ours; empty for an unknown model. Pairs that are cut are left out."""
    known = known_model(scorer)
    if known is None:
        return []
    pairs = scorer.prepare([(score.query, score.document) for score in known.scores])
    whole = [
        (score, pair) for score, pair in zip(known.scores, pairs, strict=True) if not (pair.truncated or pair.more)
    ]
    if not whole:
        return []
    logits = as_numbers(next(iter(scorer.score(iter([Batch.of([pair for _, pair in whole])])))))
    return [(score, score.ours(logit)) for (score, _), logit in zip(whole, logits, strict=True)]


def check_start(scorer: Scorer) -> None:
    """Compare one pair with its published score, if the model is of the hub and at a revision that is known.

    Raises ModelError for a score that is far off.
    """
    known = known_model(scorer)
    if known is None or scorer.identity.revision not in known.revisions:
        return
    score = known.telling
    (pair,) = scorer.prepare([(score.query, score.document)])
    if pair.truncated or pair.more:  # by a small --max-length: another text is scored
        return
    (logit,) = as_numbers(next(iter(scorer.score(iter([Batch.of([pair])])))))
    found = score.ours(logit)
    if not abs(found - score.expected) <= FAR * score.tolerances[scorer.identity.dtype]:  # a NaN, too
        raise ModelError(
            f"self-test: {known.name} gives a {score.unit} of {found:.4f} where {score.expected:.4f} is published "
            f"({score.source})",
            "A library or the device computes wrongly. Try --engine torch --device cpu --dtype fp32.",
        )
