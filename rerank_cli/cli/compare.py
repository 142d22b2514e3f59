"""`rerank compare`: compare two or more rankings."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.limits import refuse_files_of_others, refuse_overwriting, refuse_reading_twice, refuse_with_markdown
from rerank_cli.cli.typed import typed_now
from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.display.comparison_tables import as_dict, comparison_lines, comparison_markdown
from rerank_cli.display.evaluation_tables import json_text
from rerank_cli.display.messages import print_json, print_line, print_own, report
from rerank_cli.display.runs_table import markdown_lines, runs_table, table_lines
from rerank_cli.evaluation.compare import SHOWN, Comparison
from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.measures import parse_measures, refuse_measures_as_files
from rerank_cli.evaluation.rankings import Results
from rerank_cli.evaluation.results import read_results
from rerank_cli.evaluation.several import compare_all, keep_common_queries, letters_of

R = ReadConfig()


def compare_command(
    context: typer.Context,
    runs: Annotated[
        list[str], o.argument("A B...", "Rankings to compare: records with ids, or runs (TREC, JSON, columns).")
    ],
    run_columns: o.RunColumns = None,
    skip_self: o.SkipSelf = False,
    qrels: Annotated[
        str | None, o.option("qrels", "Judgements to measure by: TREC qrels, the table of BEIR, JSON or parquet.")
    ] = None,
    measures: Annotated[
        str | None,
        o.option("measures", "Measures by the names of ir-measures (default: eight). Example: 'nDCG@5 RR@10'."),
    ] = None,
    any_scores: Annotated[
        bool, o.option("any-scores", "Compare scores also where files are not known to have logits.")
    ] = False,
    common_queries: o.CommonQueries = False,
    moved: Annotated[
        int | None,
        o.option(
            "moved",
            f"Show the N queries that moved most (default {SHOWN}). With more than two files: add the details "
            "of each comparison.",
            min=0,
        ),
    ] = None,
    format: o.Format = R.format,
    query_field: o.QueryField = R.query_field,
    candidates_field: o.CandidatesField = R.candidates_field,
    text_field: o.TextField = R.text_field,
    id_field: o.IdField = R.id_field,
    candidate_id_field: o.CandidateIdField = R.candidate_id_field,
    html: Annotated[str | None, o.option("html", "Write a report to this file: one page of HTML.")] = None,
    markdown: Annotated[bool, o.option("markdown", "Print tables as GitHub-flavored Markdown.")] = False,
    as_json: Annotated[bool, o.option("json", "Print one JSON document instead of tables.")] = False,
) -> int:
    """Compare rankings of the same queries: with judgements by measures, without by how far they agree.

    More than two are shown in one table, each compared with the first.

    \b
    rerank compare bm25.run reranked.run --qrels qrels.txt
    rerank compare old.jsonl new.jsonl
    rerank compare bm25.run small.run large.run --qrels qrels.txt --markdown
    """
    refuse_measures_as_files(runs, measures)
    if measures is not None and qrels is None:
        raise ConfigError("--measures needs --qrels", "Name the judgements to measure by, or leave --measures out.")
    if len(runs) < 2:
        raise ConfigError("a comparison needs two files of results", "Name two or more.")
    if markdown:
        refuse_with_markdown({"--json": as_json, "--moved": moved is not None})
    refuse_reading_twice([*runs, qrels])
    refuse_overwriting({"--html": html}, [*runs, qrels])
    refuse_files_of_others({"--html": html})
    chosen = parse_measures(measures) if qrels is not None else []
    judged = None if qrels is None else read_qrels(qrels)
    read = ReadConfig(**o.of_records(context.params))
    first, *others = [read_results(run, None, read, by_text=judged is None) for run in runs]
    for note in [note for each in (first, *others) for note in each.notes]:
        report(note)
    common = ""
    if common_queries:
        letters = letters_of(len(runs))
        judged, common = keep_common_queries(list(zip(letters, (first, *others), strict=True)), judged)
    comparisons = compare_all(first, others, judged, chosen, any_scores=any_scores, common=common)
    done = list(zip(others, comparisons, strict=True))
    if as_json:
        shown = SHOWN if moved is None else moved
        print_json(json_text([as_dict(comparison, first, other, shown) for other, comparison in done]))
    elif markdown:
        print_own("\n".join(_markdown(first, done)))
    else:
        _print(first, done, moved)
    if html is not None:
        from rerank_cli.display.page import write_comparisons

        write_comparisons(html, first, done, judged or {}, typed_now())
        report(f"{html}: written")
    return 0


def _markdown(first: Results, done: Sequence[tuple[Results, Comparison]]) -> list[str]:
    """Two files with a row per measure, more with a row per file."""
    if len(done) > 1:
        return markdown_lines(runs_table(first, done))
    ((other, comparison),) = done
    return comparison_markdown(comparison, first, other)


def _print(first: Results, done: Sequence[tuple[Results, Comparison]], moved: int | None) -> None:
    """Print the comparison of two files; for more, one table, and the details of each comparison with `moved`."""
    several = len(done) > 1
    if several:
        bold = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        print_own("\n".join(table_lines(runs_table(first, done), bold=bold)))
        if moved is None:
            print_line("--moved N adds the details of each comparison.")
            return
    for place, (other, comparison) in enumerate(done, 1):
        if several:
            corrected = "; p is not corrected here" if comparison.differences else ""
            print_line("")
            print_line(f"{place} of {len(done)} comparisons, each against A{corrected}")
        for line in comparison_lines(comparison, first, other, SHOWN if moved is None else moved):
            print_line(line)
