"""What a model learns from: judged records as the rows that each loss takes.

A row is a dict of columns, as sentence-transformers' losses document them. Which negatives of a long list are taken
is drawn from a generator that the caller seeds, so the same seed gives the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A query with its texts; a `relevance` above 0 is relevant; `teacher`: logits, where a teacher gave them."""

    query: str
    texts: tuple[str, ...]
    relevance: tuple[float, ...]
    teacher: tuple[float, ...] | None = None

    @property
    def positives(self) -> list[int]:
        """Places of the relevant texts."""
        return [place for place, value in enumerate(self.relevance) if value > 0]

    @property
    def negatives(self) -> list[int]:
        """Places of the others."""
        return [place for place, value in enumerate(self.relevance) if value <= 0]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a loss takes. `rows`: "pairs", "lists", "margins" or "triplets"; `teacher`: it needs teacher logits."""

    name: str
    rows: str
    teacher: bool
    says: str


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("bce", "pairs", False, "binary cross-entropy of each pair: calibrated, the usual choice"),
        Loss("listnet", "lists", False, "cross-entropy of a whole list with its relevance (Cao et al., 2007)"),
        Loss("lambda", "lists", False, "pairs of a list weighted by their gain in nDCG (Wang et al., 2018)"),
        Loss("triplet", "triplets", False, "a relevant text above another one by a margin of logits"),
        Loss("margin-mse", "margins", True, "the teacher's difference of two logits (Hofstätter et al., 2020)"),
        Loss("kl", "lists", True, "the teacher's distribution over a list (KL divergence)"),
    )
}


def useful(example: Example, loss: Loss) -> bool:
    """Whether a loss can learn from an example.

    >>> useful(Example("q", ("a",), (1.0,)), LOSSES["bce"]), useful(Example("q", ("a",), (1.0,)), LOSSES["listnet"])
    (True, False)
    """
    if loss.teacher and example.teacher is None:
        return False
    if loss.rows == "pairs":
        return bool(example.texts)
    if loss.name == "kl":
        return len(example.texts) > 1
    return bool(example.positives) and bool(example.negatives)


def rows(example: Example, loss: Loss, negatives: int, draw: Random) -> Iterator[Row]:
    """The rows of a useful example, with at most `negatives` negatives for each relevant text (or list).

    Grades become labels between 0 and 1 in pairs, and stay as they are in lists.
    """
    made = {"pairs": _pairs, "lists": _lists, "margins": _margins, "triplets": _triplets}[loss.rows]
    yield from made(example, loss, negatives, draw)


def _some(places: list[int], count: int, draw: Random) -> list[int]:
    return places if len(places) <= count else sorted(draw.sample(places, count))


def _pairs(example: Example, _loss: Loss, negatives: int, draw: Random) -> Iterator[Row]:
    chosen = example.positives + _some(example.negatives, negatives * max(1, len(example.positives)), draw)
    best = max(1.0, *example.relevance)
    for place in sorted(chosen):
        label = max(0.0, example.relevance[place]) / best
        yield {"query": example.query, "text": example.texts[place], "label": label}


def _lists(example: Example, loss: Loss, negatives: int, draw: Random) -> Iterator[Row]:
    positives = _some(example.positives, negatives, draw)
    chosen = sorted(positives + _some(example.negatives, negatives, draw))
    values = example.teacher if loss.teacher and example.teacher is not None else example.relevance
    yield {
        "query": example.query,
        "texts": [example.texts[place] for place in chosen],
        "label": [float(max(0.0, values[place]) if not loss.teacher else values[place]) for place in chosen],
    }


def _margins(example: Example, _loss: Loss, negatives: int, draw: Random) -> Iterator[Row]:
    teacher = example.teacher or ()
    for place in example.positives:
        for other in _some(example.negatives, negatives, draw):
            margin = teacher[place] - teacher[other]
            yield {**_triplet(example, place, other), "label": margin}


def _triplets(example: Example, _loss: Loss, negatives: int, draw: Random) -> Iterator[Row]:
    for place in example.positives:
        for other in _some(example.negatives, negatives, draw):
            yield _triplet(example, place, other)


def _triplet(example: Example, positive: int, negative: int) -> Row:
    return {"query": example.query, "positive": example.texts[positive], "negative": example.texts[negative]}
