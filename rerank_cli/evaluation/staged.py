"""Measure the rankings after the stages of a cascade."""

from collections.abc import Sequence
from typing import Any

from rerank_cli.evaluation.evaluate import Evaluation, StageMeasured, differences
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.measures import falling_scores, means_of, values_per_query
from rerank_cli.evaluation.rankings import Results
from rerank_cli.evaluation.stages import times_of


def add_stages(evaluation: Evaluation, results: Results, qrels: Qrels, measures: Sequence[Any]) -> None:
    """Add the rankings after each stage to the evaluation of a cascade; of other results, nothing.

    Results that lack candidates do not say what a stage would have given.
    """
    known = {qid: ranked.stages for qid, ranked in results.queries.items() if ranked.docids}
    staged = {qid: each for qid, each in known.items() if each is not None}
    counts = {len(each.rankings) for each in staged.values()}
    if len(counts) != 1 or len(staged) < len(known):
        return
    if results.cut:
        evaluation.notes.append("The stages are not shown: candidates were left out, which some stage ranked.")
        return
    (count,) = counts
    is_fused = any(each.is_fused for each in staged.values())
    times = times_of(results.name)
    said = times.stages if len(times.stages) == count else ()
    for number in range(count):
        name = f"stage {number + 1}" + (f": {said[number].model}" if said else "")
        seconds = said[number].seconds if said else None
        pairs = said[number].pairs if seconds is not None else None
        if number == count - 1 and not is_fused:
            evaluation.stages.append(StageMeasured(name, evaluation.means, [], pairs, seconds))
            continue
        runs = {qid: falling_scores(each.rankings[number]) for qid, each in staged.items() if qid in qrels}
        values = values_per_query(measures, qrels, runs)
        means = means_of(measures, values, list(qrels))
        to_whole = differences(values, evaluation.values, means, evaluation.means, list(qrels))
        evaluation.stages.append(StageMeasured(name, means, to_whole, pairs, seconds))
    if is_fused:
        evaluation.stages.append(StageMeasured(f"fused by {times.fusion}".removesuffix(" by "), evaluation.means, []))
    evaluation.seconds_alone = times.seconds_alone if said else None
    for number in range(1, count + 1):
        if skipped := sum(number in each.skipped for qid, each in staged.items() if qid in qrels):
            evaluation.notes.append(
                f"Stage {number} skipped {skipped:,} of the judged queries, since it keeps all of their candidates: "
                "its row has the order before it for these."
            )
