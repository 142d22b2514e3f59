"""Measures before and after reranking, per query and in the mean, with their uncertainty.

ir-measures computes every measure; this file computes differences. Queries count as in trec_eval with -c: all judged
queries, with 0 for queries without results.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.cautions import deepest, longest, on_few, on_lengths, on_lost, on_measures
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.measures import falling_scores, means_of, values_per_query
from rerank_cli.evaluation.rankings import Results

RESAMPLES = 5000
CONFIDENCE = 0.95
SEED = 7
MEAN_ROUNDING = 1e-9
EQUAL = 1e-12  # measures closer than this are equal


class Means(NamedTuple):
    """The mean of a measure in two rankings."""

    before: float
    after: float


class Uncertainty(NamedTuple):
    """The interval of a mean difference, and its p-value; None if undefined."""

    low: float | None
    high: float | None
    p_value: float | None


NO_UNCERTAINTY = Uncertainty(None, None, None)


class QueryValue(NamedTuple):
    """A measure of one query, with the number of documents that each ranking has for it: 0 without a result.

    What is of a previous ranking is None if there is none.
    """

    qid: str
    measure: str
    before: float | None
    after: float
    gain: float | None
    documents_before: int | None
    documents: int


class Bin(NamedTuple):
    """The number of queries with a gain from `low` to `high`."""

    low: float
    high: float
    queries: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure of two rankings of the same queries: means, the mean difference with its interval, and counts.

    The interval is a bootstrap over queries (percentiles, 95 %), `p_value` is that of a paired t-test; None with too
    few queries or no difference. `p_holm` is corrected for the number of rankings that were compared with the first.
    """

    measure: str
    before: float
    after: float
    low: float | None
    high: float | None
    p_value: float | None
    better: int
    worse: int
    same: int
    p_holm: float | None = None

    @property
    def gain(self) -> float:
        """The mean difference."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class StageMeasured:
    """The ranking of a cascade after one of its stages: its measures, and what the whole adds to them.

    `seconds` and `pairs` are those of the stage; None where the run does not say it.
    """

    name: str
    means: dict[str, float]
    to_whole: list[Difference]
    pairs: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Evaluation:
    """Measures of a file of results. `values` are by measure and query, `documents` their number by query.

    `before` is empty without a previous ranking, and `why_no_before` says why there is none. `notes` are sentences on
    what the figures cannot show.
    """

    name: str
    means: dict[str, float]
    values: dict[str, dict[str, float]]
    counts: dict[str, int]
    before: dict[str, dict[str, float]] = field(default_factory=dict)
    before_means: dict[str, float] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    documents_before: dict[str, int] = field(default_factory=dict)
    before_name: str = ""
    why_no_before: str = ""
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: list[StageMeasured] = field(default_factory=list)  # of a cascade, the whole last
    seconds_alone: float | None = None  # of its last stage, if it had scored all pairs


def evaluate(results: Results, qrels: Qrels, measures: Sequence[Any], before: Results | None = None) -> Evaluation:
    """Measure results, and the ranking before: that of another file, or the input order if the results contain it.

    Raises InputError when no query of the results is judged.
    """
    _refuse_unjudged(results, qrels)
    if before is not None:
        _refuse_unjudged(before, qrels)
    runs = {qid: falling_scores(ranked.docids) for qid, ranked in results.queries.items() if qid in qrels}
    values = values_per_query(measures, qrels, runs)
    qids = list(qrels)
    evaluation = Evaluation(results.name, means_of(measures, values, qids), values, counts_of(results, qrels))
    evaluation.documents = {qid: len(scores) for qid, scores in runs.items()}
    if before is not None:
        evaluation.counts["documents_left_out_before"] = before.left_out
        runs_before = {qid: falling_scores(ranked.docids) for qid, ranked in before.queries.items() if qid in qrels}
        evaluation.before_name = before.name
    elif results.has_before:
        runs_before = {qid: falling_scores(each.before or ()) for qid, each in results.queries.items() if qid in qrels}
        evaluation.before_name = "input order"
    else:
        evaluation.why_no_before = results.why_no_before
        evaluation.notes = _on_short_lists(results, values)
        return evaluation
    evaluation.documents_before = {qid: len(scores) for qid, scores in runs_before.items()}
    evaluation.counts["judged_queries_without_results_before"] = len(qrels.keys() - runs_before.keys())
    evaluation.before = values_per_query(measures, qrels, runs_before)
    evaluation.before_means = means_of(measures, evaluation.before, qids)
    evaluation.differences = differences(evaluation.before, values, evaluation.before_means, evaluation.means, qids)
    evaluation.notes = few_queries(evaluation.differences)
    if before is not None:
        lengths = longest(results.queries.values()), longest(before.queries.values())
        lost = qrels.keys() & before.queries.keys() - results.queries.keys()
        evaluation.notes += on_lost((before.name, results.name), len(lost))
        evaluation.notes += on_lengths((results.name, before.name), lengths, deepest(values))
        evaluation.notes += on_measures(lengths, deepest(values))
    return evaluation


def few_queries(differences: Sequence[Difference]) -> list[str]:
    """That the judged queries of these differences are too few, if they are."""
    if not differences:
        return []
    first = differences[0]
    has_interval = any(each.low is not None for each in differences)
    return on_few(first.better + first.worse + first.same, has_interval=has_interval)


def _on_short_lists(results: Results, measures: Iterable[str]) -> list[str]:
    """That measures look deeper than the lists of results from which candidates were left out."""
    length = longest(results.queries.values())
    if not results.cut or length >= deepest(measures):
        return []
    documents = "1 document" if length == 1 else f"{length:,} documents"
    return [f"{results.name} has at most {documents} per query: measures beyond rank {length:,} see no more."]


def differences(
    before: dict[str, dict[str, float]],
    after: dict[str, dict[str, float]],
    before_means: dict[str, float],
    after_means: dict[str, float],
    qids: Sequence[str],
) -> list[Difference]:
    """The change of each measure over these queries: values by measure and query, and the means of both."""
    means = {name: Means(before_means[name], after_means[name]) for name in after}
    return [difference(name, before[name], after[name], qids, means[name]) for name in after]


def _refuse_unjudged(results: Results, qrels: Qrels) -> None:
    if not qrels:
        is_run = results.format == "trec"
        field = "" if is_run else ", or a field of the candidates with --relevance-field"
        raise InputError(results.why_no_judgements, f"Name judgements with --qrels{field}.")
    if qrels.keys().isdisjoint(results.queries):
        names = [next(iter(side), "none") for side in (results.queries, qrels)]
        raise InputError(
            f"{results.name}: none of its queries is judged (it has {names[0]!r}, the judgements {names[1]!r})",
            "Use the same ids in both files.",
        )


def counts_of(results: Results, qrels: Qrels) -> dict[str, int]:
    """Counts that qualify the means."""
    judged = [qid for qid in qrels if qid in results.queries]
    top = [(qid, docid) for qid in judged for docid in results.queries[qid].docids[:10]]
    return {
        "queries": len(results.queries),
        "judged_queries": len(qrels),
        "queries_without_judgements": len(results.queries.keys() - qrels.keys()),
        "judged_queries_without_results": len(qrels) - len(judged),
        "unjudged_in_top_10": sum(docid not in qrels[qid] for qid, docid in top),
        "top_10": len(top),
        "repeated_queries": results.repeated,
        "repeated_documents": results.repeated_documents,
        "documents_left_out": results.left_out,
        "queries_cut": results.cut,
        "bad_records": results.bad,
    }


def difference(
    name: str, before: dict[str, float], after: dict[str, float], qids: Sequence[str], means: Means
) -> Difference:
    """The change of a measure over these queries, from one of the `means` to the other.

    A measure that is not aggregated by its mean, such as NumRet, has no interval.
    """
    pairs = [(before.get(qid, 0.0), after.get(qid, 0.0)) for qid in qids]
    gains = [after - before for before, after in pairs]
    mean = sum(gains) / len(gains)
    is_mean = abs(means.after - means.before - mean) < MEAN_ROUNDING
    uncertain = uncertainty(gains) if is_mean else NO_UNCERTAINTY
    better, worse = sum(gain > EQUAL for gain in gains), sum(gain < -EQUAL for gain in gains)
    return Difference(name, *means, *uncertain, better, worse, len(gains) - better - worse)


def uncertainty(gains: Sequence[float]) -> Uncertainty:
    """The bootstrap interval of the mean of paired differences, and the p-value of a paired t-test.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; for tests on queries Smucker,
    Allan and Carterette, CIKM 2007. Resamples are drawn with a fixed seed, so that reports are reproducible.
    """
    if len(gains) < 2 or max(gains) - min(gains) < EQUAL:
        return NO_UNCERTAINTY
    numpy: Any = import_module("numpy")
    stats: Any = import_module("scipy.stats")
    values = numpy.asarray(gains)
    interval = stats.bootstrap(
        (values,),
        numpy.mean,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // len(values)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=numpy.random.default_rng(SEED),
    ).confidence_interval
    return Uncertainty(float(interval.low), float(interval.high), float(stats.ttest_1samp(values, 0.0).pvalue))


def rows_of(evaluation: Evaluation) -> Iterator[QueryValue]:
    """Every measure of every query, for a table."""
    for measure, values in evaluation.values.items():
        known = evaluation.before.get(measure)
        for qid, value in values.items():
            documents = evaluation.documents.get(qid, 0)
            if known is None:
                yield QueryValue(qid, measure, None, value, None, None, documents)
            else:
                before, documents_before = known.get(qid, 0.0), evaluation.documents_before.get(qid, 0)
                yield QueryValue(qid, measure, before, value, value - before, documents_before, documents)


def histogram(gains: Sequence[float], bins: int = 9) -> list[Bin]:
    """Gains in equal bins from -1 to 1; the middle bin has the unchanged ones."""
    width = 2 / bins
    counts = [0] * bins
    for gain in gains:
        counts[min(bins - 1, max(0, int((gain + 1) / width)))] += 1
    return [Bin(-1 + width * place, -1 + width * (place + 1), count) for place, count in enumerate(counts)]
