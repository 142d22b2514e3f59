"""The results of `rerank eval`, as text, JSON and CSV."""

import csv
import io
import json
import math
from collections.abc import Iterable
from typing import Any

from rerank_cli.core.errors import OutputError
from rerank_cli.core.printable import printable
from rerank_cli.display.bars import bar
from rerank_cli.display.markdown import escaped, grid
from rerank_cli.display.stages_table import stages_as_dicts, stages_grid, stages_table
from rerank_cli.evaluation.evaluate import Difference, Evaluation, histogram, rows_of
from rerank_cli.files.durable import put_file

COUNTED = {
    "queries_without_judgements": "queries of the results are not judged and do not count",
    "judged_queries_without_results": "judged queries have no results and count as 0",
    "judged_queries_without_results_before": "judged queries have no results before and count as 0 there",
    "documents_left_out": "documents have the id of their query and were skipped (--skip-self)",
    "documents_left_out_before": "documents of the ranking before have the id of their query and were skipped",
    "repeated_documents": "documents are repeated in their query and do not count",
    "repeated_queries": "records repeat a query and do not count",
    "bad_records": "records could not be read and do not count",
}
UNCERTAINTY = (
    "95 % interval: bootstrap over the judged queries. p: paired t-test. "
    "A gain whose interval contains 0 may be chance."
)


def more_is_better(measure: str) -> bool:
    """Whether a measure is of quality, not a count of queries or judgements.

    >>> [more_is_better(each) for each in ("nDCG@10", "Judged@10", "NumRet(rel=1)")]
    [True, False, False]
    """
    return measure.partition("@")[0].partition("(")[0] not in ("Judged", "NumQ", "NumRel", "NumRet")


def json_text(document: Any) -> str:
    """A document as JSON, with null for infinity and NaN."""
    return json.dumps(finite(document), ensure_ascii=False)


def finite(value: Any) -> Any:
    """A JSON value with null for infinity and NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list) else value


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON: means, differences and counts."""
    return {
        "run": printable(evaluation.name),
        "before_run": printable(evaluation.before_name) or None,
        "why_no_before": evaluation.why_no_before or None,
        "measures": evaluation.means,
        "before": evaluation.before_means or None,
        "differences": [as_row(each) for each in evaluation.differences],
        "notes": [printable(note) for note in evaluation.notes],
        **({"stages": stages_as_dicts(evaluation)} if evaluation.stages else {}),
        **evaluation.counts,
    }


def as_row(each: Difference) -> dict[str, Any]:
    """A difference as JSON."""
    names = ("measure", "before", "after", "gain", "low", "high", "p_value", "better", "worse", "same")
    return {name: getattr(each, name) for name in names}


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """The lines to print."""
    count = evaluation.counts
    lines = [f"{evaluation.name}: {count['judged_queries']:,} judged queries"]
    if not evaluation.differences:
        lines += ["", *(f"{name:<12}{value:>8.4f}" for name, value in evaluation.means.items())]
        lines += notes_after([], evaluation.notes)
    else:
        lines += [
            f"before: {evaluation.before_name}",
            "",
            *difference_table(evaluation.differences, ("before", "after")),
            *uncertainty_lines(evaluation.differences),
            *notes_after(evaluation.differences, evaluation.notes),
        ]
        leading = next(iter(evaluation.values))
        gains = [value - evaluation.before[leading].get(qid, 0.0) for qid, value in evaluation.values[leading].items()]
        lines += ["", f"gain in {leading}, queries", *histogram_lines(gains)]
    if evaluation.why_no_before:
        lines += ["", f"no ranking before: {evaluation.why_no_before}. Name one with --before to see the gain."]
    if evaluation.stages:
        lines += ["", *stages_table(evaluation)]
    lines += ["", *counted(evaluation)]
    return lines


def evaluation_markdown(evaluation: Evaluation) -> list[str]:
    """The name of the file, the table and the notes as Markdown."""
    judged = evaluation.counts["judged_queries"]
    lines = [f"{escaped(evaluation.name)}: {judged:,} judged {'query' if judged == 1 else 'queries'}", ""]
    if not evaluation.differences:
        lines += grid(["measure", "mean"], [[escaped(name), f"{mean:.4f}"] for name, mean in evaluation.means.items()])
    else:
        lines += difference_grid(evaluation.differences, ("before", "after"))
    if evaluation.stages:
        lines += ["", *stages_grid(evaluation)]
    before = [f"before: {evaluation.before_name}"] if evaluation.differences else []
    notes = [*before, *uncertainty_lines(evaluation.differences)[1:], *evaluation.notes, *counted(evaluation)]
    return [*lines, "", *listed(notes)]


def listed(notes: Iterable[str]) -> list[str]:
    """Notes as a list in Markdown."""
    return [f"- {escaped(note)}" for note in notes]


def counted(evaluation: Evaluation) -> list[str]:
    """Counts that qualify the means."""
    count = evaluation.counts
    documents = f"{count['top_10']:,} documents in the top 10"
    unjudged = f"{count['unjudged_in_top_10']:,} of the {documents} are not judged"
    if count["top_10"] and count["unjudged_in_top_10"] == count["top_10"]:
        unjudged = f"none of the {documents} is judged: the files may name documents differently"
    elif count["top_10"]:
        unjudged += f" ({count['unjudged_in_top_10'] / count['top_10']:.1%})"
    return [unjudged, *(f"{count[name]:,} {words}" for name, words in COUNTED.items() if count.get(name))]


def difference_table(differences: list[Difference], names: tuple[str, str]) -> list[str]:
    """A table with a row per measure."""
    width = max(len(each.measure) for each in differences) + 2
    head = f"{'':<{width}}{names[0]:>9}{names[1]:>9}{'gain':>10}  {'95 % interval':<20}{'p':>7}   better  worse   same"
    lines = [head]
    for each in differences:
        interval = "" if each.low is None or each.high is None else f"[{each.low:+.4f}, {each.high:+.4f}]"
        lines.append(
            f"{each.measure:<{width}}{each.before:>9.4f}{each.after:>9.4f}{each.gain:>+10.4f}  {interval:<20}"
            f"{_of_p(each):>7}{each.better:>9,}{each.worse:>7,}{each.same:>7,}"
        )
    return lines


def _of_p(difference: Difference) -> str:
    p_value = difference.p_value
    return "" if p_value is None else "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def difference_grid(differences: list[Difference], names: tuple[str, str]) -> list[str]:
    """The same table as Markdown, the larger mean of a measure in bold."""
    rows = []
    for each in differences:
        before, after = f"{each.before:.4f}", f"{each.after:.4f}"
        best = max(before, after, key=float) if before != after and more_is_better(each.measure) else ""
        low_high = "" if each.low is None or each.high is None else f"{each.low:+.4f} to {each.high:+.4f}"
        rows.append(
            [
                escaped(each.measure),
                *(f"**{mean}**" if mean == best else mean for mean in (before, after)),
                f"{each.gain:+.4f}",
                low_high,
                _of_p(each),
                *(f"{count:,}" for count in (each.better, each.worse, each.same)),
            ]
        )
    return grid(["measure", *names, "gain", "95 % interval", "p", "better", "worse", "same"], rows)


def uncertainty_lines(differences: list[Difference]) -> list[str]:
    """What the interval and p of a table are, in a line; none for a table without them."""
    return [] if all(each.low is None for each in differences) else ["", UNCERTAINTY]


def notes_after(differences: list[Difference], notes: list[str]) -> list[str]:
    """Notes as lines below a table; an empty line comes first, unless the lines on uncertainty are above."""
    return [*([] if uncertainty_lines(differences) or not notes else [""]), *notes]


def histogram_lines(gains: list[float]) -> list[str]:
    """A histogram of the queries by their gain."""
    bins = histogram(gains)
    most = max(count for _, _, count in bins)
    return [f"{low:>+6.2f} … {high:>+5.2f}  {bar(count, most)} {count:,}" for low, high, count in bins]


def write_csv(path: str, evaluations: list[Evaluation]) -> None:
    """Write the measures of every query in long form. Raises OutputError."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["run", "query", "measure", "before", "after", "gain", "documents_before", "documents"])
    for evaluation in evaluations:
        for row in rows_of(evaluation):
            table.writerow([evaluation.name, *("" if each is None else each for each in row)])
    try:
        put_file(path, text.getvalue().encode("utf-8", "backslashreplace"))
    except OSError as fault:
        raise OutputError(f"--per-query {path}: {fault.strerror}", "Name a file that can be written.") from None
