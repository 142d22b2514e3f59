"""HTML reports: one file without network access or external scripts, light and dark, usable by keyboard.

The template escapes all data (jinja2, autoescape). Charts are SVG.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rerank_cli import __version__
from rerank_cli.core.errors import ConfigError, OutputError
from rerank_cli.core.installation import installation
from rerank_cli.core.printable import printable_page
from rerank_cli.evaluation.compare import TOP, Comparison, side_by_side
from rerank_cli.evaluation.evaluate import Difference, Evaluation
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import QUERY, Ranked, Results
from rerank_cli.evaluation.results import QueryTexts, texts_of
from rerank_cli.files.durable import put_file

TEMPLATE = Path(__file__).with_name("report.html.j2")
DRILLED = 200  # queries shown with their documents
TEXT = 240  # characters of a document


@dataclass(frozen=True, slots=True)
class Side:
    """A document in the top ten: its text, judgement and movement."""

    docid: str
    text: str
    relevance: int | None
    moved: str = ""


@dataclass(frozen=True, slots=True)
class Drill:
    """A query with its documents in both rankings; `rows` are pairs."""

    qid: str
    query: str
    note: str
    rows: list[tuple[Side | None, Side | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A pair of rankings: figures, a chart, the table of queries, and the queries shown with documents."""

    title: str
    names: tuple[str, str]
    facts: list[tuple[str, str]]
    differences: list[Difference]
    charted: str
    chart: str
    columns: list[str]
    queries: list[list[str]]
    drills: list[Drill]


def write_evaluations(
    path: str, done: Sequence[tuple[Results, Evaluation]], previous: Results | None, qrels: Qrels | None
) -> None:
    """Write the page of `rerank eval`. Raises ConfigError without jinja2, OutputError when it cannot be written."""
    sections = [
        _evaluation_section(results, evaluation, previous, results.relevance if qrels is None else qrels)
        for results, evaluation in done
    ]
    _write(path, "rerank eval", sections)


def write_comparisons(path: str, first: Results, done: Sequence[tuple[Results, Comparison]], qrels: Qrels) -> None:
    """Write the page of `rerank compare`."""
    _write(path, "rerank compare", [_comparison_section(first, other, comparison, qrels) for other, comparison in done])


def _evaluation_section(results: Results, evaluation: Evaluation, previous: Results | None, qrels: Qrels) -> Section:
    leading = next(iter(evaluation.values))
    values, before = evaluation.values[leading], evaluation.before.get(leading, {})
    gains = {qid: value - before.get(qid, 0.0) for qid, value in values.items()} if before else {}
    moved = sorted(gains or values, key=lambda qid: -abs(gains.get(qid, 0.0)))[:DRILLED]
    pairs = {qid: (_ranking_before(results, previous, qid), results.queries.get(qid)) for qid in moved}
    measures = list(evaluation.values)[:4]
    rows = [
        [
            qid,
            *(f"{evaluation.values[name].get(qid, 0.0):.4f}" for name in measures),
            *([f"{gains[qid]:+.4f}"] if gains else []),
        ]
        for qid in values
    ]
    facts = [(name.replace("_", " "), f"{count:,}") for name, count in evaluation.counts.items()]
    return Section(
        title=evaluation.name,
        names=(evaluation.before_name or "before", evaluation.name),
        facts=[
            *facts,
            *([("no ranking before", evaluation.why_no_before)] if evaluation.why_no_before else []),
            *(("note", note) for note in evaluation.notes),
            *(() if evaluation.differences else ((name, f"{mean:.4f}") for name, mean in evaluation.means.items())),
        ],
        differences=evaluation.differences,
        charted=f"gain in {leading}",
        chart=gains_chart(sorted(gains.values()), leading) if gains else "",
        columns=["query", *measures, *([f"gain in {leading}"] if gains else [])],
        queries=rows,
        drills=list(_drills(pairs, [results], qrels, {qid: f"gain {gain:+.4f}" for qid, gain in gains.items()}))
        if gains
        else [],
    )


def _ranking_before(results: Results, previous: Results | None, qid: str) -> Ranked | None:
    if previous is not None:
        return previous.queries.get(qid)
    ranked = results.queries.get(qid)
    return None if ranked is None or ranked.before is None else Ranked(ranked.before, ranked.scores)


def _comparison_section(first: Results, other: Results, comparison: Comparison, qrels: Qrels) -> Section:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    judged = bool(comparison.differences)
    facts = [
        (
            "queries in both",
            f"{comparison.queries:,} (only A {comparison.only_first:,}, only B {comparison.only_other:,})",
        ),
        (f"overlap@{TOP}", number(comparison.overlap)),
        ("RBO, p = 0.9", number(comparison.rbo)),
        ("Kendall tau", number(comparison.tau)),
        ("mean |score B - A|", comparison.why_no_drift or number(comparison.drift)),
        *(("note", note) for note in comparison.notes),
    ]
    moved = comparison.moved_most(DRILLED)
    pairs = {move.qid: (first.queries.get(move.qid), other.queries.get(move.qid)) for move in moved}
    notes = {
        move.qid: f"RBO {move.rbo:.2f}" + ("" if move.gain is None else f", gain {move.gain:+.4f}") for move in moved
    }
    gains = (
        sorted(move.gain or 0.0 for move in comparison.moves)
        if judged
        else sorted(move.rbo for move in comparison.moves)
    )
    leading = comparison.differences[0].measure if judged else "RBO"
    columns = ["query", f"overlap@{TOP}", "RBO", "tau", *([f"gain in {leading}"] if judged else [])]
    rows = [
        [m.qid, f"{m.overlap:.2f}", f"{m.rbo:.4f}", number(m.tau), *([f"{m.gain:+.4f}"] if m.gain is not None else [])]
        for m in comparison.moves
    ]
    drills = list(_drills(pairs, [first, other], qrels, notes))
    title, charted = f"{comparison.other} against {comparison.first}", f"gain in {leading}" if judged else leading
    chart = gains_chart(gains, leading)
    return Section(
        title=title,
        names=(comparison.first, comparison.other),
        facts=facts,
        differences=comparison.differences,
        charted=charted,
        chart=chart,
        columns=columns,
        queries=rows,
        drills=drills,
    )


def _drills(
    pairs: dict[str, tuple[Ranked | None, Ranked | None]], files: Sequence[Results], qrels: Qrels, notes: dict[str, str]
) -> Iterable[Drill]:
    wanted = {
        qid: {docid for ranked in both if ranked is not None for docid in ranked.docids[:TOP]}
        for qid, both in pairs.items()
    }
    texts: dict[str, QueryTexts] = {}
    for results in files:
        for qid, (query, found) in texts_of(results, wanted).items():
            known = texts.setdefault(qid, QueryTexts(query, {}))
            known.documents.update(found)
    for qid, (a, b) in pairs.items():
        empty = Ranked((), array("d"))
        query, found = texts.get(qid, ("", {}))
        judged = qrels.get(qid, {})

        def side(
            docid: str, how: str = "", found: dict[str, str] = found, judged: dict[str, int] = judged
        ) -> Side | None:
            return Side(docid, _short(found.get(docid, ""), TEXT), judged.get(docid), how) if docid else None

        rows = [(side(x), side(y, how)) for x, y, how in side_by_side(a or empty, b or empty)]
        yield Drill(qid, _short(query, QUERY), notes.get(qid, ""), rows)


def _printable(value: Any) -> Any:
    """A value for the template. Markup, a subclass of str, is ours and is not escaped."""
    return printable_page(value) if type(value) is str else value


def _short(text: str, count: int) -> str:
    return text if len(text) <= count else text[: count - 1] + "…"


def gains_chart(gains: Sequence[float], measure: str, width: int = 960, height: int = 220) -> str:
    """A bar chart of the queries' gains, sorted from the largest loss to the largest gain: inline SVG."""
    if not gains:
        return ""
    low, high = min(0.0, gains[0]), max(0.0, gains[-1])
    span = (high - low) or 1.0
    zero = height * high / span
    points = []
    shown = gains if len(gains) <= width else [gains[round(x * (len(gains) - 1) / (width - 1))] for x in range(width)]
    step = width / len(shown)
    for place, gain in enumerate(shown):
        top, bottom = sorted((zero, height * (high - gain) / span))
        kind = "up" if gain > 0 else "down"
        points.append(
            f'<rect class="{kind}" x="{place * step:.2f}" y="{top:.2f}" width="{max(0.4, step - 0.3):.2f}" '
            f'height="{bottom - top:.2f}"/>'
        )
    label = f"{escape(measure)} of {len(gains)} queries, from {gains[0]:+.3f} to {gains[-1]:+.3f}"
    axis = f'<line x1="0" x2="{width}" y1="{zero:.2f}" y2="{zero:.2f}"/>'
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" preserveAspectRatio="none">'
        f"{''.join(points)}{axis}</svg>"
    )


def _write(path: str, title: str, sections: list[Section]) -> None:
    if find_spec("jinja2") is None:
        raise ConfigError("--html: jinja2 is not installed", installation("eval"))
    jinja2: Any = import_module("jinja2")
    around = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_printable
    )
    around.filters["svg"] = lambda text: import_module("markupsafe").Markup(
        text
    )  # drawn by `gains_chart` from numbers and an escaped name
    page = around.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = page.render(title=title, sections=sections, version=__version__)
    try:
        put_file(path, text.encode("utf-8", "replace"))
    except OSError as fault:
        raise OutputError(f"--html {path}: {fault.strerror}", "Name a file that can be written.") from None
