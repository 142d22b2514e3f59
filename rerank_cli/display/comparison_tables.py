"""The results of `rerank compare`, as text and as JSON."""

from typing import Any

from rerank_cli.core.printable import printable
from rerank_cli.display.evaluation_tables import (
    COUNTED,
    as_row,
    counted,
    difference_table,
    notes_after,
    uncertainty_lines,
)
from rerank_cli.evaluation.compare import SAME, TOP, Comparison, Move, side_by_side
from rerank_cli.evaluation.rankings import Results

WIDTH = 24  # columns of a document's id
DRIFT = "mean |score B - A|"


def as_dict(comparison: Comparison, first: Results, other: Results, moved: int) -> dict[str, Any]:
    """A comparison as JSON, with the first documents of the queries that moved most."""
    return {
        **comparison.as_dict(),
        "why_no_drift": comparison.why_no_drift or None,
        "differences": [as_row(each) for each in comparison.differences],
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
    lines = [f"A {comparison.first}", f"B {comparison.other}", ""]
    alone = f"(only A {comparison.only_first:,}, only B {comparison.only_other:,})"
    lines.append(f"{'queries in both':<22}{comparison.queries:,} {alone}")
    lines.append(f"{f'overlap@{TOP}':<22}{comparison.overlap:.4f}")
    lines.append(f"{'RBO, p = 0.9':<22}{comparison.rbo:.4f}")
    lines.append(f"{'Kendall tau':<22}{'' if comparison.tau is None else format(comparison.tau, '.4f')}")
    if comparison.drift is not None:
        spread = f" ({comparison.drift / comparison.std:.3f} of A's standard deviation)" if comparison.std else ""
        lines.append(f"{DRIFT:<22}{comparison.drift:.4f}{spread}")
    else:
        lines.append(f"{DRIFT:<22}not compared: {comparison.why_no_drift}")
    if comparison.differences:
        lines += ["", *difference_table(comparison.differences, ("A", "B"))]
        lines += uncertainty_lines(comparison.differences)
    lines += notes_after(comparison.differences, comparison.notes)
    for name, each in zip("AB", comparison.evaluations or (), strict=False):
        lines += [f"{name}: {words}" for words in counted(each)]
    for name, results in (("A", first), ("B", other)) if comparison.evaluations is None else ():
        if results.left_out:
            lines.append(f"{name}: {results.left_out:,} {COUNTED['documents_left_out']}")
    if moved and not comparison.moved_most(1):
        lines += ["", "no query moved"]
    for move in comparison.moved_most(moved):
        gain = "" if move.gain is None else f"gain {move.gain:+.4f}, "
        lines += ["", f"{move.qid}: {gain}overlap@{TOP} {move.overlap:.2f}, RBO {move.rbo:.2f}"]
        a, b = first.queries[move.qid], other.queries[move.qid]
        lines += [f"  {query}"] if (query := b.query or a.query) else []
        rows = side_by_side(a, b)
        if all(how == SAME for _, _, how in rows):
            lines.append(f"      the first {TOP} are the same")
            continue
        for place, (left, right, how) in enumerate(rows, 1):
            lines.append(f"  {place:>2}  {_cut(left):<{WIDTH}}  {_cut(right):<{WIDTH}}  {how}")
    return lines


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 1] + "…"
