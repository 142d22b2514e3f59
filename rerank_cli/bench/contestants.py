"""Who takes part in a benchmark: every engine of ours and every peer that is installed, each in its own process."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rerank_cli.bench.config import BenchConfig
from rerank_cli.bench.peers import PEERS, installed_peers
from rerank_cli.core.protocols import Report
from rerank_cli.engines.machine import default_device
from rerank_cli.engines.registry import ENGINES, not_installed

RUN_MODULE = (  # as `python -m`, but never a module of the user's working folder
    f"import runpy, sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); sys.argv[:] = sys.argv[1:]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
PYTHON = (sys.executable, "-P", "-c", RUN_MODULE)
Answer = dict[str, Any]


@dataclass(slots=True)
class Contestant:
    """A process and one way to run it. `told` goes with each request; `seconds` and `last` come back."""

    name: str
    dtype: str
    batch: str
    worker: "Worker"
    told: dict[str, Any]
    ours: bool
    seconds: list[float] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)  # those of the warm-up
    last: Answer = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {self.batch}"


class Worker:
    """A contestant's process, alive until closed."""

    def __init__(self, told: dict[str, Any], environment: Mapping[str, str] | None = None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [*PYTHON, "rerank_cli.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=environment,
        )
        self.failed: str | None = self.ask(told).get("failed")

    def ask(self, told: dict[str, Any]) -> Answer:
        """Send a request and wait for its answer; a process that died answers with `failed`."""
        if self._process.stdin is None or self._process.stdout is None:
            return {"failed": "no pipe to the process"}
        try:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line.endswith("\n"):
            return {"failed": f"the process ended with {self._process.wait()}: {self._last_words()}"}
        answer: Answer = json.loads(line)
        return answer

    def _last_words(self) -> str:
        """The last line that the process wrote to its standard error."""
        self._said.seek(0)
        return (self._said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1][:300]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._said.close()


def device_of(config: BenchConfig) -> str:
    """Where all contestants compute: "cpu" or "cuda…"."""
    if config.model.device != "auto":
        return config.model.device
    return "cuda" if default_device() == "cuda" else "cpu"


@contextmanager
def contestants_of(config: BenchConfig, report: Report) -> Iterator[tuple[list[Contestant], dict[str, str]]]:
    """Every way that can be run here, loaded; and the others, with the reason. Ends all processes on leaving."""
    workers: list[Worker] = []
    absent: dict[str, str] = {}
    found: list[Contestant] = []

    def loaded(name: str, told: dict[str, Any]) -> Worker | None:
        report(f"loading {name}")
        worker = Worker(told, config.environment)
        if worker.failed:
            absent[name] = worker.failed
            worker.close()
            return None
        workers.append(worker)
        return worker

    try:
        for engine, dtype in _engines(config):
            model = asdict(replace(config.model, engine=engine, dtype=dtype, device=device_of(config)))
            worker = loaded(f"rerank {engine} {dtype}", {"kind": "ours", "model": model})
            if worker is None:
                continue
            for budget in config.batch_tokens:
                batch = f"{budget} tokens" if budget else "auto"
                found.append(Contestant(f"rerank {engine}", dtype, batch, worker, {"batch_tokens": budget}, ours=True))
        dtype = "fp32" if device_of(config) == "cpu" else "fp16"
        told = {
            "folder": config.model.model,
            "device": device_of(config),
            "dtype": dtype,
            "max_length": config.model.max_length,
            "threads": config.model.threads,
        }
        for name in config.peers:
            if not installed_peers()[name]:
                absent[name] = "not installed"
                continue
            worker = loaded(name, {"kind": name, "model": told})
            if worker is None:
                continue
            for size in config.batch_sizes or PEERS[name].batch_sizes:
                batch = f"{size} pairs" if size else "its default"
                found.append(Contestant(name, dtype, batch, worker, {"batch_size": size}, ours=False))
        yield found, absent
    finally:
        for worker in workers:
            worker.close()


class Matrix:
    """The machine's own matrix rate, measured by a process of its own; `rates`: median GFLOP/s by dtype."""

    def __init__(self, config: BenchConfig) -> None:
        self._config = config
        self._found: dict[str, list[float]] = {}

    def __enter__(self) -> "Matrix":
        told = {"kind": "matrix", "device": device_of(self._config), "threads": self._config.model.threads}
        self._worker = Worker(told)
        return self

    def __exit__(self, *_fault: object) -> None:
        self._worker.close()

    def measure(self, dtype: str) -> None:
        """Once more; nothing where torch has no such product."""
        if (rate := self._worker.ask({"dtype": dtype}).get("gflops")) is not None:
            self._found.setdefault(dtype, []).append(rate)

    @property
    def rates(self) -> dict[str, float]:
        """The median of the rates measured so far, by dtype."""
        return {dtype: statistics.median(found) for dtype, found in self._found.items()}


def _engines(config: BenchConfig) -> Iterator[tuple[str, str]]:
    if config.engines:
        for each in config.engines:
            engine, _, dtype = each.partition(":")
            yield engine, dtype or "auto"
        return
    device = "cpu" if device_of(config) == "cpu" else "cuda"
    for name, row in ENGINES.items():
        if not not_installed(row.export_packages):
            yield from ((name, dtype) for dtype in row.benchmarked.get(device, ()))


def run_once(contestant: Contestant, source: str, target: str, absent: dict[str, str]) -> None:
    """Score a file and note the seconds; one that fails is out, with the reason in `absent`."""
    if str(contestant) in absent:
        return
    answer = contestant.worker.ask({**contestant.told, "source": source, "target": target})
    if "failed" in answer:
        absent[str(contestant)] = answer["failed"]
        return
    contestant.last = answer
    if contestant.ours:  # where "auto" was asked for, what it came to
        contestant.name, contestant.dtype = f"rerank {answer['engine']}", answer["dtype"]
    contestant.seconds.append(answer["seconds"])
