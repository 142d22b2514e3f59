"""The results of `rerank compare`, as text and as JSON."""

from typing import Any

from rerank_cli.core.printable import printable
from rerank_cli.display.evaluation_tables import (
    COUNTED,
    as_row,
    counted,
    difference_grid,
    difference_table,
    listed,
    notes_after,
    uncertainty_lines,
)
from rerank_cli.display.runs_table import markdown_lines, runs_table
from rerank_cli.evaluation.compare import SAME, TOP, Comparison, Move, side_by_side
from rerank_cli.evaluation.rankings import Ranked, Results

WIDTH = 24  # columns of a document's id


def as_dict(comparison: Comparison, first: Results, other: Results, moved: int) -> dict[str, Any]:
    """A comparison as JSON, with the first documents of the queries that moved most."""
    return {
        **comparison.as_dict(),
        "names": list(comparison.names),
        "why_no_drift": comparison.why_no_drift or None,
        "differences": [{**as_row(each), "p_holm": each.p_holm} for each in comparison.differences],
        "counts": [each.counts for each in comparison.evaluations or ()],
        "notes": comparison.notes,
        "moved_most": [_as_move(move, first, other) for move in comparison.moved_most(moved)],
    }


def _as_move(move: Move, first: Results, other: Results) -> dict[str, Any]:
    """A query that moved: its figures, its text if a file has it, and the ids of its first documents in both files."""
    a, b = first.queries[move.qid], other.queries[move.qid]
    return {
        "query": move.qid,
        "text": b.query or a.query or None,
        "overlap": move.overlap,
        "rbo": move.rbo,
        "tau": move.tau,
        "gain": move.gain,
        "first_documents": a.docids[:TOP],
        "other_documents": b.docids[:TOP],
    }


def comparison_lines(comparison: Comparison, first: Results, other: Results, moved: int) -> list[str]:
    """The lines to print."""
    lines = _figures(comparison)
    if comparison.differences:
        lines += [
            "",
            f"{'judged queries':<22}{comparison.judged}",
            "",
            *difference_table(comparison.differences, comparison.names),
        ]
        lines += uncertainty_lines(comparison.differences)
    lines += notes_after(comparison.differences, comparison.notes)
    lines += _counted(comparison, first, other)
    if moved and not comparison.moved_most(1):
        lines += ["", "no query moved"]
    for move in comparison.moved_most(moved):
        lines += _moved(move, first.queries[move.qid], other.queries[move.qid])
    return lines


def _figures(comparison: Comparison) -> list[str]:
    """The names of both files, and how far they agree."""
    a, b = comparison.names
    alone = f"(only {a} {comparison.only_first:,}, only {b} {comparison.only_other:,})"
    drift = f"not compared: {comparison.why_no_drift}"
    if comparison.drift is not None:
        spread = f" ({comparison.drift / comparison.std:.3f} of {a}'s standard deviation)" if comparison.std else ""
        drift = f"{comparison.drift:.4f}{spread}"
    return [
        f"{a} {comparison.first}",
        f"{b} {comparison.other}",
        "",
        f"{'queries in both':<22}{comparison.queries:,} {alone}",
        f"{f'overlap@{TOP}':<22}{comparison.overlap:.4f}",
        f"{'RBO, p = 0.9':<22}{comparison.rbo:.4f}",
        f"{'Kendall tau':<22}{'' if comparison.tau is None else format(comparison.tau, '.4f')}",
        f"{f'mean |score {b} - {a}|':<22}{drift}",
    ]


def _counted(comparison: Comparison, first: Results, other: Results) -> list[str]:
    """Counts that qualify the figures of each file."""
    if comparison.evaluations is not None:
        both = zip(comparison.names, comparison.evaluations, strict=True)
        return [f"{name}: {words}" for name, each in both for words in counted(each)]
    left_out = [(name, each.left_out) for name, each in zip(comparison.names, (first, other), strict=True)]
    return [f"{name}: {count:,} {COUNTED['documents_left_out']}" for name, count in left_out if count]


def _moved(move: Move, first: Ranked, other: Ranked) -> list[str]:
    """A query that moved, with the top of both rankings side by side."""
    gain = "" if move.gain is None else f"gain {move.gain:+.4f}, "
    lines = ["", f"{move.qid}: {gain}overlap@{TOP} {move.overlap:.2f}, RBO {move.rbo:.2f}"]
    lines += [f"  {query}"] if (query := other.query or first.query) else []
    rows = side_by_side(first, other)
    if all(how == SAME for _, _, how in rows):
        return [*lines, f"      the first {TOP} are the same"]
    for place, (left, right, how) in enumerate(rows, 1):
        lines.append(f"  {place:>2}  {_cut(left):<{WIDTH}}  {_cut(right):<{WIDTH}}  {how}")
    return lines


def comparison_markdown(comparison: Comparison, first: Results, other: Results) -> list[str]:
    """The measures of two rankings as Markdown, or how far they agree, with the notes as a list."""
    if not comparison.differences:
        return markdown_lines(runs_table(first, [(other, comparison)]))
    files = (f"{name}: {each}" for name, each in zip(comparison.names, (first.name, other.name), strict=True))
    judged = f"Measures are of the judged queries: {comparison.judged}."
    notes = [
        judged,
        *uncertainty_lines(comparison.differences)[1:],
        *comparison.notes,
        *_counted(comparison, first, other),
    ]
    return [*listed(files), "", *difference_grid(comparison.differences, comparison.names), "", *listed(notes)]


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 1] + "…"
