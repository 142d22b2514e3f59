"""`rerank compare`: which ranking is better, and where do they differ?"""

from typing import Annotated, Any

from rerank_cli.commands import options as o
from rerank_cli.commands.evaluate import as_row, counted, difference_table, show_json
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.printable import printable
from rerank_cli.diagnostics import say, show
from rerank_cli.evaluation.compare import SHOWN, TOP, Comparison, compare, side_by_side
from rerank_cli.evaluation.measures import parsed_measures
from rerank_cli.evaluation.results import Results, read_qrels, read_results

WIDTH = 24  # columns of a document's id


def compare_command(
    runs: Annotated[list[str], o.argument("A B...", "Results: JSON lines with ids, or TREC runs.")],
    qrels: Annotated[str | None, o.option("qrels", "Judgements: TREC qrels, or BEIR's table.")] = None,
    measures: Annotated[
        str | None, o.option("measures", 'As ir-measures names them, such as "nDCG@5 RR@10" (default: eight of them).')
    ] = None,
    moved: Annotated[int, o.option("moved", "How many of the queries that moved most to show.", min=0)] = SHOWN,
    html: Annotated[str | None, o.option("html", "Write a report here, one page that needs no network.")] = None,
    as_json: Annotated[bool, o.option("json", "Print one JSON document instead of tables.")] = False,
) -> int:
    """Compare rankings of the same queries: with judgements by measures, without by how far they agree.

    \b
    rerank compare bm25.run reranked.run --qrels qrels.txt
    rerank compare old.jsonl new.jsonl
    """
    if len(runs) < 2:
        raise ConfigError("one file of results cannot be compared", "Name two or more.")
    o.refuse_overwriting({"--html": html}, [*runs, qrels])
    chosen = parsed_measures(measures) if qrels is not None else []
    judged = None if qrels is None else read_qrels(qrels)
    first, *others = [read_results(run, None) for run in runs]
    done = [(other, compare(first, other, judged, chosen)) for other in others]
    if as_json:
        show_json([as_dict(made, moved) for _, made in done])
    else:
        for place, (other, made) in enumerate(done):
            for line in [*([""] if place else []), *report(made, first, other, moved)]:
                show(line)
    if html is not None:
        from rerank_cli.page import write_comparisons

        write_comparisons(html, first, done, judged or {})
        say(f"{html}: written")
    return 0


def as_dict(made: Comparison, moved: int) -> dict[str, Any]:
    """A comparison as JSON."""
    moves = [
        {"query": move.qid, "overlap": move.overlap, "rbo": move.rbo, "tau": move.tau, "gain": move.gain}
        for move in made.moves[:moved]
    ]
    return {**made.as_dict(), "differences": [as_row(each) for each in made.differences], "moved_most": moves}


def report(made: Comparison, first: Results, other: Results, moved: int) -> list[str]:
    """The lines to print."""
    lines = [f"A {made.first}", f"B {made.other}", ""]
    lines.append(f"{'queries in both':<22}{made.queries:,} (only A {made.only_first:,}, only B {made.only_other:,})")
    lines.append(f"{f'overlap@{TOP}':<22}{made.overlap:.4f}")
    lines.append(f"{'RBO, p = 0.9':<22}{made.rbo:.4f}")
    lines.append(f"{'Kendall tau':<22}{'' if made.tau is None else format(made.tau, '.4f')}")
    if made.drift is not None:
        spread = f" ({made.drift / made.std:.3f} of A's standard deviation)" if made.std else ""
        lines.append(f"{'mean |score B - A|':<22}{made.drift:.4f}{spread}")
    if made.differences:
        lines += ["", *difference_table(made.differences, ("A", "B"))]
    for name, each in zip("AB", made.evaluations or (), strict=False):
        lines += [f"{name}: {words}" for words in counted(each)]
    for move in made.moves[:moved]:
        gain = "" if move.gain is None else f"gain {move.gain:+.4f}, "
        lines += ["", f"{move.qid}: {gain}overlap@{TOP} {move.overlap:.2f}, RBO {move.rbo:.2f}"]
        for place, (a, b, how) in enumerate(side_by_side(first.queries[move.qid], other.queries[move.qid]), 1):
            lines.append(f"  {place:>2}  {_cut(a):<{WIDTH}}  {_cut(b):<{WIDTH}}  {how}")
    return lines


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 1] + "…"
