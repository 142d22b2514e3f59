"""From logits to a ranking: best first, ties by input position, limited by top-k and threshold.

The order is by the raw float32 logit. The score is for people: `sigmoid(logit)` in float64, which still distinguishes
logits of 17 and 18. A half-precision sigmoid is 1.0 for both, which leaves their order to chance.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rerank_cli.core.config import ScoreKind
from rerank_cli.core.decimals import score_with_digits, short_score, shortest_float32, with_digits


@dataclass(frozen=True, slots=True)
class Ranking:
    """A request's candidates, best first.

    `indices` are positions in the input's list, from 0; `logits` and `scores` stand in the same order, with as many
    digits as are written (see `decimals`). `truncated` holds the input positions of candidates of which the model saw
    only a part; `chunks` gives, for candidates that were scored in parts, the characters of the best part. `tokens` is
    what scoring all of the request took. `has_logits`: whether `logits` are that; else they are scores of another kind,
    which give the order, and `scores` are the same.

    Of a cascade, `stages` are the numbers of the stages that gave the scores, from 1, in the order of `indices`, and
    `stage_scores` the scores of all stages, None where a stage did not score a candidate. `without_logit` are the input
    positions whose score is of another kind. `fused`: the order is by `scores`, which are fused ones.
    """

    indices: tuple[int, ...]
    logits: tuple[float, ...]
    scores: tuple[float, ...]
    truncated: frozenset[int] = frozenset()
    chunks: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    tokens: int = 0
    has_logits: bool = True
    stages: tuple[int, ...] = ()
    stage_scores: tuple[tuple[float | None, ...], ...] = ()
    without_logit: frozenset[int] = frozenset()
    fused: bool = False

    def first(self, count: int) -> "Ranking":
        """The ranking of the best `count` candidates."""
        return replace(
            self,
            indices=self.indices[:count],
            logits=self.logits[:count],
            scores=self.scores[:count],
            stages=self.stages[:count],
            stage_scores=self.stage_scores[:count],
        )

    def has_logit(self, index: int) -> bool:
        """Whether the candidate at this input position has a logit."""
        return self.has_logits and index not in self.without_logit

    def falling(self) -> tuple[float, ...]:
        """Numbers that give the order, none above the one before: for readers that sort by a score.

        What the last stage scored has its logit, or its fused score. What it did not score has the least of those.
        """
        values = self.scores if self.fused else self.logits
        if not self.stages:
            return values
        last = [value for value, stage in zip(values, self.stages, strict=True) if stage == self.stages[0]]
        return (*last, *[last[-1]] * (len(values) - len(last)))


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-x) in float64, without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(logit)
    return grown / (1.0 + grown)


def rank(
    logits: Sequence[float],
    *,
    top_k: int | None = None,
    min_score: float | None = None,
    score: ScoreKind = "sigmoid",
    digits: int | None = None,
    truncated: frozenset[int] = frozenset(),
    chunks: Mapping[int, tuple[int, int]] | None = None,
    tokens: int = 0,
    has_logits: bool = True,
) -> Ranking:
    """Rank candidates by float32 `logits` (one per candidate, in input order).

    Keeps at most `top_k`, and of those only the ones whose score, in units of `score`, is at least `min_score`.
    `digits` are how many significant ones logits and scores have at most; they change neither order nor choice.
    Without `has_logits`, scores are what was given for logits, whatever `score` says.
    Raises ValueError on a logit that is not finite: a sort with a NaN gives a wrong order and no error.
    """
    if not all(map(math.isfinite, logits)):
        raise ValueError("cannot rank logits that are not finite. This is a bug.")
    score = score if has_logits else "logit"
    order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:top_k]
    raw = [logits[index] for index in order]
    kept = list(map(shortest_float32, raw))
    scores = kept if score == "logit" else [short_score(sigmoid(logit)) for logit in raw]
    if min_score is not None:
        count = sum(value >= min_score for value in scores)
        order, kept, scores = order[:count], kept[:count], scores[:count]
    if digits is not None:
        kept = [with_digits(logit, digits) for logit in kept]
        scores = kept if score == "logit" else [score_with_digits(sigmoid(logit), digits) for logit in raw[: len(kept)]]
    cut = truncated & frozenset(order) if truncated else truncated
    return Ranking(tuple(order), tuple(kept), tuple(scores), cut, chunks or {}, tokens, has_logits)
