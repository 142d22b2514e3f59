"""Show what reranking did to the questions of the demo: a table, one question that it helped, one that it hurt.

rerank score sample_data/demo/questions.jsonl -o demo.jsonl --model mini
python sample_data/demo/report.py demo.jsonl
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

GROUPS = {"en": "English, BM25", "zh": "Chinese to English, random", "ar": "Arabic to English, random"}
FIRST_STAGE = "en"  # whose order before is that of a first stage
END = """20 questions show how reranking works. They are too few to judge a model.
About these questions: sample_data/demo/README.md

Your own file: a line {"query": "…", "candidates": ["…", "…"]} for each query.
  .venv/bin/rerank score FILE -o OUT --model mini
For work leave --model out: that is bge-reranker-v2-m3, stronger and slower
(2.3 GB, downloaded once)."""
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


def quality(questions: Sequence[Question]) -> tuple[tuple[float, float], tuple[int, int]]:
    """nDCG@10 before and after, and how many questions have a right answer first before and after."""
    before, after = zip(*map(Question.orders, questions), strict=True)
    means = sum(map(ndcg, before)) / len(questions), sum(map(ndcg, after)) / len(questions)
    places = [each.places() for each in questions]
    return means, (sum(first == 1 for first, _ in places), sum(first == 1 for _, first in places))


def table(groups: dict[str, list[Question]]) -> Table:
    """Quality before and after, by language."""
    made = Table(box=None, pad_edge=False)
    made.add_column("\nlanguages, order before", no_wrap=True)
    for head in ("\nquestions", "nDCG@10\nbefore", "\nafter", "right answer first\nbefore", "\nafter"):
        made.add_column(head, justify="right", no_wrap=True)
    for lang, group in groups.items():
        means, first = quality(group)
        made.add_row(GROUPS[lang], str(len(group)), *(f"{mean:.2f}" for mean in means), *map(str, first))
    return made


def verdicts(groups: dict[str, list[Question]]) -> Iterator[str]:
    """What the table says, in words."""
    across = [each for lang, group in groups.items() if lang != FIRST_STAGE for each in group]
    if across:
        _, (before, after) = quality(across)
        yield (
            "Across languages BM25 finds nothing, so the order before is random. There the right answer is first for "
            f"{after} of {len(across)} questions, before for {before}."
        )
    if within := groups.get(FIRST_STAGE):
        (mean_before, mean_after), (before, after) = quality(within)
        does = "improves on" if mean_after > mean_before else "does not improve on"
        yield f"In English, `mini` {does} BM25 here: {after} of {len(within)}, before {before}."


def line(place: int, candidate: dict[str, Any], *, whole: bool = False) -> Iterator[Any]:
    """A candidate: its place and score, and its text, on one line unless `whole`."""
    mark = "the right answer" if candidate["relevance"] else "not marked as an answer"
    yield Text(f"  {place}. {mark}, was {candidate['index'] + 1}, score {candidate['score']:.3f}")
    text = Text(printable(candidate["text"]), "green" if candidate["relevance"] else "dim")
    yield Padding(text if whole else cut(text), (0, 0, 0, 5))


def example(each: Question, word: str, where: str = "") -> Iterator[Any]:
    """A question, its best candidates now, and its right answer. Of one that was helped, the first text is whole."""
    before, after = each.places()
    yield Text(f"\nIt {word} most here{where}: the right answer was at {before}, is at {after}", "bold")
    yield Text(f"  {printable(each.record['query'])}")
    if english := each.record.get("english"):
        yield Text(f"  ({printable(english)})")
    found = each.record["candidates"]
    for place, candidate in enumerate(found[:SHOWN], 1):
        yield from line(place, candidate, whole=place == 1 and word == "helped")
    if after > SHOWN:
        yield from line(after, found[after - 1])


def report(questions: Sequence[Question]) -> Iterator[Any]:
    """What is printed. The questions shown are those with the largest gain and the largest loss in nDCG@10.

    The loss is one against a first stage: an order that was random before loses by chance.
    """
    groups = {lang: found for lang in GROUPS if (found := [each for each in questions if each.record["lang"] == lang])}
    yield table(groups)
    yield Text("\n" + "\n".join(verdicts(groups)))
    if (best := max(questions, key=Question.gain)).gain() > 0:
        yield from example(best, "helped")
    worst = min(groups.get(FIRST_STAGE, []), key=Question.gain, default=None)
    if worst is not None and worst.gain() < 0:
        yield from example(worst, "hurt", " in English")
    yield Text(f"\n{END}")


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="what `rerank score` wrote")
    questions = [question(line) for line in parser.parse_args().output.read_bytes().splitlines()]
    Console(highlight=False, markup=False, emoji=False).print(*report(questions), sep="\n")


if __name__ == "__main__":
    main()
