"""`rerank compare`: compare two or more rankings."""

from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.limits import refuse_files_of_others, refuse_overwriting
from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.display.comparison_tables import as_dict, comparison_lines
from rerank_cli.display.evaluation_tables import json_text
from rerank_cli.display.messages import print_json, print_line, report
from rerank_cli.evaluation.compare import SHOWN, compare
from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.measures import parse_measures
from rerank_cli.evaluation.results import read_results

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
    moved: Annotated[int, o.option("moved", "Show the N queries that moved most.", min=0)] = SHOWN,
    format: o.Format = R.format,
    query_field: o.QueryField = R.query_field,
    candidates_field: o.CandidatesField = R.candidates_field,
    text_field: o.TextField = R.text_field,
    id_field: o.IdField = R.id_field,
    candidate_id_field: o.CandidateIdField = R.candidate_id_field,
    html: Annotated[str | None, o.option("html", "Write a report to this file: one page of HTML.")] = None,
    as_json: Annotated[bool, o.option("json", "Print one JSON document instead of tables.")] = False,
) -> int:
    """Compare rankings of the same queries: with judgements by measures, without by how far they agree.

    More than two are each compared with the first.

    \b
    rerank compare bm25.run reranked.run --qrels qrels.txt
    rerank compare old.jsonl new.jsonl
    """
    if len(runs) < 2:
        raise ConfigError("a comparison needs two files of results", "Name two or more.")
    refuse_overwriting({"--html": html}, [*runs, qrels])
    refuse_files_of_others({"--html": html})
    chosen = parse_measures(measures) if qrels is not None else []
    judged = None if qrels is None else read_qrels(qrels)
    read = ReadConfig(**o.of_records(context.params))
    first, *others = [read_results(run, None, read, by_text=judged is None) for run in runs]
    for note in [note for each in (first, *others) for note in each.notes]:
        report(note)
    done = [(other, compare(first, other, judged, chosen, any_scores=any_scores)) for other in others]
    if as_json:
        print_json(json_text([as_dict(comparison, first, other, moved) for other, comparison in done]))
    else:
        for place, (other, comparison) in enumerate(done, 1):
            head = [f"{place} of {len(done)} comparisons, each against A"] if done[1:] else []
            for line in [*([""] if place > 1 else []), *head, *comparison_lines(comparison, first, other, moved)]:
                print_line(line)
    if html is not None:
        from rerank_cli.display.page import write_comparisons

        write_comparisons(html, first, done, judged or {})
        report(f"{html}: written")
    return 0
