"""One contestant of a benchmark, in a process of its own: loads a model once, then scores files when told to.

Requests and answers are JSON lines on standard input and output; what libraries print goes to standard error. A process
each keeps thread pools apart and makes the peak of memory the contestant's own.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from rerank_cli.bench.peers import PEERS, PeerModel
from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.scorer import Scorer
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

    def __call__(self, told: dict[str, Any]) -> Answer:
        """Score a file and answer with what the run counted."""
        config = RunConfig(
            read=ReadConfig(inputs=(told["source"],)),
            model=self._model,
            batch=BatchConfig(batch_tokens=told["batch_tokens"]),
            files=FileConfig(output=told["target"], overwrite=True),
        )
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
    """What one writes around a peer: read, score, sort, write."""

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

    def __call__(self, told: dict[str, Any]) -> Answer:
        """Score a file."""
        records = read_records(told["source"])
        scores = iter(self._peer(pairs_of(records), told["batch_size"]))
        with open(told["target"], "w", encoding="utf-8") as file:
            for record in records:
                ranked = [
                    {**(text if isinstance(text, dict) else {"text": text}), "score": next(scores)}
                    for text in record["candidates"]
                ]
                record["candidates"] = sorted(ranked, key=lambda candidate: -candidate["score"])
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return self._about


class Matrix:
    """The machine's own rate: products of 4096 × 1024 by 1024 × 4096 (on CUDA of 8192 × 8192), random numbers."""

    SHAPES: ClassVar = {"cpu": (4096, 1024, 4096), "cuda": (8192, 8192, 8192)}
    SECONDS = 0.5

    def __init__(self, device: str, threads: int | None) -> None:
        import torch

        self._torch, self._device = torch, device
        if threads:
            torch.set_num_threads(threads)

    def __call__(self, told: dict[str, Any]) -> Answer:
        """Answer with GFLOP/s in `dtype`; None where torch has no such product."""
        torch, (m, k, n) = self._torch, self.SHAPES["cuda" if self._device.startswith("cuda") else "cpu"]
        dtype = import_module("rerank_cli.engines.torch_device").TORCH_DTYPES[told["dtype"]]
        if dtype is torch.int8:
            a, b = (torch.randint(-127, 127, shape, device=self._device, dtype=dtype) for shape in ((m, k), (k, n)))
        else:
            a, b = (torch.randn(shape, device=self._device).to(dtype) for shape in ((m, k), (k, n)))
        multiply = torch._int_mm if dtype is torch.int8 else torch.mm  # noqa: SLF001 - torch names it so
        try:
            multiply(a, b)
        except RuntimeError:
            return {"gflops": None}
        return {"gflops": round(2 * m * k * n / self._time_of(lambda: multiply(a, b)) / 1e9, 1)}

    def _time_of(self, multiply: Callable[[], Any]) -> float:
        """Seconds a product, the best of half a second: a floor is to be one. On CUDA queues of ten are timed."""
        queued = 10 if self._device.startswith("cuda") else 1
        times: list[float] = []
        end = time.perf_counter() + self.SECONDS
        while time.perf_counter() < end or len(times) < 3:
            self._wait()
            started = time.perf_counter()
            for _ in range(queued):
                multiply()
            self._wait()
            times.append((time.perf_counter() - started) / queued)
        return min(times)

    def _wait(self) -> None:
        if self._device.startswith("cuda"):
            self._torch.cuda.synchronize(self._device)
        elif self._device == "mps":
            self._torch.mps.synchronize()


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


def open_task(told: dict[str, Any]) -> Task:
    """The contestant that the first line asks for."""
    kind = told.pop("kind")
    if kind == "ours":
        return Ours(told["model"])
    return Matrix(told["device"], told["threads"]) if kind == "matrix" else Theirs(kind, told["model"])


def run_timed(task: Task, told: dict[str, Any]) -> Answer:
    """Run it and add `seconds` and the peaks of memory meanwhile (where the kernel lets a process forget its peak)."""
    torch = sys.modules.get("torch")
    cuda = torch.cuda if torch is not None and torch.cuda.is_available() else None
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if cuda is not None:
        for number in range(cuda.device_count()):
            cuda.reset_peak_memory_stats(number)
    started = time.perf_counter()
    answer = task(told)
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
        told = json.loads(line)
        answer: Answer
        try:
            if task is None:
                task, answer = open_task(told), {"ready": True}
            else:
                answer = run_timed(task, told)
        except Exception as fault:  # a peer may raise anything; the benchmark goes on without it
            answer = {"failed": f"{type(fault).__name__}: {fault}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
