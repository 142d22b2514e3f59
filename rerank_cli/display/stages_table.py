"""The stages of a cascade in `rerank eval`: what each gives, and the time that it takes."""

from typing import Any

from rerank_cli.core.printable import printable
from rerank_cli.core.times import about
from rerank_cli.display.markdown import escaped, grid
from rerank_cli.evaluation.evaluate import Evaluation, StageMeasured

MOST_MEASURES = 3  # columns


def stages_table(evaluation: Evaluation) -> list[str]:
    """A table with a row a stage, and the time of the last one alone."""
    head, rows = _cells(evaluation)
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if 0 < column < len(widths) - 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]
    return [*lines, *_on_time(evaluation)]


def stages_grid(evaluation: Evaluation) -> list[str]:
    """The same table as Markdown."""
    head, rows = _cells(evaluation)
    table = grid([escaped(cell) for cell in head], [[escaped(cell) for cell in row] for row in rows])
    return [*table, "", *_on_time(evaluation)]


def stages_as_dicts(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The same figures as JSON."""
    return [
        {
            "stage": printable(stage.name),
            "measures": stage.means,
            "whole_minus_stage": [
                {name: getattr(each, name) for name in ("measure", "gain", "low", "high", "p_value")}
                for each in stage.to_whole
            ],
            "pairs": stage.pairs,
            "seconds": stage.seconds,
        }
        for stage in evaluation.stages
    ]


def _cells(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    names = list(evaluation.means)[:MOST_MEASURES]
    head = ["after", *names, f"whole − stage, {names[0]}", "pairs", "time"]
    rows = []
    if evaluation.before_means:
        before = next(each for each in evaluation.differences if each.measure == names[0])
        means = [f"{evaluation.before_means[name]:.4f}" for name in names]
        rows.append([evaluation.before_name, *means, _interval(before.gain, before.low, before.high), "", ""])
    return head, rows + [_row(stage, names) for stage in evaluation.stages]


def _row(stage: StageMeasured, names: list[str]) -> list[str]:
    gain = next((each for each in stage.to_whole if each.measure == names[0]), None)
    return [
        printable(stage.name),
        *(f"{stage.means[name]:.4f}" for name in names),
        "" if gain is None else _interval(gain.gain, gain.low, gain.high),
        "" if stage.pairs is None else f"{stage.pairs:,}",
        "" if stage.seconds is None else f"{stage.seconds:,.1f} s",
    ]


def _interval(gain: float, low: float | None, high: float | None) -> str:
    return f"{gain:+.4f}" if low is None or high is None else f"{gain:+.4f} [{low:+.4f}, {high:+.4f}]"


def _on_time(evaluation: Evaluation) -> list[str]:
    """How long all stages took, and how long the last alone would have taken."""
    if evaluation.seconds_alone is None:
        return []
    took = sum(stage.seconds or 0.0 for stage in evaluation.stages)
    return [
        f"all stages took {about(took).removeprefix('about ')}; the last one on all pairs would take "
        f"{about(evaluation.seconds_alone)}, by its time a pair"
    ]
