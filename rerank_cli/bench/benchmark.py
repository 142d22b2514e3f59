"""Throughput on this machine, from file to file, compared with every installed peer in one interleaved run.

Each contestant is a process with a loaded model. A round runs each contestant on the same file, so that other load on
the machine affects all. The first round is a warm-up and is reported separately; the medians of the other rounds are
compared. Each round also measures the matrix rate of the machine: it gives a lower bound of the time, and each
contestant's share of that rate.
"""

import json
import os
import random
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli.bench.config import BenchConfig
from rerank_cli.bench.contestants import PYTHON, Answer, Contestant, Matrix, contestants_of, device_of, run_once
from rerank_cli.bench.generated import generate_records, kind_and_tokens, lengths_of
from rerank_cli.bench.worker import pairs_of, read_records
from rerank_cli.core.config import ModelConfig, ReadConfig
from rerank_cli.core.errors import ConfigError, ModelError, OutputError
from rerank_cli.core.protocols import Report
from rerank_cli.core.times import about
from rerank_cli.engines.machine import device_name, machine
from rerank_cli.engines.text_models import open_text_model
from rerank_cli.formats.registry import good_requests
from rerank_cli.models.find import ALIASES, find_model
from rerank_cli.models.libraries import CACHE, cache_in
from rerank_cli.models.question import DECODERS, refuse_question


def bench(config: BenchConfig, report: Report) -> dict[str, Any]:
    """Run the benchmark.

    Returns the document that `rerank bench` prints. Raises ConfigError, ModelError or OutputError.
    """
    if config.source is None:
        kind, tokens = kind_and_tokens(config.lengths)
        if kind == "fixed" and tokens > config.model.max_length:
            raise ConfigError(f"--lengths {config.lengths}: longer than --max-length", "Raise --max-length as well.")
    if config.growth and config.source is not None:
        raise ConfigError("--growth needs no INPUT: it generates records", "Leave INPUT out.")
    if config.model.model.partition(":")[0] == "fake" and not config.growth:
        raise ConfigError("--model fake needs --growth: peers cannot load it", "Add --growth, or name another model.")
    try:
        with tempfile.TemporaryDirectory(prefix="rerank-bench-") as folder:
            return _measure(config, Path(folder), report)
    except OSError as fault:
        reason = f"{fault.filename or tempfile.gettempdir()}: {fault.strerror}"
        raise OutputError(
            reason, "Free some space, or set TMPDIR to a folder for the records and outputs of the benchmark."
        ) from None


def _measure(config: BenchConfig, folder: Path, report: Report) -> dict[str, Any]:
    config = replace(config, model=_model(config, folder, report))
    # what is kept of random weights does not belong in the user's cache
    with nullcontext() if config.random_weights is None else cache_in(folder / "cache"):
        if config.growth:
            return {"machine": machine(), "model": config.model.model, "growth": list(_growth(config, folder, report))}
        return _compare(config, folder, report)


def _model(config: BenchConfig, folder: Path, report: Report) -> ModelConfig:
    """The model of the benchmark, in a folder that every contestant can load."""
    if config.random_weights is not None:
        refuse_question(config.model)
        tokenizer = ALIASES["mini"] if config.tokenizer is None else Path(config.tokenizer)
        report(f"making random weights in the architecture of {config.random_weights}")
        made = folder / "random"
        made.mkdir()
        making = import_module("rerank_cli.bench.random_weights")
        making.make_random_model(config.random_weights, tokenizer, made)
        prompt = making.PROMPT if config.random_weights.startswith("qwen3") else None
        return replace(config.model, model=str(made), prompt=prompt)
    if config.model.model.partition(":")[0] == "fake":
        return config.model
    found = find_model(config.model)
    prompt = config.model.prompt or (found.question.prompt.name if found.question is not None else None)
    return replace(config.model, model=str(found.path), revision=None, prompt=prompt)


def _compare(config: BenchConfig, folder: Path, report: Report) -> dict[str, Any]:
    source, target = folder / "records.jsonl", str(folder / "out.jsonl")
    longest = _write_records(config, source)
    model = open_text_model(replace(config.model, max_length=longest))
    config = replace(config, model=replace(config.model, max_length=model.lengths.pair))
    costs = [pair.cost for pair in model.prepare(pairs_of(read_records(str(source))))]
    lengths = {"pairs": len(costs), "tokens": sum(costs), "squares": sum(cost * cost for cost in costs)}
    mean = lengths["tokens"] / lengths["pairs"]
    named = config.random_weights or Path(config.model.model).name
    report(f"measuring {named} with {lengths['pairs']:,} pairs of {mean:.0f} tokens, from file to file")
    with contestants_of(config, report) as (contestants, absent), Matrix(config) as matrix:
        for contestant in contestants:
            report(f"warming up {contestant}")
            run_once(contestant, str(source), target, absent)
            contestant.first_seconds, contestant.seconds = contestant.seconds, []
        warm_up_s = sum(seconds for contestant in contestants for seconds in contestant.first_seconds)
        report(f"the rounds will take {about(config.rounds * warm_up_s)} together, by the warm-up")
        for number in range(config.rounds):
            report(f"round {number + 1} of {config.rounds}")
            order = random.Random(number).sample(contestants, len(contestants))  # a random order in each round
            for contestant in order:
                run_once(contestant, str(source), target, absent)
            for dtype in sorted({contestant.dtype for contestant in contestants}):
                matrix.measure(dtype)
    measured = [contestant for contestant in contestants if str(contestant) not in absent]
    if not measured:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        raise ModelError(
            f"no contestant could be measured: {reasons}", "Choose contestants with --engines and --peers."
        )
    work = gflop(model.folder.config, lengths)
    return {
        "machine": machine()
        | ({"device": device_name(device_of(config))} if device_of(config).startswith("cuda") else {}),
        "model": named,
        "records": config.source or config.lengths,
        "max_length": model.lengths.pair,
        "rounds": config.rounds,
        **lengths,
        "mean_tokens": round(mean, 1),
        "gflop": work,
        "matrix_gflops": matrix.rates,
        "matrix_gflops_by_library": matrix.by_library,
        "results": _results(measured, lengths, work, matrix.rates),
        "not_measured": absent,
    }


def _write_records(config: BenchConfig, target: Path) -> int:
    """Write the records for all contestants. Returns the maximal tokens per pair."""
    records: Iterable[dict[str, Any]]
    if config.source is None:
        longest = lengths_of(config.lengths, config.model.max_length)
        records = generate_records(config.lengths, config.pairs)
    else:
        longest = config.model.max_length
        requests = good_requests(ReadConfig(inputs=(config.source,)))
        queries = (each for request in requests for each in request.by_query if request.texts)
        records = ({"query": query, "candidates": [{"text": text} for text in texts]} for query, texts in queries)
    with target.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return longest


def gflop(config: dict[str, Any], lengths: dict[str, int]) -> float | None:
    """The operations of a model on all pairs, without padding, in 10⁹; None where config.json lacks a size.

    Per layer, a token costs 2 operations for each number of the matrices: those of queries and of the output have the
    width of all heads, those of keys and values that of their own heads, and the feed-forward layers are two, or three
    where one gates. Attention costs 4 times that width for each token of the pair, or each one before it in a language
    model.
    """
    layers, hidden, inner = (config.get(name) for name in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    if layers is None or hidden is None or inner is None:
        return None
    heads = config.get("num_attention_heads") or 1
    width = heads * (config.get("head_dim") or hidden // heads)
    shared = width // heads * (config.get("num_key_value_heads") or heads)
    decoder = config.get("model_type") in DECODERS
    gated = decoder or config.get("model_type") == "modernbert"
    matrices = 2 * (2 * hidden * width + 2 * hidden * shared + (3 if gated else 2) * hidden * inner) * lengths["tokens"]
    attention = 4 * width * lengths["squares"] / (2 if decoder else 1)
    return float(layers * (matrices + attention) / 1e9)


def _results(
    contestants: Sequence[Contestant], lengths: dict[str, int], work: float | None, rates: dict[str, float]
) -> list[Answer]:
    peers = [each for each in contestants if not each.ours]
    best = min(peers, key=lambda each: statistics.median(each.seconds), default=None)  # over all rounds
    results = []
    for each in contestants:
        seconds = statistics.median(each.seconds)
        rate = rates.get(each.dtype)
        ratios = [] if best is None else [b / a for a, b in zip(each.seconds, best.seconds, strict=True)]
        ratio = None if best is None else round(statistics.median(best.seconds) / seconds, 3)
        padding = each.last.get("padding_share")
        tokens_per_s = lengths["tokens"] / seconds
        results.append(
            {
                "name": each.name,
                "dtype": each.dtype,
                "batch": each.batch,
                "batch_tokens": each.last.get("batch_tokens"),
                "ours": each.ours,
                "pairs_per_s": round(lengths["pairs"] / seconds, 2),
                "tokens_per_s": round(tokens_per_s, 1),
                "padded_tokens_per_s": None if padding is None else round(tokens_per_s / (1 - padding), 1),
                "seconds": [round(value, 3) for value in each.seconds],
                "first_seconds": round(each.first_seconds[0], 3),
                "of_best_peer": ratio,
                "of_best_peer_by_round": [round(ratio, 3) for ratio in ratios],
                "share_of_matrix_rate": round(work / seconds / rate, 3) if work and rate else None,
                "padding_share": padding,
                "busy_share": each.last.get("busy_share"),
                "peak_memory_bytes": each.last["peak_memory_bytes"],
                "peak_device_bytes": each.last["peak_device_bytes"],
                "threads": each.last.get("threads"),
                "versions": each.last.get("versions"),
            }
        )
    return results


def _growth(config: BenchConfig, folder: Path, report: Report) -> Iterator[Answer]:
    """Run `rerank score` in a separate process on growing numbers of pairs, to measure speed and memory."""
    model = config.model
    engine, _, dtype = (config.engines or (f"{model.engine}:{model.dtype}",))[0].partition(":")
    for pairs in config.growth:
        report(f"{pairs:,} pairs")
        source, target = folder / "records.jsonl", folder / "out.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in generate_records(config.lengths, pairs))
        longest = str(lengths_of(config.lengths, model.max_length))
        command = [*PYTHON, "rerank_cli", "score", str(source), "-o", str(target), "--overwrite", "-q"]
        options = ["--model", model.model, "--engine", engine, "--dtype", dtype or "auto", "--max-length", longest]
        options += ["--device", model.device, *(["--threads", str(model.threads)] if model.threads else [])]
        if config.batch_tokens[0] is not None:
            options += ["--batch-tokens", str(config.batch_tokens[0])]
        kept = {name: value for name, value in os.environ.items() if name == CACHE or not name.startswith("RERANK_")}
        ended = subprocess.run([*command, *options], stderr=subprocess.PIPE, text=True, check=False, env=kept)
        if ended.returncode != 0:
            raise ModelError(
                f"rerank score ended with {ended.returncode}: {ended.stderr[-300:]}",
                "Run the command to see the full error.",
            )
        meta = json.loads(target.with_name(target.name + ".meta.json").read_bytes())
        wanted = ("pairs", "pairs_per_s", "tokens_per_s", "wall_s", "padding_share", "busy_share", "peak_memory_bytes")
        yield {**{name: meta[name] for name in wanted}, "engine": meta["engine"], "dtype": meta["dtype"]}
