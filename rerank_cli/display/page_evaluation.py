"""The sections of a page of `rerank eval`."""

from collections.abc import Iterable, Mapping, Sequence

from rerank_cli.display import page_words as words
from rerank_cli.display.evaluation_tables import counted
from rerank_cli.display.page_charts import MOST, Bar, bars
from rerank_cli.display.page_moved import Pairs, moved_by_gain
from rerank_cli.display.page_parts import Chart, QueryRow, QueryTable, Section
from rerank_cli.display.page_texts import text_of, tip
from rerank_cli.evaluation.evaluate import EQUAL, Evaluation
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import Ranked, Results

SHOWN = 4  # measures in the table of queries


def evaluation_section(results: Results, evaluation: Evaluation, previous: Results | None, qrels: Qrels) -> Section:
    """A ranking with its measures, against the ranking before where there is one."""
    if not evaluation.differences:
        return _single(results, evaluation)
    leading = evaluation.differences[0]
    values, before = evaluation.values[leading.measure], evaluation.before[leading.measure]
    gains = {qid: value - before.get(qid, 0.0) for qid, value in values.items()}
    files = [results, *([] if previous is None else [previous])]
    return Section(
        title=evaluation.name,
        result=[words.result_of(leading), words.queries_of(leading)],
        sides=[("before", evaluation.before_name), ("after", evaluation.name)],
        notes=evaluation.notes,
        differences=evaluation.differences,
        chart=_chart_of_gains(leading.measure, gains, evaluation, files),
        queries=_table_of_gains(evaluation, gains, files),
        moved=moved_by_gain(_pairs(gains, files, previous, qrels), gains, {}),
        counts=_counts(evaluation),
    )


def _single(results: Results, evaluation: Evaluation) -> Section:
    """A ranking without one before."""
    measures = list(evaluation.means)[:SHOWN]
    leading = measures[0]
    values = evaluation.values[leading]
    order = sorted(values, key=lambda qid: values[qid])
    judged = evaluation.counts["judged_queries"]
    notes = [f"There is no ranking before: {evaluation.why_no_before}. Name one with --before to see the gain."]
    shown = [Bar(values[qid], tip(qid, text_of(qid, [results]), words.number(values[qid]))) for qid in order]
    drawing = bars(shown, f"{leading} of {len(shown):,} queries, in ascending order", directed=False)
    rows = [
        QueryRow(
            qid,
            text_of(qid, [results]),
            [_figure(evaluation.values[name], evaluation.documents, qid) for name in measures],
        )
        for qid in order
    ]
    return Section(
        title=evaluation.name,
        result=[words.means_of(evaluation.means, judged)],
        notes=[*(notes if evaluation.why_no_before else []), *evaluation.notes],
        means=evaluation.means,
        chart=Chart(f"{leading} of each query", leading, across(len(shown), leading), drawing) if drawing else None,
        queries=QueryTable(measures, rows, 0),
        counts=_counts(evaluation),
    )


def across(count: int, what: str, queries: str = "queries") -> str:
    """What the horizontal axis of a chart shows."""
    drawn = f"{MOST:,} of {count:,} {queries}, evenly spaced," if count > MOST else f"{count:,} {queries}"
    return f"{drawn} in ascending order of {what}"


def _chart_of_gains(
    measure: str, gains: dict[str, float], evaluation: Evaluation, files: Sequence[Results]
) -> Chart | None:
    order = sorted(gains, key=lambda qid: gains[qid])
    if not order or gains[order[-1]] - min(0.0, gains[order[0]]) < EQUAL:
        return None
    before, after = evaluation.before[measure], evaluation.values[measure]

    def says(qid: str) -> str:
        means = f"{words.number(before.get(qid, 0.0))} before, {words.number(after[qid])} after"
        return tip(qid, text_of(qid, files), f"gain {words.signed(gains[qid])}: {means}")

    about = f"Gain in {measure} of {len(order):,} queries, from {gains[order[0]]:+.3f} to {gains[order[-1]]:+.3f}"
    drawing = bars([Bar(gains[qid], says(qid)) for qid in order], about)
    title, vertical = f"Gain in {measure}, query by query", f"gain in {measure}"
    return Chart(title, vertical, across(len(order), "gain"), drawing) if drawing else None


def _table_of_gains(evaluation: Evaluation, gains: dict[str, float], files: Sequence[Results]) -> QueryTable:
    leading, *others = list(evaluation.values)[:SHOWN]

    def figures(qid: str) -> list[str]:
        pairs = [(evaluation.before[name].get(qid, 0.0), evaluation.values[name].get(qid, 0.0)) for name in others]
        return [
            _figure(evaluation.before[leading], evaluation.documents_before, qid),
            _figure(evaluation.values[leading], evaluation.documents, qid),
            words.signed(gains[qid]),
            *(words.signed(other_after - other_before) for other_before, other_after in pairs),
        ]

    rows = [QueryRow(qid, text_of(qid, files), figures(qid)) for qid in sorted(gains, key=lambda qid: gains[qid])]
    columns = [f"{leading} before", f"{leading} after", "gain", *(f"gain in {name}" for name in others)]
    return QueryTable(columns, rows, 2)


def _figure(values: Mapping[str, float], documents: Mapping[str, int], qid: str) -> str:
    """A measure of a query, which is 0 without a result."""
    return words.number(values.get(qid, 0.0)) if documents.get(qid) else "0 (no result)"


def _pairs(gains: Iterable[str], files: Sequence[Results], previous: Results | None, qrels: Qrels) -> Pairs:
    results = files[0]
    rankings = {qid: (_ranking_before(results, previous, qid), results.queries.get(qid)) for qid in gains}
    return Pairs(rankings=rankings, files=files, qrels=qrels)


def _ranking_before(results: Results, previous: Results | None, qid: str) -> Ranked | None:
    if previous is not None:
        return previous.queries.get(qid)
    ranked = results.queries.get(qid)
    return None if ranked is None or ranked.before is None else Ranked(ranked.before, ranked.scores)


def _counts(evaluation: Evaluation) -> list[str]:
    """What was counted and what was not, in sentences."""
    count = evaluation.counts
    results = words.counted(count["queries"], "query", "queries")
    return [f"The results have {results}, the judgements {count['judged_queries']:,}."] + [
        f"{each}." for each in counted(evaluation)
    ]
