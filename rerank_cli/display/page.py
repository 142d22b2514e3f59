"""HTML reports: one file without network access or external scripts, light and dark, usable by keyboard.

The template escapes all data (jinja2, autoescape). Charts are SVG.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError, OutputError
from rerank_cli.core.installation import installation
from rerank_cli.core.printable import printable_page
from rerank_cli.display import page_words as words
from rerank_cli.display.page_comparison import comparison_section
from rerank_cli.display.page_evaluation import evaluation_section
from rerank_cli.display.page_footer import Making, footer
from rerank_cli.display.page_summary import comparison_summary, evaluation_summary
from rerank_cli.display.page_texts import short_id
from rerank_cli.evaluation.compare import Comparison
from rerank_cli.evaluation.evaluate import Evaluation
from rerank_cli.evaluation.judgements import Qrels
from rerank_cli.evaluation.rankings import Results
from rerank_cli.files.durable import put_file

TEMPLATE = Path(__file__).with_name("report.html.j2")
FILTERS = {
    "number": words.number,
    "signed": words.signed,
    "p_of": words.p_of,
    "of_p": words.of_p,
    "kind": words.kind_of,
    "contains_zero": words.contains_zero,
    "short_id": short_id,
}


def write_evaluations(
    path: str,
    done: Sequence[tuple[Results, Evaluation]],
    previous: Results | None,
    qrels: Qrels | None,
    making: Making,
) -> None:
    """Write the page of `rerank eval`. Raises ConfigError without jinja2, OutputError when it cannot be written."""
    sections = [
        evaluation_section(results, evaluation, previous, results.relevance if qrels is None else qrels)
        for results, evaluation in done
    ]
    files = [*([] if previous is None else [previous.name]), *(results.name for results, _ in done)]
    summary = evaluation_summary([evaluation for _, evaluation in done], previous)
    about = footer(making, files, measured=True)
    method = words.method_of(len(done), corrected=False)
    _write(path, title="rerank eval", summary=summary, sections=sections, about=about, method=method)


def write_comparisons(
    path: str, first: Results, done: Sequence[tuple[Results, Comparison]], qrels: Qrels, making: Making
) -> None:
    """Write the page of `rerank compare`."""
    sections = [comparison_section(first, other, comparison, qrels) for other, comparison in done]
    files = [first.name, *(other.name for other, _ in done)]
    measured = any(comparison.differences for _, comparison in done)
    summary, about = comparison_summary(first, done), footer(making, files, measured=measured)
    method = words.method_of(len(done), corrected=True)
    _write(path, title="rerank compare", summary=summary, sections=sections, about=about, method=method)


def _printable(value: Any) -> Any:
    """A value for the template. Markup, a subclass of str, is ours and is not escaped."""
    return printable_page(value) if type(value) is str else value


def _write(path: str, **parts: Any) -> None:
    """Write a page of these parts."""
    if find_spec("jinja2") is None:
        raise ConfigError("--html: jinja2 is not installed", installation("eval"))
    jinja2: Any = import_module("jinja2")
    around = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_printable
    )
    around.filters |= FILTERS
    # `page_charts` draws from numbers and escaped text
    around.filters["svg"] = lambda text: import_module("markupsafe").Markup(text)
    page = around.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = page.render(parts)
    try:
        put_file(path, text.encode("utf-8", "replace"))
    except OSError as fault:
        raise OutputError(f"--html {path}: {fault.strerror}", "Name a file that can be written.") from None
