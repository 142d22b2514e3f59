"""`rerank score`: the main job."""

import dataclasses
import os
import sys
from typing import Annotated

import typer

from rerank_cli.cli import api_options as a
from rerank_cli.cli import options as o
from rerank_cli.cli import stage_options as s
from rerank_cli.cli.limits import cache_size, error_limit
from rerank_cli.cli.origins import origins_of
from rerank_cli.cli.usage import no_output
from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig, WriteConfig
from rerank_cli.core.decimals import MOST_DIGITS
from rerank_cli.core.errors import ConfigError, ExitStatus
from rerank_cli.core.stats import Stats
from rerank_cli.display.dry_run_report import dry_run_lines
from rerank_cli.display.messages import print_line, report
from rerank_cli.display.progress import Reporter, choose_mode, monotonic_seconds
from rerank_cli.engines.registry import FOR_TESTS
from rerank_cli.jobs.dry_run import dry_run
from rerank_cli.jobs.said import errors_name
from rerank_cli.jobs.score import Run
from rerank_cli.jobs.statistics import write_stats

FAKE = "the scores are fake: --engine fake is for tests"
R, W, M, B = ReadConfig(), WriteConfig(), ModelConfig(), BatchConfig()  # for the defaults


def score(
    context: typer.Context,
    inputs: o.Inputs = None,
    output: Annotated[
        str | None, o.option("output", "Where results go. - is standard output; .gz and .zst compress.", "-o")
    ] = None,
    format: o.Format = R.format,
    query_field: o.QueryField = R.query_field,
    candidates_field: o.CandidatesField = R.candidates_field,
    text_field: o.TextField = R.text_field,
    id_field: o.IdField = R.id_field,
    columns: o.ColumnNames = None,
    candidate_id_field: o.CandidateIdField = R.candidate_id_field,
    limit: o.Limit = None,
    sample: Annotated[
        int | None, o.option("sample", "Score only N records, drawn at random from all of the input.", min=1)
    ] = None,
    seed: Annotated[
        int | None, o.option("seed", "Seed of --sample: another one draws other records (default 0).", min=0)
    ] = None,
    max_line_bytes: o.MaxLineBytes = R.max_line_bytes,
    max_candidates: o.MaxCandidates = None,
    run_file: o.RunFile = None,
    run_columns: o.RunColumns = None,
    skip_self: o.SkipSelf = False,
    queries: o.Queries = None,
    corpus: o.Corpus = None,
    query_template: o.QueryTemplate = None,
    doc_template: o.DocTemplate = None,
    output_format: o.OutputFormat = W.format,
    top_k: Annotated[
        int | None, o.option("top-k", "Keep the best N candidates of each record (default: all).", min=1)
    ] = None,
    min_score: Annotated[float | None, o.option("min-score", "Drop candidates with a lower score.")] = None,
    no_text: Annotated[bool, o.option("no-text", "Leave the texts of candidates out of the output.")] = False,
    score_kind: Annotated[
        o.ScoreKind, o.option("score", "What the field score holds: the sigmoid of the logit, or the logit.")
    ] = W.score,
    digits: Annotated[
        int | None,
        o.option(
            "digits",
            "Significant digits of scores and logits (default: as many as tell them apart).",
            min=1,
            most=MOST_DIGITS,
        ),
    ] = None,
    tag: o.Tag = W.tag,
    stage: s.Stage = None,
    fuse: s.Fuse = None,
    drop: s.Drop = False,
    overwrite: Annotated[bool, o.option("overwrite", "Replace an existing output when the run succeeds.")] = False,
    resume: Annotated[bool, o.option("resume", "Continue an interrupted run. Does nothing if it is finished.")] = False,
    errors: Annotated[str | None, o.option("errors", "Where bad records go (default: OUT.errors.jsonl).")] = None,
    max_errors: Annotated[
        str | None, o.option("max-errors", "End the run when more than N or N% of the records fail.")
    ] = None,
    strict: Annotated[
        bool, o.option("strict", "End the run at the first bad record. The same as --max-errors 0.")
    ] = False,
    model: o.Model = M.model,
    revision: o.Revision = None,
    offline: o.Offline = False,
    verify: o.Verify = False,
    engine: o.Engine = M.engine,
    api: a.Api = None,
    api_key_file: a.ApiKeyFile = None,
    concurrency: a.Concurrency = M.concurrency,
    requests_per_minute: a.RequestsPerMinute = None,
    device: o.Device = M.device,
    dtype: o.Dtype = M.dtype,
    label: o.Label = None,
    prompt: o.Prompt = None,
    instruction: o.Instruction = None,
    max_length: o.MaxLength = M.max_length,
    query_max_length: o.QueryMaxLength = M.query_max_length,
    long_docs: o.LongDocsOption = M.long_docs,
    chunk_overlap: o.ChunkOverlap = M.chunk_overlap,
    threads: o.Threads = None,
    batch_tokens: Annotated[
        int | None, o.option("batch-tokens", "Most tokens in a batch, padding included (default: by device).", min=1)
    ] = None,
    window_tokens: Annotated[
        int | None, o.option("window-tokens", "Tokens that are sorted and saved together (default: by device).", min=1)
    ] = None,
    score_cache: Annotated[
        str | None,
        o.option(
            "score-cache", "Keep scores in this folder, and take known ones from it. A later run scores what is new."
        ),
    ] = None,
    vectors: Annotated[
        str | None,
        o.option(
            "vectors",
            "Keep vectors of documents in this folder for later runs. For models that compare vectors.",
        ),
    ] = None,
    cache_gb: Annotated[
        float | None,
        o.option(
            "cache-gb",
            "Most gigabytes of --score-cache and of --vectors (default: 10). The oldest entries are dropped first.",
        ),
    ] = None,
    progress: o.ProgressOption = "auto",
    stats: Annotated[str | None, o.option("stats", "Write the statistics of the run to this file, as JSON.")] = None,
    dry_run: Annotated[
        bool,
        o.option(
            "dry-run",
            "Read, tokenize and plan only: lengths, what is cut, padding, batches, and the time a run would take.",
        ),
    ] = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> int:
    """Rerank records: score each (query, candidate) pair, write the candidates best first.

    \b
    rerank score input.jsonl -o out.jsonl
    zcat in.jsonl.gz | rerank score - -o - --model mini --top-k 10 | jq -c '.candidates[0]'
    rerank score today.jsonl -o ranked.jsonl --overwrite --resume -q     # for cron
    """
    if output is None and not dry_run:
        raise no_output(context, inputs or [])
    if stats == "-":
        raise ConfigError("--stats -: standard output carries only records", "Name a file.")
    config = _config(context)
    reporter = _reporter(output, progress, quiet)
    if dry_run:
        return run_dry(config, reporter)
    run = Run.of(config, reporter.report, monotonic_seconds, reporter.announce, reporter.warn)
    with reporter.watching(run.stats):
        status = run.execute()
    if run.stages is not None and any(each.identity.engine in FOR_TESTS for each in run.stages.stages):
        report(FAKE)  # whatever --quiet says: such an output looks like any other
    if run.document is not None:
        reporter.conclude(run.document, verbose)
        if stats is not None:
            write_stats(stats, run.document)
    if status == ExitStatus.SOME_FAILED:
        report(f"{run.stats.total.failed} of {run.stats.total.records} records failed: see {errors_name(config.files)}")
    return status


def _config(context: typer.Context) -> RunConfig:
    """What the parameters of a run come to. Raises ConfigError for what does not go together."""
    given = context.params
    if given["seed"] is not None and given["sample"] is None:
        raise ConfigError("--seed needs --sample", "It decides which records are drawn.")
    model = dataclasses.replace(o.model_of(context), vectors=given["vectors"] is not None)
    read = dataclasses.replace(o.reading(context), sample=given["sample"], seed=given["seed"] or 0)
    cascade = s.cascade_of(context, model, read)
    last = cascade.last or model
    return RunConfig(
        read=cascade.read,
        write=WriteConfig(
            format=o.format_to_write(context),
            score=given["score_kind"],
            score_chosen=o.chosen_by_user(context, "score_kind"),
            model="fake" if given["engine"] == "fake" else last.model,
            fusion=cascade.fusion,
            stages=max(1, len(cascade.stages)),
            keeps_all=cascade.keeps_all,
            **{name: given[name] for name in ("top_k", "min_score", "no_text", "digits", "tag", "drop")},
        ),
        model=last,
        stages=cascade.stages,
        batch=BatchConfig(batch_tokens=given["batch_tokens"], window_tokens=given["window_tokens"]),
        files=FileConfig(
            output="-" if given["output"] is None else given["output"],
            cache_gb=cache_size(given["cache_gb"], given["score_cache"], given["vectors"]),
            **{name: given[name] for name in ("errors", "stats", "overwrite", "resume", "score_cache", "vectors")},
        ),
        error_limit=error_limit(given["max_errors"], given["strict"]),
        origins=origins_of(context),
    )


def _reporter(output: str | None, progress: o.Progress, quiet: bool) -> Reporter:
    """What talks during the run."""
    shared = output == "-" and sys.stdout is not None and sys.stdout.isatty()  # a bar would mix with the records
    terminal = sys.stderr is not None and sys.stderr.isatty() and not shared
    mode = choose_mode(progress, quiet, terminal, os.environ.get("TERM", ""))
    return Reporter(mode, sys.stderr, quiet)


def run_dry(config: RunConfig, reporter: Reporter) -> int:
    """A dry run, and its report on standard output."""
    stats = Stats(monotonic_seconds)
    with reporter.watching(stats):
        found = dry_run(config, stats, reporter.report, reporter.announce, reporter.warn)
    for line in dry_run_lines(found):
        print_line(line)
    if config.files.stats is not None:
        write_stats(config.files.stats, {**found.as_dict(), **dataclasses.asdict(config.origins)})
    return found.status
