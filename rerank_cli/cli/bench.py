"""`rerank bench`: throughput on this machine, compared with peers."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import orjson
import typer

from rerank_cli.bench.benchmark import bench
from rerank_cli.bench.config import BenchConfig
from rerank_cli.bench.peers import PEERS
from rerank_cli.cli import options as o
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.installation import installation
from rerank_cli.display.bench_tables import report_table
from rerank_cli.display.chart import draw
from rerank_cli.display.messages import print_json, report

M = ModelConfig()


def bench_command(
    context: typer.Context,
    source: Annotated[str | None, o.argument("[INPUT]", "Records to measure with (default: generated).")] = None,
    lengths: Annotated[
        str, o.option("lengths", "Lengths of generated pairs: lognormal, lognormal:MEAN or fixed:TOKENS.")
    ] = "lognormal",
    pairs: Annotated[int, o.option("pairs", "Number of pairs to generate.", min=1)] = 320,
    engines: Annotated[
        str | None,
        o.option(
            "engines", "Engines of rerank to measure (default: all installed). Example: torch:fp32,openvino:int8."
        ),
    ] = None,
    batch_tokens: Annotated[
        str | None, o.option("batch-tokens", "Token budgets of rerank to measure (default: auto). Example: 512,1024.")
    ] = None,
    peers: Annotated[
        str | None, o.option("peers", "Peers to measure, with commas, or none (default: all installed).")
    ] = None,
    batch_sizes: Annotated[
        str | None, o.option("batch-sizes", "Batch sizes of the peers (default: a list for each). Example: 8,32.")
    ] = None,
    rounds: Annotated[int, o.option("rounds", "Interleaved rounds after a warm-up.", min=1)] = 3,
    growth: Annotated[
        str | None, o.option("growth", "Measure one engine on ever more pairs instead. Example: 2000,20000.")
    ] = None,
    plot: Annotated[Path | None, o.option("plot", "Draw a chart into this file: .svg, .png or .pdf.")] = None,
    random_weights: Annotated[
        str | None,
        o.option(
            "random-weights",
            "Model of random weights, to measure without a download: xlmr-large, xlmr-base, xlmr-mini, modernbert, "
            "ettin-17m, colbert or qwen3-0.6b.",
        ),
    ] = None,
    tokenizer: Annotated[
        str | None, o.option("tokenizer", "Folder of the tokenizer for --random-weights (default: that of mini).")
    ] = None,
    model: o.Model = "mini",
    revision: o.Revision = None,
    offline: o.Offline = False,
    device: o.Device = M.device,
    prompt: o.Prompt = None,
    instruction: o.Instruction = None,
    max_length: Annotated[int, o.option("max-length", "Most tokens of a pair.", min=16)] = 512,
    threads: o.Threads = None,
    as_json: Annotated[bool, o.option("json", "Print the line of JSON on a terminal, too.")] = False,
) -> int:
    """Measure throughput from file to file, compared with every installed peer, in one interleaved run.

    It takes half an hour with mini on a CPU; fewer --pairs, --rounds, --engines and --peers take less. The time of all
    rounds is printed after the warm-up.

    \b
    rerank bench
    rerank bench records.jsonl --model BAAI/bge-reranker-v2-m3 --engines torch:fp16
    rerank bench --random-weights xlmr-large --engines torch:fp32 --peers none --pairs 48 --rounds 1
    """
    if plot is not None and plot.suffix not in (".svg", ".png", ".pdf"):
        raise ConfigError(f"--plot {plot}: not a .svg, .png or .pdf", "Example: chart.svg.")
    if plot is not None and find_spec("matplotlib") is None:
        raise ConfigError("--plot: matplotlib is not installed", installation("bench"))
    if plot is not None and not os.path.isdir(plot.parent):
        raise ConfigError(f"--plot {plot}: no such folder", "Create the folder first.")
    config = BenchConfig(
        model=o.model_of(context, engine="auto", dtype="auto", query_max_length=max_length * 3 // 4),
        source=source,
        lengths=lengths,
        pairs=pairs,
        engines=() if engines is None else tuple(engines.split(",")),
        batch_tokens=(None,) if batch_tokens is None else numbers("--batch-tokens", batch_tokens),
        peers=tuple(PEERS) if peers is None else chosen_peers(peers),
        batch_sizes=() if batch_sizes is None else numbers("--batch-sizes", batch_sizes),
        rounds=rounds,
        random_weights=random_weights,
        tokenizer=tokenizer,
        growth=() if growth is None else numbers("--growth", growth),
    )
    document = bench(config, report)
    report_table(document)
    if as_json or sys.stdout is None or not sys.stdout.isatty():
        print_json(orjson.dumps(document).decode())
    if plot is not None:
        draw(document, plot)
    return 0


def numbers(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers separated by commas. Raises ConfigError."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise ConfigError(f"{option} {text}: not numbers", "Example: 512,1024.")
    return found


def chosen_peers(text: str) -> tuple[str, ...]:
    """The named peers; empty for "none". Raises ConfigError."""
    names = () if text == "none" else tuple(text.split(","))
    if unknown := [name for name in names if name not in PEERS]:
        raise ConfigError(f"--peers {', '.join(unknown)}: unknown", f"Known: {', '.join(PEERS)}; or none.")
    return names
