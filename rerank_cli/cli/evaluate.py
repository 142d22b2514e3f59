"""`rerank eval`: measure rankings before and after reranking."""

from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.limits import refuse_files_of_others, refuse_overwriting, refuse_reading_twice, refuse_with_markdown
from rerank_cli.cli.typed import typed_now
from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.display.evaluation_tables import as_dict, evaluation_lines, evaluation_markdown, json_text, write_csv
from rerank_cli.display.messages import print_json, print_line, report
from rerank_cli.evaluation.evaluate import evaluate
from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.measures import parse_measures, refuse_measures_as_files
from rerank_cli.evaluation.rankings import Results
from rerank_cli.evaluation.results import read_results
from rerank_cli.evaluation.several import keep_common_queries
from rerank_cli.evaluation.staged import add_stages

R = ReadConfig()


def eval_command(
    context: typer.Context,
    runs: Annotated[
        list[str], o.argument("RUN...", "Rankings to measure: records with ids, or runs (TREC, JSON, columns).")
    ],
    run_columns: o.RunColumns = None,
    skip_self: o.SkipSelf = False,
    qrels: Annotated[
        str | None, o.option("qrels", "Judgements to measure by: TREC qrels, the table of BEIR, JSON or parquet.")
    ] = None,
    before: Annotated[
        str | None, o.option("before", "Ranking of the first stage (default: the order of the input).")
    ] = None,
    measures: Annotated[
        str | None,
        o.option("measures", "Measures by the names of ir-measures (default: eight). Example: 'nDCG@5 RR@10'."),
    ] = None,
    relevance_field: Annotated[
        str,
        o.option(
            "relevance-field",
            "Field of a candidate with its judgement. It can be a path (metadata.grade). Read without --qrels.",
        ),
    ] = "relevance",
    common_queries: o.CommonQueries = False,
    format: o.Format = R.format,
    query_field: o.QueryField = R.query_field,
    candidates_field: o.CandidatesField = R.candidates_field,
    text_field: o.TextField = R.text_field,
    id_field: o.IdField = R.id_field,
    candidate_id_field: o.CandidateIdField = R.candidate_id_field,
    per_query: Annotated[
        str | None, o.option("per-query", "Write the measures of each query to this CSV file.")
    ] = None,
    html: Annotated[str | None, o.option("html", "Write a report to this file: one page of HTML.")] = None,
    markdown: Annotated[bool, o.option("markdown", "Print tables as GitHub-flavored Markdown.")] = False,
    as_json: Annotated[bool, o.option("json", "Print one JSON document instead of tables.")] = False,
) -> int:
    """Measure rankings against judgements, before and after: means, intervals, and how many queries got better.

    \b
    rerank eval ranked.jsonl --qrels qrels.txt
    rerank eval reranked.run --before bm25.run --qrels qrels/test.tsv --measures "nDCG@10 R@100"
    """
    refuse_measures_as_files(runs, measures)
    if markdown:
        refuse_with_markdown({"--json": as_json})
    refuse_reading_twice([*runs, qrels, before])
    refuse_overwriting({"--per-query": per_query, "--html": html}, [*runs, qrels, before])
    refuse_files_of_others({"--per-query": per_query, "--html": html})
    chosen = parse_measures(measures)
    read = ReadConfig(**o.of_records(context.params))
    given = None if qrels is None else read_qrels(qrels)
    previous = None if before is None else read_results(before, None, read, by_text=given is None)
    relevance_field = o.field(relevance_field)
    rankings = [_read(run, relevance_field if given is None else None, read) for run in runs]
    common = ""
    if common_queries:
        files = [each for each in (previous, *rankings) if each is not None]
        if len(files) == 1:
            raise ConfigError("--common-queries needs another ranking", "Name one with --before, or several files.")
        given, common = keep_common_queries([(each.name, each) for each in files], given)
    done = []
    for results in rankings:
        judged = results.relevance if given is None else given
        evaluation = evaluate(results, judged, chosen, previous)
        add_stages(evaluation, results, judged, chosen)
        evaluation.notes[:0] = [common] if common else []
        done.append((results, evaluation))
    for each in [*([] if previous is None else [previous]), *(results for results, _ in done)]:
        for note in each.notes:
            report(note)
    evaluations = [evaluation for _, evaluation in done]
    if as_json:
        print_json(json_text([as_dict(evaluation) for evaluation in evaluations]))
    else:
        for place, evaluation in enumerate(evaluations):
            lines = evaluation_markdown(evaluation) if markdown else evaluation_lines(evaluation)
            for line in [*([""] if place else []), *lines]:
                print_line(line)
    if per_query is not None:
        write_csv(per_query, evaluations)
    if html is not None:
        from rerank_cli.display.page import write_evaluations

        write_evaluations(html, done, previous, given, typed_now())
        report(f"{html}: written")
    return 0


def _read(run: str, relevance_field: str | None, read: ReadConfig) -> Results:
    """Read results, and the judgements in their candidates where a field is named. Raises InputError."""
    results = read_results(run, relevance_field, read, by_text=relevance_field is not None)
    if relevance_field is not None and results.cut:
        raise InputError(
            f"{run}: candidates were left out, as with --top-k, and their judgements with them",
            "Name judgements with --qrels, or results with all their candidates.",
        )
    return results
