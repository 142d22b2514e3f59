"""Show what reranking did to the questions of the demo: a table, one question that it helped, one that it did not.

rerank score sample_data/demo/questions.jsonl -o demo.jsonl --model mini
python sample_data/demo/show.py demo.jsonl
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rerank_cli.core.printable import printable

GROUPS = {"en": "English", "zh": "Chinese, English texts", "ar": "Arabic, English texts"}
BEFORE = "Before: BM25's order for English, a random order for the others (BM25 finds nothing across languages)."
MODEL = "Small model, for first steps: mini. For work: `rerank score FILE -o OUT` uses bge-reranker-v2-m3 (2.3 GB)."
SHOWN = 3  # candidates of a question that is shown


@dataclass(frozen=True, slots=True)
class Question:
    """A reranked record: its grades in the order before and after, and the place of the best answer in each."""

    record: dict[str, Any]
    before: list[int]
    after: list[int]

    def orders(self) -> tuple[list[int], list[int]]:
        """The grades before and after."""
        return self.before, self.after

    def places(self) -> tuple[int, int]:
        """The place of the first right answer, from 1, before and after."""
        first = [next(at for at, grade in enumerate(grades, 1) if grade) for grades in self.orders()]
        return first[0], first[1]

    def gain(self) -> float:
        """The gain in nDCG@10."""
        return ndcg(self.after) - ndcg(self.before)


def question(line: bytes) -> Question:
    """A line that `rerank score` wrote: each candidate has its place before in `index`."""
    record = json.loads(line)
    after = record["candidates"]
    before = sorted(after, key=lambda candidate: candidate["index"])
    return Question(record, [each["relevance"] for each in before], [each["relevance"] for each in after])


def ndcg(grades: Sequence[int], depth: int = 10) -> float:
    """Normalized discounted cumulative gain, with linear gains, as trec_eval computes it."""

    def gain(order: Sequence[int]) -> float:
        return sum(grade / math.log2(place + 1) for place, grade in enumerate(order[:depth], 1))

    return gain(grades) / gain(sorted(grades, reverse=True))


def cut(text: Text) -> Text:
    """The text on one line, cut to the width of the screen."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def table(questions: Sequence[Question]) -> Table:
    """Quality before and after, by language, then of all."""
    made = Table(box=None, pad_edge=False)
    made.add_column("")
    for head in ("\nquestions", "nDCG@10\nbefore", "\nafter", "answer first\nbefore", "\nafter"):
        made.add_column(head, justify="right", no_wrap=True)
    groups = [(name, [each for each in questions if each.record["lang"] == lang]) for lang, name in GROUPS.items()]
    for name, group in [*groups, ("all", list(questions))]:
        quality = [sum(map(ndcg, orders)) / len(group) for orders in zip(*map(Question.orders, group), strict=True)]
        first = [sum(each.places()[when] == 1 for each in group) for when in (0, 1)]
        made.add_row(name, str(len(group)), *(f"{mean:.2f}" for mean in quality), *map(str, first))
    return made


def candidates(each: Question) -> Iterator[Any]:
    """The best candidates now: the first one whole, the others on a line."""
    for place, candidate in enumerate(each.record["candidates"][:SHOWN], 1):
        mark = "the right answer" if candidate["relevance"] else "not an answer"
        yield Text(f"  {place}. {mark}, was {candidate['index'] + 1}, score {candidate['score']:.3f}")
        text = Text(printable(candidate["text"]), "green" if candidate["relevance"] else "dim")
        yield Padding(text, (0, 0, 0, 5)) if place == 1 else Padding(cut(text), (0, 0, 0, 5))


def report(questions: Sequence[Question]) -> Iterator[Any]:
    """What is printed. The questions shown are those with the largest gain and the largest loss in nDCG@10."""
    yield table(questions)
    yield Text(f"\n{BEFORE}")
    best, worst = max(questions, key=Question.gain), min(questions, key=Question.gain)
    for each, word in ((best, "helped"), (worst, "hurt")):
        if each.gain() * (1 if each is best else -1) > 0:
            before, after = each.places()
            yield Text(f"\nIt {word} most here: the right answer was at {before}, is at {after}", "bold")
            yield Text(f"  {printable(each.record['query'])}")
            yield from candidates(each)
    yield Text(f"\n{MODEL}")


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="what `rerank score` wrote")
    questions = [question(line) for line in parser.parse_args().output.read_bytes().splitlines()]
    Console(highlight=False, markup=False, emoji=False).print(*report(questions), sep="\n")


if __name__ == "__main__":
    main()
