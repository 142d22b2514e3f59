"""The process of a contestant: it loads a model once, then scores a file per request.

Requests and answers are JSON lines on standard input and output; output of libraries goes to standard error. Separate
processes have separate thread pools and memory peaks.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from rerank_cli.bench.matrix import Matrix
from rerank_cli.bench.peers import PEERS, PeerModel
from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.scorer import Scorer, VectorScorer
from rerank_cli.core.stats import Stats
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.machine import peak_memory
from rerank_cli.jobs.score import Run
from rerank_cli.models.libraries import silence_libraries

Answer = dict[str, Any]
Task = Callable[[dict[str, Any]], Answer]


class Ours:
    """`rerank score`, with its model loaded once."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = ModelConfig(**model)
        self._scorer: Scorer = open_scorer(self._model)
        self._scorer.load()

    def __call__(self, request: dict[str, Any]) -> Answer:
        """Score a file. The answer has the counters of the run."""
        config = RunConfig(
            read=ReadConfig(inputs=(request["source"],)),
            model=self._model,
            batch=BatchConfig(batch_tokens=request["batch_tokens"]),
            files=FileConfig(output=request["target"], overwrite=True),
        )
        if self._scorer.traits.has_vectors:  # those of an earlier round would make this one look fast
            cast("VectorScorer", self._scorer).forget()
        run = Run(config, lambda _sentence: None, Stats(time.monotonic), self._scorer)
        run.execute()
        document = run.document or {}
        wanted = (
            "padding_share",
            "busy_share",
            "batch_tokens",
            "window_tokens",
            "engine",
            "dtype",
            "threads",
            "versions",
        )
        return {name: document[name] for name in wanted}


class Theirs:
    """The code around a peer: read, score, sort, write."""

    def __init__(self, name: str, model: dict[str, Any]) -> None:
        threads = model.pop("threads")
        peer = PEERS[name]
        import torch

        if threads:
            torch.set_num_threads(threads)
        self._peer = peer.make(PeerModel(**model))
        self._about = {
            "threads": torch.get_num_threads(),
            "versions": {name: version(name) for name in {"torch", "transformers", peer.package.replace("_", "-")}},
        }

    def __call__(self, request: dict[str, Any]) -> Answer:
        """Score a file."""
        records = read_records(request["source"])
        scores = iter(self._peer(pairs_of(records), request["batch_size"]))
        with open(request["target"], "w", encoding="utf-8") as file:
            for record in records:
                ranked = [
                    {**(text if isinstance(text, dict) else {"text": text}), "score": next(scores)}
                    for text in record["candidates"]
                ]
                record["candidates"] = sorted(ranked, key=lambda candidate: -candidate["score"])
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return self._about


def read_records(source: str) -> list[dict[str, Any]]:
    """All records of a file in the native format."""
    return [json.loads(line) for line in Path(source).read_text(encoding="utf-8").splitlines()]


def pairs_of(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The (query, text) pairs of records."""
    return [
        (record["query"], each["text"] if isinstance(each, dict) else each)
        for record in records
        for each in record["candidates"]
    ]


def open_task(request: dict[str, Any]) -> Task:
    """The contestant that the first request names."""
    kind = request.pop("kind")
    if kind == "ours":
        return Ours(request["model"])
    return Matrix(request["device"], request["threads"]) if kind == "matrix" else Theirs(kind, request["model"])


def run_timed(task: Task, request: dict[str, Any]) -> Answer:
    """Run a task and add `seconds` and the memory peaks during it (if the kernel can reset the peak)."""
    torch = sys.modules.get("torch")
    cuda = torch.cuda if torch is not None and torch.cuda.is_available() else None
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if cuda is not None:
        for number in range(cuda.device_count()):
            cuda.reset_peak_memory_stats(number)
    started = time.perf_counter()
    answer = task(request)
    seconds = time.perf_counter() - started
    on_device = 0 if cuda is None else max(map(cuda.max_memory_allocated, range(cuda.device_count())))
    return {**answer, "seconds": seconds, "peak_memory_bytes": peak_memory(), "peak_device_bytes": on_device}


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    silence_libraries(offline=True)
    task: Task | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: Answer
        try:
            if task is None:
                task, answer = open_task(request), {"ready": True}
            else:
                answer = run_timed(task, request)
        except Exception as fault:  # a peer may raise anything; the benchmark continues without it
            answer = {"failed": f"{type(fault).__name__}: {fault}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
