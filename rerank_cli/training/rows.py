"""Convert judged records to the rows of each loss.

A row is a dict of columns, as documented for the losses of sentence-transformers. Negatives of a long list are drawn
with the caller's seeded generator, so the same seed gives the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """A query with its texts. A text with a `relevance` above 0 is relevant. `teacher` has a teacher's logits, if any.

    `elsewhere`: the relevance of judged documents that are not among the texts.
    """

    query: str
    texts: tuple[str, ...]
    relevance: tuple[float, ...]
    teacher: tuple[float, ...] | None = None
    elsewhere: tuple[float, ...] = ()

    @property
    def positives(self) -> list[int]:
        """Positions of the relevant texts."""
        return [place for place, value in enumerate(self.relevance) if value > 0]

    @property
    def negatives(self) -> list[int]:
        """Positions of the other texts."""
        return [place for place, value in enumerate(self.relevance) if value <= 0]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss. `rows`: "pairs", "lists", "margins" or "triplets"; `teacher`: it needs a teacher's logits."""

    name: str
    rows: str
    description: str
    teacher: bool = False

    @property
    def needs(self) -> str:
        """What an example must have, as a sentence."""
        texts = "a relevant text and another one" if self.rows != "pairs" and self.name != "kl" else "texts"
        return f"it needs {texts}" + (" with a teacher's logits" if self.teacher else "")

    def pairs_per_row(self, negatives: int) -> int:
        """The maximal number of pairs per row: a list has one text more than `negatives`."""
        return {"pairs": 1, "lists": 1 + negatives, "margins": 2, "triplets": 2}[self.rows]


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("bce", "pairs", "binary cross-entropy of each pair: calibrated, the usual choice"),
        Loss("listnet", "lists", "cross-entropy of a whole list with its relevance (Cao et al., 2007)"),
        Loss("lambda", "lists", "pairs of a list weighted by their gain in nDCG (Wang et al., 2018)"),
        Loss("triplet", "triplets", "a relevant text above another one by a margin of logits"),
        Loss("margin-mse", "margins", "the teacher's difference of two logits (Hofstätter et al., 2020)", teacher=True),
        Loss("kl", "lists", "the teacher's distribution over a list (KL divergence)", teacher=True),
    )
}


def is_useful(example: Example, loss: Loss) -> bool:
    """Whether a loss can use an example.

    >>> [is_useful(Example("q", ("a",), (1.0,)), LOSSES[name]) for name in ("bce", "listnet")]
    [True, False]
    """
    if loss.teacher and example.teacher is None:
        return False
    if loss.rows == "pairs":
        return bool(example.texts)
    if loss.name == "kl":
        return len(example.texts) > 1
    return bool(example.positives) and bool(example.negatives)


def rows_of(example: Example, loss: Loss, negatives: int, draw: Random, best: float = 1.0) -> Iterator[Row]:
    """The rows of a useful example, with at most `negatives` negatives for each relevant text.

    A list has at most one text more than `negatives`, and at least half of it are negatives if there are enough. Lists
    keep their grades. In pairs, grades are divided by `best`, the highest grade of all examples, so that equal grades
    have equal labels.
    """
    if loss.rows == "pairs":
        yield from _pairs(example, negatives, draw, best)
    elif loss.rows == "lists":
        yield _list(example, loss, negatives + 1, draw)
    else:
        yield from _margins(example, loss, negatives, draw)


def length_of(row: Row) -> int:
    """Bytes of a row's query and longest text.

    A token has 3 to 6 bytes in the languages of `mini`'s pool, and 1.3 to 4.5 characters (tokenizers of XLM-R and
    `mini`), so bytes are the better estimate of tokens.

    >>> length_of({"query": "who", "texts": ["a", "abc"], "label": [0.0, 1.0]})
    6
    """
    texts = [
        row["query"],
        *row.get("texts", ()),
        *(row[name] for name in ("text", "positive", "negative") if name in row),
    ]
    query, *others = (len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return query + max(others)


def _sample(places: list[int], count: int, draw: Random) -> list[int]:
    return places if len(places) <= count else sorted(draw.sample(places, count))


def _pairs(example: Example, negatives: int, draw: Random, best: float) -> Iterator[Row]:
    chosen = example.positives + _sample(example.negatives, negatives * max(1, len(example.positives)), draw)
    for place in sorted(chosen):
        label = max(0.0, example.relevance[place]) / best
        yield {"query": example.query, "text": example.texts[place], "label": label}


def _list(example: Example, loss: Loss, size: int, draw: Random) -> Row:
    negatives = min(len(example.negatives), max(size - len(example.positives), size // 2))
    chosen = sorted(_sample(example.positives, size - negatives, draw) + _sample(example.negatives, negatives, draw))
    values = example.teacher if loss.teacher and example.teacher is not None else example.relevance
    return {
        "query": example.query,
        "texts": [example.texts[place] for place in chosen],
        "label": [values[place] if loss.teacher else max(0.0, values[place]) for place in chosen],
    }


def _margins(example: Example, loss: Loss, negatives: int, draw: Random) -> Iterator[Row]:
    teacher = example.teacher or ()
    for place in example.positives:
        for other in _sample(example.negatives, negatives, draw):
            margin = {"label": teacher[place] - teacher[other]} if loss.teacher else {}
            texts = {"positive": example.texts[place], "negative": example.texts[other]}
            yield {"query": example.query, **texts, **margin}
