"""Held-out records: read them, and measure a model on them before and after training."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import InputError
from rerank_cli.core.protocols import Report
from rerank_cli.evaluation.evaluate import Evaluation, evaluate
from rerank_cli.evaluation.judgements import Qrels, read_qrels
from rerank_cli.evaluation.measures import MEASURES, parse_measures
from rerank_cli.evaluation.rankings import Ranked, Results
from rerank_cli.reranking.in_memory import score_texts
from rerank_cli.training.config import Fields
from rerank_cli.training.examples import read_examples
from rerank_cli.training.rows import Example

AT_ONCE = 64  # queries scored together
MEASURED = " ".join(name for name in MEASURES if name != "Judged@10")  # unjudged texts count as not relevant


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Judged records that are not trained on: texts by query id, and judgements of documents, named by position."""

    queries: dict[str, Example]
    left_out: int = 0  # records that could not be measured

    @property
    def qrels(self) -> Qrels:
        """Judgements with integer grades, also of documents that are not candidates."""
        return {
            qid: {str(place): int(value) for place, value in enumerate((*example.relevance, *example.elsewhere))}
            for qid, example in self.queries.items()
        }

    def results(self, name: str, logits: Sequence[Sequence[float]]) -> Results:
        """The queries ranked by these logits; ties keep the input order."""
        results = Results(name)
        for (qid, example), values in zip(self.queries.items(), logits, strict=True):
            order = sorted(range(len(example.texts)), key=lambda place, by=values: -by[place])  # type: ignore[misc]
            results.queries[qid] = Ranked(tuple(map(str, order)), array("d", [values[place] for place in order]))
        return results


def read_held_out(read: ReadConfig, fields: Fields, report: Report, qrels: str | None) -> HeldOut:
    """Read the held-out queries that can be measured: with `qrels` all judged ones, as in `rerank eval`.

    Raises InputError when there are none.
    """
    found = read_examples(read, fields, report, read_qrels(qrels) if qrels else None)
    queries = {
        str(number): example
        for number, example in enumerate(found.examples)
        if qrels or (example.positives and len(example.texts) > 1)
    }
    unmeasured = len(found.examples) - len(queries)
    if unmeasured:
        report(f"{unmeasured:,} records of --eval are not measured: they lack a relevant text or another one")
    for example in queries.values():
        for value in example.relevance:
            if value != int(value):
                raise InputError(
                    f"--eval: a relevance is {value}, not an integer", "Use integer grades, which the measures need."
                )
    if not any(max(0, *example.relevance, *example.elsewhere) for example in queries.values()):
        raise InputError("--eval: no record with a relevant text and another one", "Name records that have both.")
    return HeldOut(queries, found.left_out + unmeasured)


def score_held_out(scorer: Any, held_out: HeldOut) -> list[list[float]]:
    """The logits of each query's texts; loads the scorer. Raises DeviceError."""
    scorer.load()
    queries = [(example.query, example.texts) for example in held_out.queries.values()]
    logits: list[list[float]] = []
    for start in range(0, len(queries), AT_ONCE):
        logits += score_texts(scorer, queries[start : start + AT_ONCE])
    return logits


def measure_held_out(held_out: HeldOut, logits: list[list[float]], before: Results) -> Evaluation:
    """Measures of the trained model by its logits, compared with the ranking before."""
    return evaluate(held_out.results("trained", logits), held_out.qrels, parse_measures(MEASURED), before)
