"""Measure the rankings after the stages of a cascade."""

from collections.abc import Sequence
from typing import Any

from rerank_cli.evaluation.evaluate import Evaluation, StageMeasured, differences
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.measures import falling_scores, means_of, values_per_query
from rerank_cli.evaluation.rankings import Results
from rerank_cli.evaluation.stages import seconds_alone, times_of


def add_stages(evaluation: Evaluation, results: Results, qrels: Qrels, measures: Sequence[Any]) -> None:
    """Add the rankings after each stage to the evaluation of a cascade; of other results, nothing."""
    counts = {len(ranked.stages) for ranked in results.queries.values() if ranked.docids}
    if len(counts) != 1 or counts == {0}:
        return
    (earlier,) = counts
    times = times_of(results.name)
    times = times if len(times) == earlier + 1 else []
    qids = list(qrels)
    for number in range(earlier + 1):
        values, means = evaluation.values, evaluation.means
        if number < earlier:
            judged = {qid: ranked for qid, ranked in results.queries.items() if qid in qrels}
            runs = {qid: falling_scores(each.stages[number] if each.docids else ()) for qid, each in judged.items()}
            values = values_per_query(measures, qrels, runs)
            means = means_of(measures, values, qids)
        known = times[number] if times else None
        evaluation.stages.append(
            StageMeasured(
                f"stage {number + 1}" + (f": {known.model}" if known else ""),
                means,
                differences(values, evaluation.values, means, evaluation.means, qids) if number < earlier else [],
                known.pairs if known and known.seconds is not None else None,
                known.seconds if known else None,
            )
        )
    evaluation.seconds_alone = seconds_alone(times)
