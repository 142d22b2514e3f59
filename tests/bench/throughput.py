"""Throughput from JSONL on disk to JSONL on disk, beside sentence-transformers, in one interleaved run.

    python tests/bench/throughput.py [--records 16] [--rounds 3] [--shared ../shared]

Both sides use the embedded model in float32 on the CPU, loaded once and warmed up; each round runs every contestant on
the same file, in turn, so that a noisy machine is noisy for all. sentence-transformers runs at every batch size of
{4, 8, …, 128}; 32 is its default. The table goes to standard error, the last line of standard output is JSON.
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "sample_data")]

import sentence_transformers
import torch
from generate import generate
from sentence_transformers import CrossEncoder

from rerank_cli.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.run import Run
from rerank_cli.scorers.torch_cross_encoder import TorchCrossEncoder
from rerank_cli.stats import Stats

BATCH_SIZES = (4, 8, 16, 32, 64, 128)
DEFAULT = 32
MINI = ROOT / "rerank_cli/mini"


def scifact(shared: Path, records: int, candidates: int = 20) -> Iterator[dict[str, Any]]:
    """The first queries of scifact with the top of their first stage, in the native shape."""
    with gzip.open(shared / "data/scifact/corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        corpus = {doc["_id"]: f"{doc['title']} {doc['text']}" for doc in map(json.loads, file)}
    queries = {
        q["_id"]: q["text"] for q in map(json.loads, (shared / "data/scifact/queries.jsonl").open(encoding="utf-8"))
    }
    ranked: dict[str, list[str]] = {}
    with gzip.open(shared / "data/scifact/first-stage.run.gz", "rt", encoding="utf-8") as file:
        for qid, _, docid, *_ in map(str.split, file):
            ranked.setdefault(qid, []).append(docid)
    for qid, docids in list(ranked.items())[:records]:
        yield {
            "id": qid,
            "query": queries[qid],
            "candidates": [{"id": d, "text": corpus[d]} for d in docids[:candidates]],
        }


class Ours:
    """`rerank score` in this process, with its model loaded once."""

    def __init__(self, max_length: int, batch_tokens: int | None, window_tokens: int | None) -> None:
        self.model = ModelConfig(model="mini", device="cpu", dtype="fp32", max_length=max_length)
        self.batch = BatchConfig(batch_tokens, window_tokens)
        self.scorer = TorchCrossEncoder(self.model)
        self.padding = 0.0

    def __call__(self, source: Path, target: Path) -> None:
        files = FileConfig(str(target), overwrite=True)
        config = RunConfig(ReadConfig((str(source),)), model=self.model, batch=self.batch, files=files)
        run = Run(config, lambda _sentence: None, Stats(time.monotonic), self.scorer)
        run.execute()
        self.padding = run.stats.total.padding_share


class Theirs:
    """What one writes around sentence-transformers: read, predict, sort, write."""

    def __init__(self, model: CrossEncoder, batch_size: int) -> None:
        self.model, self.batch_size = model, batch_size

    def __call__(self, source: Path, target: Path) -> None:
        records = [json.loads(line) for line in source.open(encoding="utf-8")]
        pairs = [(record["query"], candidate["text"]) for record in records for candidate in record["candidates"]]
        scores = iter(self.model.predict(pairs, batch_size=self.batch_size, show_progress_bar=False).tolist())
        with target.open("w", encoding="utf-8") as file:
            for record in records:
                for candidate in record["candidates"]:
                    candidate["score"] = next(scores)
                record["candidates"].sort(key=lambda candidate: -candidate["score"])
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def measure(
    source: Path, contestants: dict[str, Callable[[Path, Path], None]], rounds: int, pairs: int
) -> dict[str, float]:
    """The median pairs/s of each contestant over interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, contestant in contestants.items():
                started = time.perf_counter()
                contestant(source, Path(folder) / "out.jsonl")
                if number:  # the first round warms up
                    times[name].append(time.perf_counter() - started)
    return {name: round(pairs / statistics.median(seconds), 2) for name, seconds in times.items()}


def compare(name: str, records: list[dict[str, Any]], max_length: int, options: argparse.Namespace) -> dict[str, Any]:
    """One collection: all contestants, and the two ratios that matter."""
    oracle = CrossEncoder(
        str(MINI), max_length=max_length, device="cpu", model_kwargs={"dtype": torch.float32}, local_files_only=True
    )
    ours = {
        f"rerank{'' if budget is None else f' {budget}'}": Ours(max_length, budget, options.window_tokens)
        for budget in options.batch_tokens or [None]
    }
    theirs = {f"sentence-transformers {size}": Theirs(oracle, size) for size in options.batch_sizes}
    pairs = sum(len(record["candidates"]) for record in records)
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
        file.flush()
        speed = measure(Path(file.name), {**ours, **theirs}, options.rounds, pairs)
    first = next(iter(ours))
    best = max(theirs, key=speed.__getitem__)
    result = {
        "collection": name,
        "pairs": pairs,
        "max_length": max_length,
        "pairs_per_s": speed,
        "padding_share": {name: round(each.padding, 4) for name, each in ours.items()},
        "best_peer": best,
        "ratio_to_best": round(speed[first] / speed[best], 3),
    }
    if f"sentence-transformers {DEFAULT}" in speed:
        result["ratio_to_default"] = round(speed[first] / speed[f"sentence-transformers {DEFAULT}"], 3)
    print(f"\n{name}: {pairs} pairs, at most {max_length} tokens", file=sys.stderr)
    for contestant, value in speed.items():
        print(f"  {contestant:<28} {value:>8.2f} pairs/s  {speed[first] / value:>6.2f}×", file=sys.stderr)
    return result


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=16, help="records of 20 candidates")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, nargs="*", help="our budgets (default: the tool's own)")
    parser.add_argument("--window-tokens", type=int)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=BATCH_SIZES)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared")))
    options = parser.parse_args()
    results = [compare("generator", list(generate(options.records, 20, 7)), 512, options)]
    if (options.shared / "data/scifact").is_dir():
        results.append(compare("scifact", list(scifact(options.shared, options.records)), 256, options))
    else:
        print("scifact: skipped, the shared collections are not there (--shared)", file=sys.stderr)
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    versions = {"torch": torch.__version__, "sentence_transformers": sentence_transformers.__version__}
    print(json.dumps({"model": "mini", "dtype": "fp32", "machine": machine, "versions": versions, "results": results}))


if __name__ == "__main__":
    main()
