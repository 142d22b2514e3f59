"""Measure late interaction at the size of ColBERTv2 (random weights): vectors computed, from memory and from disk.

    python tests/measure/late_interaction.py [DOCUMENTS]

Each query has all documents. Rates are per second of CPU time, since machines are shared. MaxSim is measured in one
thread beside a product of float32 matrices in the same thread.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from rerank_cli.bench.generated import generate_records
from rerank_cli.bench.random_weights import make_random_model
from rerank_cli.core.config import FileConfig, ModelConfig
from rerank_cli.core.scorer import Batch
from rerank_cli.engines.choice import open_scorer
from rerank_cli.jobs.stores import Stores

ROOT = Path(__file__).resolve().parents[2]
QUERIES, TOKENS = 4, 180
SIZE = 1024  # of the matrices, as wide as a layer and its batch


def opened(model: Path, folder: Path) -> tuple[Any, Stores]:
    """The engine as a run with --vectors opens it."""
    scorer: Any = open_scorer(ModelConfig(model=str(model), device="cpu", dtype="fp32", vectors=True, max_length=512))
    scorer.load()
    stores = Stores(FileConfig(vectors=str(folder)), print)
    stores.start(scorer)
    return scorer, stores


def score(scorer: Any, pairs: list[tuple[str, str]]) -> tuple[float, list[float]]:
    """Seconds of CPU, and the scores."""
    prepared = scorer.prepare(pairs)
    batches = (Batch.of(prepared[start : start + 8]) for start in range(0, len(prepared), 8))
    started = time.process_time()
    found = [score for each in scorer.score(batches) for score in each]
    return time.process_time() - started, found


def rate(work: Any, operations: float, seconds: float = 1.0) -> float:
    """GFLOP a second of CPU, in one thread."""
    torch.set_num_threads(1)
    work()
    count, started = 0, time.thread_time()
    while time.thread_time() - started < seconds:
        work()
        count += 1
    return operations * count / (time.thread_time() - started) / 1e9


def main(documents: int) -> None:
    """The table."""
    records = list(generate_records(f"lognormal:{TOKENS}", documents + 20 * QUERIES))
    texts = [each["text"] for record in records for each in record["candidates"]][:documents]
    pairs = [(record["query"], text) for record in records[-QUERIES:] for text in texts]
    with tempfile.TemporaryDirectory() as temporary:
        model, folder = Path(temporary) / "model", Path(temporary) / "vectors"
        make_random_model("colbert", ROOT / "rerank_cli" / "models" / "mini", model)
        results = []
        for name in ("computed", "from memory", "from disk"):
            if name != "from memory":
                scorer, stores = opened(model, folder)
                score(scorer, [(pairs[0][0], "a text to warm up")])
            seconds, found = score(scorer, pairs)
            results.append(found)
            rates = f"{documents / seconds:>9.1f} documents/s {len(pairs) / seconds:>9.1f} pairs/s"
            print(f"{name:<12} {seconds:8.2f} s {rates}", flush=True)
            if name == "from memory":
                print(f"{'':12} {stores.figures()}, {scorer.loaded.encoder.encoded} rows computed")
                stores.finish()
        assert results[0] == results[1] == results[2]
        sizes = [size for _, size in map(scorer.document, scorer.prepare(pairs[:documents]))]
        print(f"{sum(sizes) / len(sizes):,.0f} bytes a document")
    query, document = torch.randn(32, 128), torch.randn(180, 128)
    square = torch.randn(SIZE, SIZE)
    similar = rate(lambda: (query @ document.T).max(dim=1).values.sum(), 2 * 32 * 180 * 128)
    whole = rate(lambda: square @ square, 2 * SIZE**3)
    print(
        f"MaxSim 32 × 180 × 128: {similar:.0f} GFLOP/s, {1e3 * similar / (2 * 32 * 180 * 128 / 1e6):,.0f} documents/s"
    )
    print(f"matrices: {whole:.0f} GFLOP/s, so MaxSim is {similar / whole:.0%} of that")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
