"""The options that commands share, and how they become configuration, once.

A few are also RERANK_<NAME> in the environment (`environment.OPTIONS`): a flag wins over it, and it over the default.
"""

import os
import sys
from collections.abc import Container
from dataclasses import fields
from typing import Annotated, Any, Literal

import typer

from rerank_cli.cli.limits import refuse_reading_twice
from rerank_cli.cli.option import MOST_OF_ANY, without_bars
from rerank_cli.cli.option import argument as argument
from rerank_cli.cli.option import completion as completion
from rerank_cli.cli.option import known_models as known_models
from rerank_cli.cli.option import option as option
from rerank_cli.core.config import LongDocs, ModelConfig, ReadConfig
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.engines.registry import ENGINE_DTYPES, OFFERED
from rerank_cli.formats.beir import in_folder, text_files
from rerank_cli.formats.known import FORMATS
from rerank_cli.formats.run_layouts import read_run_columns
from rerank_cli.formats.suffixes import output_format
from rerank_cli.models.config_json import MOST_LABELS
from rerank_cli.models.prompts import known_prompts

ScoreKind = Literal["sigmoid", "logit"]
Progress = Literal["auto", "bar", "lines", "none"]

MOST_THREADS = 1024

Inputs = Annotated[
    list[str] | None,
    argument(
        "INPUT...",
        "Files of records: JSON lines, .gz and .zst too. - is standard input; several files are one stream.",
        show_default=False,
    ),
]

# reading
Format = Annotated[
    str,
    option("format", f"Format of the input records: auto, {', '.join(sorted(FORMATS))}.", values=["auto", *FORMATS]),
]
OutputFormat = Annotated[
    str,
    option(
        "output-format",
        "Format of the output records: same, or a name of --format. -o *.csv, .tsv, .run and .trec choose theirs.",
        values=["same", *(name for name in FORMATS if name != "beir")],
    ),
]
Tag = Annotated[str, option("tag", "Name of the run, the last column of a TREC run.")]
QueryField = Annotated[str, option("query-field", "Dotted path of the query in a record.")]
CandidatesField = Annotated[str, option("candidates-field", "Dotted path of the list of candidates in a record.")]
TextField = Annotated[str, option("text-field", "Dotted path of the text in a candidate.")]
ColumnNames = Annotated[
    str | None, option("columns", "Column names of CSV or TSV without a header. Example: query,text,id,label.")
]
IdField = Annotated[
    str, option("id-field", "Dotted path of the id in a record. A number is a place in a list: hits.0.qid.")
]
CandidateIdField = Annotated[str, option("candidate-id-field", "Dotted path of the id in a candidate.")]
Limit = Annotated[int | None, option("limit", "Read at most N records.", min=0, most=MOST_OF_ANY)]
MaxLineBytes = Annotated[
    int, option("max-line-bytes", "Longest line in bytes. A longer one is a bad record.", min=1, most=MOST_OF_ANY)
]
MaxCandidates = Annotated[
    int | None, option("max-candidates", "Most candidates in a record. A record with more is a bad record.", min=1)
]
RunFile = Annotated[
    str | None,
    option("run", "Run file that names the candidates. INPUT is a BEIR folder, or --queries and --corpus give texts."),
]
RunColumns = Annotated[
    str | None,
    option("run-columns", "Column names of a run file without a header. Example: qid,docid,score,_ (_ is ignored)."),
]
SkipSelf = Annotated[bool, option("skip-self", "Leave out a document with the id of its query. For ArguAna, Quora.")]
CommonQueries = Annotated[bool, option("common-queries", "Leave out queries that not all files have, and count them.")]
Queries = Annotated[
    str | None,
    option("queries", "Texts of the queries of --run: JSON lines, TSV or parquet, or a folder of such files."),
]
Corpus = Annotated[
    list[str] | None,
    option("corpus", "Texts of the documents of --run: JSON lines, TSV or parquet, or a folder of shards. Repeatable."),
]
QueryTemplate = Annotated[
    str | None, option("query-template", "Compose the query from {fields} of the record. Example: '{title} {query}'.")
]
DocTemplate = Annotated[
    str | None,
    option("doc-template", "Compose each document from {fields} of the candidate. Example: '{title} {text}'."),
]

# model
Model = Annotated[
    str,
    option(
        "model",
        "Model that scores: a hub id, a folder, mini (in this package), PROVIDER:NAME, or the URL of a server.",
        "-m",
        values=known_models,
    ),
]
Revision = Annotated[str | None, option("revision", "Branch, tag or commit of the model on the hub.")]
Offline = Annotated[bool, option("offline", "Open no network connection.")]
Verify = Annotated[
    bool,
    option(
        "verify", "Hash the files of the model again. Without it, a hash is remembered while a file does not change."
    ),
]
Engine = Annotated[
    str,
    option(
        "engine",
        "Engine that runs the model: auto, torch, openvino, onnx, bi-encoder, late-interaction, yes-no or http.",
        values=["auto", *OFFERED],
    ),
]
Device = Annotated[
    str,
    option(
        "device", "Device that runs the model: auto, cpu, cuda, cuda:1 or mps.", values=("auto", "cpu", "cuda", "mps")
    ),
]
Dtype = Annotated[
    str,
    option(
        "dtype",
        "Precision of the model: auto (on CUDA fp16, or bf16 for yes-no; else fp32), fp32, fp16, bf16 or int8.",
        values=ENGINE_DTYPES,
    ),
]
Label = Annotated[
    int | None,
    option("label", "Label that is ranked by, for a classifier with several. The first is 0.", min=0, most=MOST_LABELS),
]
Prompt = Annotated[
    str | None,
    option(
        "prompt",
        "Prompt of a reranker that answers yes or no: a name or a JSON file (default: by the name of the model).",
        values=known_prompts,
    ),
]
Instruction = Annotated[
    str | None, option("instruction", "What the prompt of such a reranker asks for, in words (default: by the prompt).")
]
MaxLength = Annotated[
    int,
    option(
        "max-length",
        "Most tokens of a query and a document together. A model that takes fewer lowers it. Longer documents are "
        "truncated.",
        min=16,
    ),
]
QueryMaxLength = Annotated[
    int,
    option(
        "query-max-length", "Most tokens of a query, at most 3/4 of --max-length. Longer queries are truncated.", min=4
    ),
]
LongDocsOption = Annotated[
    LongDocs,
    option(
        "long-docs", "What to do with longer documents: truncate them, score them in parts (chunk), or fail (error)."
    ),
]
ChunkOverlap = Annotated[
    int, option("chunk-overlap", "Tokens that neighbouring parts share with --long-docs chunk.", min=0)
]
Threads = Annotated[
    int | None,
    option("threads", "CPU threads of the engine (default: physical cores).", min=1, most=MOST_THREADS),
]

# talking
Quiet = Annotated[
    bool, option("quiet", "Print only errors, warnings and how many records failed.", "-q", callback=without_bars)
]
Verbose = Annotated[bool, option("verbose", "Print also the hashes, versions and token budgets of the run.", "-v")]
ProgressOption = Annotated[
    Progress,
    option(
        "progress",
        "How progress is shown: auto is a bar on a terminal, a line every 30 s elsewhere.",
        callback=without_bars,
    ),
]


def field(value: str) -> str:
    """A field's name as it stands in UTF-8 records, whatever the locale made of the command line."""
    return os.fsencode(value).decode("utf-8", "surrogateescape")


READING = (
    "format",
    "query_field",
    "candidates_field",
    "text_field",
    "id_field",
    "columns",
    "candidate_id_field",
    "run_columns",
    "skip_self",
    "limit",
    "max_line_bytes",
    "max_candidates",
    "query_template",
    "doc_template",
)


def of_records(values: dict[str, Any]) -> dict[str, Any]:
    """Those parameters that say how records are read, whatever they are read from."""
    given = {name: values[name] for name in READING if name in values}
    if "run_columns" in given:
        given["run_columns"] = read_run_columns(given["run_columns"])
    return {name: field(value) if name.endswith("_field") else value for name, value in given.items()}


def reading(context: typer.Context, **instead: Any) -> ReadConfig:
    """What a command reads, of the parameters that it has: inputs, or a run with its texts; `instead` of some, others.

    Raises ConfigError for what does not go together, InputError for a folder that is none of BEIR's.
    """
    values = context.params | instead
    inputs, run, queries, corpus = (values.get(name) for name in ("inputs", "run_file", "queries", "corpus"))
    if run is None:
        if queries or corpus:
            named = f"--queries {queries}" if queries else f"--corpus {' '.join(corpus or [])}"
            raise ConfigError(f"{named} needs --run", "Queries and corpus give the texts of a run.")
        if values.get("run_columns") is not None:
            raise ConfigError("--run-columns needs --run", "It names the columns of a run.")
        if values.get("skip_self"):
            raise ConfigError("--skip-self needs --run", "It leaves documents of a run out.")
        folder = next(filter(os.path.isdir, inputs or []), None)
        if folder is not None:
            raise InputError(
                f"{folder}: is a folder, not a file", "With a BEIR folder, --run FILE names the candidates."
            )
        chosen = chosen_inputs(inputs, context)
        return ReadConfig(inputs=chosen, input_named=bool(inputs), **of_records(values))
    if len(inputs or []) > 1 or (inputs and not os.path.isdir(inputs[0])):
        raise ConfigError(f"--run {run}: is what is read", "With --run, INPUT can only be one BEIR folder.")
    folder = inputs[0] if inputs else None
    queries_there, corpus_there = in_folder(folder) if folder else ((), ())
    return ReadConfig(
        inputs=(run,),
        run=run,
        queries=text_files([queries]) if queries else queries_there,
        corpus=text_files(corpus) if corpus else corpus_there,
        folder=folder,
        **of_records(values),
    )


def format_to_write(context: typer.Context) -> str:
    """The format that --output-format and the suffix of -o name. Raises ConfigError where they do not agree."""
    source = context.get_parameter_source("output_format")
    by_user = source is not None and source.name != "DEFAULT"
    return output_format(context.params["output"] or "-", context.params["output_format"], by_user=by_user)


def model_of(context: typer.Context, **instead: Any) -> ModelConfig:
    """The model of a command, from the parameters that it has; `instead` of some, others."""
    values = context.params | instead
    requested = tuple(name for name in ("max_length", "query_max_length") if chosen_by_user(context, name, instead))
    return ModelConfig(
        **{each.name: values[each.name] for each in fields(ModelConfig) if each.name in values}, requested=requested
    )


def chosen_by_user(context: typer.Context, name: str, instead: Container[str] = ()) -> bool:
    """Whether a parameter has its value from the user, not from its default; those in `instead` do not."""
    source = context.get_parameter_source(name)
    return name not in instead and source is not None and source.name != "DEFAULT"


def chosen_inputs(inputs: list[str] | None, context: typer.Context) -> tuple[str, ...]:
    """The inputs named, or standard input when something is piped in; on a bare terminal, help and exit 2."""
    if inputs:
        refuse_reading_twice(inputs)
        return tuple(inputs)
    if sys.stdin is None or sys.stdin.isatty():
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
    return ("-",)
