"""Several rankings in one table, a row for each: the cells, and the table as text and as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rerank_cli.core.printable import printable
from rerank_cli.display.evaluation_tables import COUNTED, counted, listed, more_is_better
from rerank_cli.display.markdown import escaped, grid
from rerank_cli.evaluation.cautions import deepest, longest, most_overlap, on_few, on_lengths, on_measures
from rerank_cli.evaluation.compare import TOP, Comparison
from rerank_cli.evaluation.evaluate import Difference, Evaluation
from rerank_cli.evaluation.rankings import Ranked, Results
from rerank_cli.evaluation.several import equal_rankings

ALPHA = 0.05
SIGN = "†"  # of a difference to the first
BOLD, PLAIN = "\x1b[1m", "\x1b[22m"
DRIFT = "mean |score - A|"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure. `value` is None and `text` empty where there is none.

    `best`: the best of its column, where more is better and the column has different figures. `differs`: the
    difference to the first ranking is significant, and `text` lacks the sign for it.
    """

    value: float | None = None
    text: str = ""
    best: bool = False
    differs: bool = False

    @property
    def signed(self) -> str:
        """The text with the sign of a significant difference."""
        return f"{self.text}{SIGN if self.differs else ''}"


@dataclass(frozen=True, slots=True)
class Row:
    """A ranking: its letter, the name of its file, and a cell per column."""

    letter: str
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class RunsTable:
    """Rankings as rows, the one that others are compared with first. `notes` are sentences to show below.

    Names and notes have text from data, which is not escaped.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def runs_table(first: Results, done: Sequence[tuple[Results, Comparison]]) -> RunsTable:
    """The table of the first ranking and those compared with it: means of measures, or without judgements agreement."""
    rankings = [first, *(other for other, _ in done)]
    comparisons = [comparison for _, comparison in done]
    letters = [comparisons[0].names[0], *(each.names[1] for each in comparisons)]
    if comparisons[0].evaluations is None:
        columns, cells, notes = _agreement(first, comparisons)
        for ranking, comparison in done:
            notes += _on_agreement(first, ranking, comparison)
        left_out = [(letter, each.left_out) for letter, each in zip(letters, rankings, strict=True)]
        notes += [f"{letter}: {count:,} {COUNTED['documents_left_out']}." for letter, count in left_out if count]
    else:
        measured = [comparisons[0].evaluations[0], *(each.evaluations[1] for each in comparisons if each.evaluations)]
        columns, cells = _measures(measured, comparisons)
        notes = _on_measures(measured, comparisons, letters)
        for ranking, comparison in done:
            notes += _on_short_lists(first, ranking, comparison, deepest(measured[0].means))
    if comparisons[0].common:
        notes.insert(0, comparisons[0].common)
    for group in equal_rankings(rankings):
        *some, last = (letters[place] for place in group)
        notes.append(f"{', '.join(some)} and {last} have the same rankings.")
    rows = [Row(letter, each.name, tuple(line)) for letter, each, line in zip(letters, rankings, cells, strict=True)]
    return RunsTable(tuple(columns), tuple(rows), tuple(notes))


def _measures(measured: list[Evaluation], comparisons: list[Comparison]) -> tuple[list[str], list[list[Cell]]]:
    """A column per measure with the mean of each ranking."""
    columns = list(measured[0].means)
    by_measure = []
    for name in columns:
        texts = [f"{each.means[name]:.4f}" for each in measured]
        quality = more_is_better(name)
        best = max(texts, key=float) if len(set(texts)) > 1 and quality else ""
        found = [None, *(_difference(each, name) for each in comparisons)]
        by_measure.append(
            [
                Cell(each.means[name], text, text == best, quality and is_significant(difference))
                for each, text, difference in zip(measured, texts, found, strict=True)
            ]
        )
    return columns, [list(line) for line in zip(*by_measure, strict=True)]


def _difference(comparison: Comparison, measure: str) -> Difference:
    return next(each for each in comparison.differences if each.measure == measure)


def is_significant(difference: Difference | None) -> bool:
    """Whether a difference has a corrected p below ALPHA."""
    return difference is not None and difference.p_holm is not None and difference.p_holm < ALPHA


def _on_measures(measured: list[Evaluation], comparisons: list[Comparison], letters: list[str]) -> list[str]:
    """Notes on means: the queries they are of, what the sign means, and what did not count."""
    judged = measured[0].counts["judged_queries"]
    test = f"paired t-test, corrected by Holm for {len(comparisons)} comparisons per measure"
    tested = [each for comparison in comparisons for each in comparison.differences if each.p_holm is not None]
    notes = [f"Means over {judged:,} judged {'query' if judged == 1 else 'queries'}."]
    if any(map(is_significant, tested)):
        notes.append(f"{SIGN} p < {ALPHA} against A: {test}.")
    elif tested:
        notes.append(f"No difference to A has p < {ALPHA}: {test}.")
    notes += on_few(judged, has_interval=False)
    shares = [
        f"{letter} {each.counts['unjudged_in_top_10'] / each.counts['top_10']:.1%}"
        for letter, each in zip(letters, measured, strict=True)
        if each.counts["top_10"]
    ]
    notes.append(f"Not judged in the top 10: {', '.join(shares)}.")
    said: list[tuple[str, str]] = []
    for letter, each in zip(letters, measured, strict=True):
        unjudged, *others = counted(each)
        none = each.counts["unjudged_in_top_10"] == each.counts["top_10"] > 0
        said += [(letter, words) for words in ([unjudged] if none else []) + others]
    return [*notes, *(f"{', '.join(those)}: {words}." for words, those in by_words(said).items())]


def by_words(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The letters by what is said of them.

    >>> by_words([("A", "is short"), ("B", "is long"), ("C", "is short")])
    {'is short': ['A', 'C'], 'is long': ['B']}
    """
    found: dict[str, list[str]] = {}
    for letter, words in said:
        found.setdefault(words, []).append(letter)
    return found


def _on_short_lists(first: Results, other: Results, comparison: Comparison, depth: int) -> list[str]:
    lengths = _lengths(_pairs(first, other))
    return [*on_lengths(comparison.names, lengths, depth), *on_measures(lengths, depth)]


def _pairs(first: Results, other: Results) -> list[tuple[Ranked, Ranked]]:
    """The rankings of the queries that both have."""
    return [(ranked, other.queries[qid]) for qid, ranked in first.queries.items() if qid in other.queries]


def _lengths(pairs: list[tuple[Ranked, Ranked]]) -> tuple[int, int]:
    return longest(one for one, _ in pairs), longest(two for _, two in pairs)


def _agreement(first: Results, comparisons: list[Comparison]) -> tuple[list[str], list[list[Cell]], list[str]]:
    """Columns of agreement with the first ranking, and why scores are not compared."""
    columns = ["queries", f"overlap@{TOP}", "RBO, p = 0.9", "Kendall tau"]
    with_scores = any(each.drift is not None for each in comparisons)
    cells = [[Cell(len(first.queries), f"{len(first.queries):,}"), Cell(), Cell(), Cell(), Cell()]]
    for each in comparisons:
        figures = (each.overlap, each.rbo, each.tau, each.drift)
        cells.append([Cell(each.queries, f"{each.queries:,}"), *(_figure(value) for value in figures)])
    notes = ["Each is compared with A. The figures show how far they agree, not which is better."]
    said = by_words((each.names[1], each.why_no_drift) for each in comparisons if each.why_no_drift)
    notes += [f"Scores of {', '.join(those)} are not compared with those of A: {why}." for why, those in said.items()]
    if not with_scores:
        return columns, [line[:-1] for line in cells], notes
    return [*columns, DRIFT], cells, notes


def _figure(value: float | None) -> Cell:
    return Cell() if value is None else Cell(value, f"{value:.4f}")


def _on_agreement(first: Results, other: Results, comparison: Comparison) -> list[str]:
    """Notes on a comparison without judgements: queries that are in one ranking alone, and short lists."""
    letter = comparison.names[1]
    notes = []
    if comparison.only_first or comparison.only_other:
        notes.append(
            f"Queries in both A and {letter}: {comparison.queries:,} (only A {comparison.only_first:,}, "
            f"only {letter} {comparison.only_other:,}). The figures of {letter} are of those in both."
        )
    pairs = _pairs(first, other)
    lengths = _lengths(pairs)
    notes += on_lengths(comparison.names, lengths, TOP)
    if min(lengths) < TOP and (most := most_overlap(pairs, TOP)) < 1:
        notes.append(f"overlap@{TOP} of {letter} can be at most {most:.4f}.")
    return notes


def table_lines(table: RunsTable, *, bold: bool) -> list[str]:
    """The names and the table as lines without characters that act, but for those of `bold` figures."""
    label = max(len(row.letter) for row in table.rows)
    widths = [
        max(len(column), *(len(row.cells[place].text) for row in table.rows))
        for place, column in enumerate(table.columns)
    ]
    lines = [f"{row.letter:<{label}} {printable(row.name)}" for row in table.rows]
    heads = (f"{head:>{width}} " for head, width in zip(table.columns, widths, strict=True))
    lines += ["", f"{'':<{label}}  {' '.join(heads)}".rstrip()]
    for row in table.rows:
        cells = (_padded(cell, width, bold=bold) for cell, width in zip(row.cells, widths, strict=True))
        lines.append(f"{row.letter:<{label}}  {' '.join(cells)}".rstrip())
    return [*lines, "", *map(printable, table.notes)]


def _padded(cell: Cell, width: int, *, bold: bool) -> str:
    """A cell to the right of its column, and the sign or a blank in its place."""
    text = f"{BOLD}{cell.signed}{PLAIN}" if bold and cell.best else cell.signed
    return f"{' ' * (width - len(cell.text))}{text}{'' if cell.differs else ' '}"


def markdown_lines(table: RunsTable) -> list[str]:
    """The table as Markdown, with the notes as a list."""
    rows = [[f"{row.letter}: {escaped(row.name)}", *(_marked(cell) for cell in row.cells)] for row in table.rows]
    return [*grid(["run", *map(escaped, table.columns)], rows), "", *listed(table.notes)]


def _marked(cell: Cell) -> str:
    return f"**{cell.text}**{SIGN if cell.differs else ''}" if cell.best else cell.signed
