"""The sections of a page of `rerank compare`."""

from rerank_cli.display import page_words as words
from rerank_cli.display.evaluation_tables import COUNTED, counted
from rerank_cli.display.page_charts import Bar, bars
from rerank_cli.display.page_evaluation import across
from rerank_cli.display.page_moved import DRILLED, Group, Moved, Pairs, drills, heading, moved_by_gain
from rerank_cli.display.page_parts import Chart, Fact, QueryRow, QueryTable, Section
from rerank_cli.display.page_texts import text_of, tip
from rerank_cli.evaluation.compare import TOP, Comparison, Move
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import Results

DIFFER = "Without judgements, figures say how far two rankings differ, not which is better."
RBO = "rank-biased overlap, in which the first ranks weigh most: 1 for the same order"


def comparison_section(first: Results, other: Results, comparison: Comparison, qrels: Qrels) -> Section:
    """A ranking against the first."""
    names = comparison.names
    result = [words.agreement_of(comparison), DIFFER]
    if comparison.differences:
        leading = comparison.differences[0]
        result = [words.result_of(leading, names), words.queries_of(leading)]
    return Section(
        title=f"{names[1]} against {names[0]}",
        result=result,
        names=names,
        sides=[(names[0], comparison.first), (names[1], comparison.other)],
        notes=comparison.notes,
        differences=comparison.differences,
        facts=_facts(comparison),
        chart=_chart(first, other, comparison),
        queries=_table(first, other, comparison),
        moved=_moved(first, other, comparison, qrels),
        counts=_counts(first, other, comparison),
    )


def _facts(comparison: Comparison) -> list[Fact]:
    """How far two rankings agree."""
    first, other = comparison.names
    drift, meaning = "not compared", comparison.why_no_drift
    if comparison.drift is not None:
        spread = f" ({comparison.drift / comparison.std:.3f} of {first}'s standard deviation)" if comparison.std else ""
        drift, meaning = words.number(comparison.drift) + spread, "mean distance between the two scores of a document"
    tau = "undefined" if comparison.tau is None else words.number(comparison.tau)
    return [
        Fact(f"overlap@{TOP}", words.number(comparison.overlap), f"share of the first {TOP} documents that both have"),
        Fact("RBO, p = 0.9", words.number(comparison.rbo), RBO),
        Fact("Kendall tau", tau, "order of the common documents: 1 the same, 0 unrelated, −1 reversed"),
        Fact(f"mean |score {other} − {first}|", drift, meaning),
    ]


def _chart(first: Results, other: Results, comparison: Comparison) -> Chart | None:
    def says(move: Move) -> str:
        figures = f"RBO {words.number(move.rbo)}, overlap@{TOP} {move.overlap:.2f}"
        if move.gain is not None:
            figures = f"gain {words.signed(move.gain)}: {_means(comparison, move)}"
        return tip(move.qid, text_of(move.qid, [other, first]), figures)

    moves = sorted(comparison.moves, key=_value)
    if not moves:
        return None
    low, high = _value(moves[0]), _value(moves[-1])
    judged = bool(comparison.differences)
    if judged and low == high == 0:
        return None
    what = f"gain in {comparison.differences[0].measure}" if judged else "RBO"
    about = f"{what} of {len(moves):,} queries, from {low:+.3f} to {high:+.3f}"
    drawing = bars([Bar(_value(move), says(move)) for move in moves], about, directed=judged)
    title = f"{what[0].upper()}{what[1:]}, query by query"
    vertical = what if judged else "RBO: 1 is the same order"
    return (
        Chart(title, vertical, across(len(moves), "gain" if judged else "RBO", _shown(comparison)), drawing)
        if drawing
        else None
    )


def _value(move: Move) -> float:
    return move.rbo if move.gain is None else move.gain


def _means(comparison: Comparison, move: Move) -> str:
    """The leading measure of a query in both rankings."""
    return ", ".join(
        f"{name} {value}" for name, value in zip(comparison.names, _pair(comparison, move.qid), strict=True)
    )


def _pair(comparison: Comparison, qid: str) -> list[str]:
    leading = comparison.differences[0].measure
    return [words.number(each.values[leading].get(qid, 0.0)) for each in comparison.evaluations or ()]


def _table(first: Results, other: Results, comparison: Comparison) -> QueryTable:
    columns = [f"overlap@{TOP}", "RBO", "tau"]
    if comparison.differences:
        leading = comparison.differences[0].measure
        columns = [*(f"{leading} {name}" for name in comparison.names), "gain", *columns]

    def figures(move: Move) -> list[str]:
        agreement = [f"{move.overlap:.2f}", words.number(move.rbo), "" if move.tau is None else words.number(move.tau)]
        if move.gain is None:
            return agreement
        return [*_pair(comparison, move.qid), words.signed(move.gain), *agreement]

    rows = [
        QueryRow(move.qid, text_of(move.qid, [other, first]), figures(move))
        for move in sorted(comparison.moves, key=_value)
    ]
    return QueryTable(columns, rows, 2 if comparison.differences else 1, f"All {_shown(comparison)}")


def _shown(comparison: Comparison) -> str:
    """Which queries are shown one by one: those that both files have, with judgements the judged ones."""
    judged = "judged queries" if len(comparison.moves) < comparison.queries else "queries"
    return f"{judged} in both rankings" if comparison.only_first or comparison.only_other else judged


def _moved(first: Results, other: Results, comparison: Comparison, qrels: Qrels) -> Moved:
    rankings = {move.qid: (first.queries.get(move.qid), other.queries.get(move.qid)) for move in comparison.moves}
    pairs = Pairs(rankings=rankings, files=[first, other], qrels=qrels)
    if comparison.differences:
        gains = {move.qid: move.gain or 0.0 for move in comparison.moves}
        return moved_by_gain(pairs, gains, {move.qid: f"RBO {move.rbo:.2f}" for move in comparison.moves})
    moves = comparison.moved_most(DRILLED)
    shown = drills(pairs, {move.qid: f"overlap@{TOP} {move.overlap:.2f}, RBO {move.rbo:.2f}" for move in moves})
    return Moved([Group(heading(len(shown), "moved", " most"), shown)] if shown else [], pairs.still())


def _counts(first: Results, other: Results, comparison: Comparison) -> list[str]:
    """What was counted and what was not, in sentences."""
    queries = words.counted(comparison.queries, "query is", "queries are")
    one, two = comparison.names
    alone = f"{comparison.only_first:,} only in {one}, {comparison.only_other:,} only in {two}"
    said = [f"{queries} in both rankings, {alone}."]
    if comparison.judged:
        said.append(f"Judged queries: {comparison.judged}.")
    for name, each in zip(comparison.names, comparison.evaluations or (), strict=False):
        said += [f"{name}: {sentence}." for sentence in counted(each)]
    for name, results in zip(comparison.names, (first, other), strict=True) if comparison.evaluations is None else ():
        if results.left_out:
            said.append(f"{name}: {results.left_out:,} {COUNTED['documents_left_out']}.")
    return said
