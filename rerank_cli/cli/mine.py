"""`rerank mine`: hard negatives for `rerank train`."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.limits import refuse_overwriting
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.printable import printable
from rerank_cli.display.messages import print_line
from rerank_cli.display.progress import Reporter, choose_mode
from rerank_cli.display.training_progress import TrainingProgress
from rerank_cli.engines.registry import ENGINES
from rerank_cli.training.mine import MARGIN, MineConfig, mine

M = ModelConfig()


def mine_command(
    context: typer.Context,
    queries: Annotated[str, o.argument("QUERIES", "File of queries: JSON lines with query, and pos or positives.")],
    output: Annotated[str, o.option("output", "File to write.", "-o")],
    pool: Annotated[
        list[str],
        o.option("pool", "File of texts to choose from: JSON lines with id and text. Repeatable."),
    ],
    model: Annotated[str, o.option("model", "Bi-encoder that ranks the texts: a hub id or a local folder.", "-m")],
    negatives: Annotated[int, o.option("negatives", "Number of negatives to draw for each query.", min=1)] = 7,
    ranks: Annotated[str, o.option("ranks", "Ranks to draw negatives from. Example: 5:50.")] = "1:50",
    margin: Annotated[
        float,
        o.option("margin", "Least distance in cosine between a negative and relevant texts.", most=2),
    ] = MARGIN,
    seed: Annotated[int, o.option("seed", "Seed of the draw.", min=0)] = 42,
    query_template: o.QueryTemplate = None,
    doc_template: o.DocTemplate = None,
    overwrite: Annotated[bool, o.option("overwrite", "Replace an existing output.")] = False,
    revision: o.Revision = None,
    offline: o.Offline = False,
    device: o.Device = M.device,
    dtype: Annotated[
        str,
        o.option(
            "dtype",
            "Precision of the model: auto, fp32, fp16 or bf16.",
            in_environment=False,
            values=("auto", *ENGINES["bi-encoder"].dtypes),
        ),
    ] = M.dtype,
    max_length: Annotated[
        int,
        o.option(
            "max-length",
            "Most tokens of a document. Longer ones are truncated; a query has at most 256, or 3/4 of N.",
            min=16,
        ),
    ] = 512,
    threads: o.Threads = None,
    progress: o.ProgressOption = "auto",
    quiet: o.Quiet = False,
) -> int:
    """Find hard negatives: texts of a pool that a bi-encoder ranks high and that do not answer the query.

    \b
    rerank mine queries.jsonl --pool passages.jsonl -o train.jsonl --model ./multilingual-e5-small \\
      --query-template "query: {query}" --doc-template "passage: {text}"
    rerank train train.jsonl -o ./tuned
    """
    window = re.fullmatch(r"(\d+):(\d+)", ranks)
    if window is None:
        raise ConfigError(f"--ranks {ranks}: not a range", "Example: 5:50.")
    refuse_overwriting({"--output": output}, [queries, *pool])
    config = MineConfig(
        queries=queries,
        corpus=tuple(pool),
        model=o.model_of(context, engine="bi-encoder"),
        output=Path(output),
        negatives=negatives,
        first=int(window[1]),
        last=int(window[2]),
        margin=margin,
        seed=seed,
        overwrite=overwrite,
        query_template=query_template,
        doc_template=doc_template,
    )
    mode = choose_mode(progress, quiet, sys.stderr is not None and sys.stderr.isatty(), os.environ.get("TERM", ""))
    reporter = Reporter(mode, sys.stderr, quiet)
    with TrainingProgress(reporter, unit="text") as shown:
        counts = mine(config, reporter.report, shown)
    if quiet:
        return 0
    print_line(
        f"{counts.queries:,} queries, {counts.negatives:,} negatives of {counts.pool:,} texts: {printable(output)}"
    )
    if counts.short:
        print_line(f"{counts.short:,} queries have fewer than {negatives} negatives: widen --ranks, or lower --margin")
    return 0
