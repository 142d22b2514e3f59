"""Throughput on this machine, from file to file, beside every installed peer, in one interleaved run.

Each contestant is a process that has loaded and warmed up before the first round; a round runs each in turn on the same
file, so that a noisy machine is noisy for all, and medians of rounds are compared. The machine's own matrix rate is
measured in each round too: work over rate is the floor, and what a contestant reaches of it is its share.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli import __version__
from rerank_cli.bench_input import generated, lengths_of, parsed
from rerank_cli.bench_worker import read_records
from rerank_cli.config import ModelConfig, ReadConfig
from rerank_cli.contestants import Answer, BenchConfig, Contestant, Tell, Worker, contestants_of, device_of, run_once
from rerank_cli.errors import ConfigError, ModelError
from rerank_cli.export import good_requests
from rerank_cli.scorers.hf_files import find_model

WARM_UP_CANDIDATES = 8


def bench(config: BenchConfig, tell: Tell) -> dict[str, Any]:
    """Measure; returns the document that `rerank bench` prints. Raises ConfigError or ModelError."""
    if config.source is None:
        parsed(config.lengths)
    with tempfile.TemporaryDirectory(prefix="rerank-bench-") as folder:
        model = _model(config, Path(folder), tell)
        config = replace(config, model=model)
        if config.growth:
            return {"machine": machine(), "model": model.model, "growth": list(_growth(config, Path(folder), tell))}
        return _compared(config, Path(folder), tell)


def _model(config: BenchConfig, folder: Path, tell: Tell) -> ModelConfig:
    """The model in a folder that every contestant can load."""
    if config.random_weights is not None:
        if config.tokenizer is None:
            raise ConfigError("--random-weights needs a tokenizer", "Name its folder: --tokenizer DIR.")
        tell(f"making random weights in the shape of {config.random_weights}")
        made = folder / config.random_weights
        made.mkdir()
        import_module("rerank_cli.scorers.random_weights").make_random_model(
            config.random_weights, Path(config.tokenizer), made
        )
        return replace(config.model, model=str(made))
    if config.model.model.partition(":")[0] == "fake":
        return config.model
    return replace(config.model, model=str(find_model(config.model).path), revision=None)


def _compared(config: BenchConfig, folder: Path, tell: Tell) -> dict[str, Any]:
    source, warm_up = folder / "records.jsonl", folder / "warm_up.jsonl"
    longest = _write_records(config, source)
    first = read_records(str(source))[0]
    few = {**first, "candidates": first["candidates"][:WARM_UP_CANDIDATES]}
    warm_up.write_text(json.dumps(few) + "\n", encoding="utf-8")
    config = replace(config, model=replace(config.model, max_length=longest))
    contestants, absent = contestants_of(config, tell)
    matrix = Worker({"kind": "matrix", "device": device_of(config), "threads": config.model.threads})
    rates: dict[str, list[float]] = {}
    target = str(folder / "out.jsonl")
    try:
        lengths = _lengths(contestants, str(source))
        for contestant in contestants:
            tell(f"warming up {contestant.name} {contestant.dtype} {contestant.batch}")
            run_once(contestant, str(warm_up), target)
            contestant.seconds.clear()
        for number in range(config.rounds):
            tell(f"round {number + 1} of {config.rounds}")
            for contestant in contestants:
                run_once(contestant, str(source), target)
            for dtype in sorted({contestant.dtype for contestant in contestants}):
                if (rate := matrix.ask({"dtype": dtype}).get("gflops")) is not None:
                    rates.setdefault(dtype, []).append(rate)
    finally:
        for worker in {id(each.worker): each.worker for each in contestants}.values():
            worker.close()
        matrix.close()
    work = gflop(find_model(config.model).config, lengths) if lengths else None
    median_rates = {dtype: statistics.median(values) for dtype, values in rates.items()}
    return {
        "machine": machine(),
        "model": config.random_weights or Path(config.model.model).name,
        "records": config.source or config.lengths,
        "max_length": longest,
        "rounds": config.rounds,
        **lengths,
        "mean_tokens": round(lengths["tokens"] / lengths["pairs"], 1) if lengths else None,
        "gflop": work,
        "matrix_gflops": median_rates,
        "results": _results(contestants, lengths, work, median_rates),
        "not_measured": absent,
    }


def _write_records(config: BenchConfig, target: Path) -> int:
    """Put the records where every contestant reads them; returns the tokens a pair at most."""
    records: Iterable[dict[str, Any]]
    if config.source is None:
        longest = lengths_of(config.lengths, config.model.max_length)
        records = generated(config.lengths, config.pairs)
    else:
        longest = config.model.max_length
        requests = good_requests(ReadConfig((config.source,)))
        records = ({"query": r.query, "candidates": [{"text": text} for text in r.texts]} for r in requests if r.texts)
    with target.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return longest


def _lengths(contestants: Sequence[Contestant], source: str) -> dict[str, int]:
    """Pairs, tokens and squares of tokens, as one of our own engines counts them."""
    for contestant in contestants:
        if contestant.ours:
            answer = contestant.worker.ask({"lengths": source})
            return {name: answer[name] for name in ("pairs", "tokens", "squares")}
    return {}


def gflop(config: dict[str, Any], lengths: dict[str, int]) -> float:
    """The arithmetic of a BERT-like model on all pairs, padding left out, in 10⁹ operations.

    A token costs 2 (4 h² + 2 h f) in each layer's six matrices and 4 L h in attention to the L tokens of its pair.
    """
    layers, hidden, inner = (config[name] for name in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    matrices = 2 * (4 * hidden * hidden + 2 * hidden * inner) * lengths["tokens"]
    attention = 4 * hidden * lengths["squares"]
    return float(layers * (matrices + attention) / 1e9)


def _results(
    contestants: Sequence[Contestant], lengths: dict[str, int], work: float | None, rates: dict[str, float]
) -> list[Answer]:
    pairs = lengths.get("pairs", 0)
    results = []
    for each in contestants:
        seconds = statistics.median(each.seconds)
        rate = rates.get(each.dtype)
        results.append(
            {
                "name": each.name,
                "dtype": each.dtype,
                "batch": each.batch,
                "ours": each.ours,
                "pairs_per_s": round(pairs / seconds, 2),
                "tokens_per_s": round(lengths.get("tokens", 0) / seconds, 1),
                "seconds": [round(value, 3) for value in each.seconds],
                "share_of_matrix_rate": round(work / seconds / rate, 3) if work and rate else None,
                "padding_share": each.last.get("padding_share"),
                "busy_share": each.last.get("busy_share"),
                "peak_memory_bytes": each.last["peak_memory_bytes"],
                "peak_device_bytes": each.last["peak_device_bytes"],
                "versions": each.last.get("versions"),
            }
        )
    best = max((result["pairs_per_s"] for result in results if not result["ours"]), default=None)
    for result in results:
        result["of_best_peer"] = round(result["pairs_per_s"] / best, 3) if best else None
    return results


def _growth(config: BenchConfig, folder: Path, tell: Tell) -> Iterator[Answer]:
    """`rerank score` as a process of its own on ever more pairs: does the pace hold, does memory stay flat?"""
    model = config.model
    engine, _, dtype = (config.engines or (f"{model.engine}:{model.dtype}",))[0].partition(":")
    for pairs in config.growth:
        tell(f"{pairs:,} pairs")
        source, target = folder / "records.jsonl", folder / "out.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in generated(config.lengths, pairs))
        longest = str(lengths_of(config.lengths, model.max_length))
        command = [sys.executable, "-m", "rerank_cli", "score", str(source), "-o", str(target), "--overwrite", "-q"]
        options = ["--model", model.model, "--engine", engine, "--dtype", dtype or "auto", "--max-length", longest]
        ended = subprocess.run([*command, *options], stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode != 0:
            raise ModelError(f"rerank score ended with {ended.returncode}: {ended.stderr[-300:]}", "Run it by hand.")
        meta = json.loads(target.with_name(target.name + ".meta.json").read_bytes())
        wanted = ("pairs", "pairs_per_s", "tokens_per_s", "wall_s", "padding_share", "busy_share", "peak_memory_bytes")
        yield {**{name: meta[name] for name in wanted}, "engine": meta["engine"], "dtype": meta["dtype"]}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    names = [line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "rerank": __version__,
    }


def _cpu_info() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
