"""`rerank convert`: the same records in another format."""

from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.origins import origins_of
from rerank_cli.core.config import FileConfig, ModelConfig, ReadConfig, RunConfig, WriteConfig
from rerank_cli.display.messages import report, warn
from rerank_cli.files.paths import is_file
from rerank_cli.jobs.convert import convert

R, W, M = ReadConfig(), WriteConfig(), ModelConfig()


def convert_command(
    context: typer.Context,
    output: Annotated[str, o.option("output", "Where records go. - is standard output; .gz and .zst compress.", "-o")],
    inputs: o.Inputs = None,
    format: o.Format = R.format,
    query_field: o.QueryField = R.query_field,
    candidates_field: o.CandidatesField = R.candidates_field,
    text_field: o.TextField = R.text_field,
    id_field: o.IdField = R.id_field,
    columns: o.ColumnNames = None,
    candidate_id_field: o.CandidateIdField = R.candidate_id_field,
    limit: o.Limit = None,
    max_line_bytes: o.MaxLineBytes = R.max_line_bytes,
    max_candidates: o.MaxCandidates = None,
    run_file: o.RunFile = None,
    run_columns: o.RunColumns = None,
    skip_self: o.SkipSelf = False,
    queries: o.Queries = None,
    corpus: o.Corpus = None,
    output_format: o.OutputFormat = "native",
    model: Annotated[str, o.option("model", "Model that requests to an API name.", "-m")] = M.model,
    tag: o.Tag = W.tag,
    overwrite: Annotated[bool, o.option("overwrite", "Replace an existing output when all is read.")] = False,
    errors: Annotated[str | None, o.option("errors", "Where bad records go (default: OUT.errors.jsonl).")] = None,
    quiet: o.Quiet = False,
) -> int:
    """Write records in another format, without scoring.

    \b
    rerank convert requests.jsonl -o native.jsonl
    rerank convert scifact --run bm25.run -o scifact.jsonl
    """
    read = o.reading(context)
    write = WriteConfig(format=o.format_to_write(context), model=model, tag=tag)
    done = convert(
        RunConfig(
            read=read,
            write=write,
            files=FileConfig(output=output, errors=errors, overwrite=overwrite),
            origins=origins_of(context),
        ),
        _silent if quiet else report,
        warn,
    )
    count = done.counters
    if not quiet:
        report(f"{count.scored} records, {count.pairs} candidates: {done.source} to {done.target}")
    if count.failed:
        where = errors or (f"{output}.errors.jsonl" if is_file(output) else "above")
        report(f"{count.failed} of {count.records} records failed: see {where}")
    return done.status


def _silent(sentence: str) -> None:
    """For --quiet: drop notes."""
