"""The first part of a page of several rankings: which has the highest mean, and a table with a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from rerank_cli.display import page_words as words
from rerank_cli.display.evaluation_tables import more_is_better
from rerank_cli.display.runs_table import Cell, Row, RunsTable, runs_table
from rerank_cli.evaluation.compare import Comparison
from rerank_cli.evaluation.evaluate import Difference, Evaluation
from rerank_cli.evaluation.rankings import Results

CHANCE = " The difference may be chance."
BOLD = "Bold: the highest of its column."


@dataclass(frozen=True, slots=True)
class Summary:
    """A sentence and a table; `bold` explains the bold figures, "" without any."""

    result: str
    table: RunsTable
    bold: str


def comparison_summary(first: Results, done: Sequence[tuple[Results, Comparison]]) -> Summary | None:
    """Several rankings against the first; None for two rankings, which have a section of their own."""
    if len(done) < 2:
        return None
    leading = {each.names[1]: each.differences[0] for _, each in done if each.differences}
    if not leading:
        likest = max((comparison for _, comparison in done), key=lambda each: each.rbo)
        result = f"{likest.names[1]} is most like A: its rank-biased overlap with A is {words.number(likest.rbo)}."
        return _summary(result, runs_table(first, done))
    return _summary(highest(leading), runs_table(first, done))


def highest(leading: dict[str, Difference]) -> str:
    """Which ranking has the highest mean of a measure, of A and those compared with it by letter."""
    letter, best = max(leading.items(), key=lambda each: each[1].after)
    measure, first = best.measure, words.number(best.before)
    if best.gain <= 0:
        return f"No ranking has a higher {measure} than A ({first})."
    said = f"{measure} is highest in {letter}: {words.number(best.after)}, against {first} in A."
    return f"{said}{CHANCE}" if words.may_be_chance(best) else said


def evaluation_summary(evaluations: Sequence[Evaluation], previous: Results | None) -> Summary | None:
    """Several rankings, below the ranking before if all have the same; None for one."""
    if len(evaluations) < 2:
        return None
    named = [(str(place), each.name, each.means) for place, each in enumerate(evaluations, 1)]
    best = max(evaluations, key=lambda each: next(iter(each.means.values())))
    measure, mean = next(iter(best.means.items()))
    result = f"{measure} is highest in {best.name}: {words.number(mean)}"
    if previous is not None:
        named.insert(0, ("before", previous.name, evaluations[0].before_means))
        result += f", against {words.number(best.before_means[measure])} before"
    columns = tuple(best.means)
    highest_of = {name: words.number(max(means[name] for _, _, means in named)) for name in columns}
    differing = {name for name in columns if len({words.number(means[name]) for _, _, means in named}) > 1}

    def cell(name: str, value: float) -> Cell:
        text = words.number(value)
        return Cell(value, text, text == highest_of[name] and name in differing and more_is_better(name))

    rows = [Row(letter, name, tuple(cell(each, means[each]) for each in columns)) for letter, name, means in named]
    chance = CHANCE if previous is not None and words.may_be_chance(best.differences[0]) else ""
    return _summary(f"{result}.{chance}", RunsTable(columns, tuple(rows), ()))


def _summary(result: str, table: RunsTable) -> Summary:
    is_bold = any(cell.best for row in table.rows for cell in row.cells)
    return Summary(result, table, BOLD if is_bold else "")
