"""The results of `rerank compare`, as text and as JSON."""

from typing import Any

from rerank_cli.core.printable import printable
from rerank_cli.display.evaluation_tables import COUNTED, as_row, counted, difference_table
from rerank_cli.evaluation.compare import SAME, TOP, Comparison, side_by_side
from rerank_cli.evaluation.results import Results

WIDTH = 24  # columns of a document's id


def as_dict(comparison: Comparison, moved: int) -> dict[str, Any]:
    """A comparison as JSON."""
    moves = [
        {"query": move.qid, "overlap": move.overlap, "rbo": move.rbo, "tau": move.tau, "gain": move.gain}
        for move in comparison.moved_most(moved)
    ]
    return {
        **comparison.as_dict(),
        "differences": [as_row(each) for each in comparison.differences],
        "moved_most": moves,
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
        lines.append(f"{'mean |score B - A|':<22}{comparison.drift:.4f}{spread}")
    if comparison.differences:
        lines += ["", *difference_table(comparison.differences, ("A", "B"))]
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
        rows = side_by_side(first.queries[move.qid], other.queries[move.qid])
        if all(how == SAME for _, _, how in rows):
            lines.append(f"      the first {TOP} are the same")
            continue
        for place, (a, b, how) in enumerate(rows, 1):
            lines.append(f"  {place:>2}  {_cut(a):<{WIDTH}}  {_cut(b):<{WIDTH}}  {how}")
    return lines


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 1] + "…"
