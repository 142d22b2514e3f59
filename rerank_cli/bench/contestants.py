"""The contestants of a benchmark: every installed engine and peer, each in its own process."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rerank_cli.bench.config import BenchConfig
from rerank_cli.bench.peers import PEERS, installed_peers
from rerank_cli.core.protocols import Report
from rerank_cli.engines.choice import ENGINE_OF_KIND, KINDS
from rerank_cli.engines.machine import default_device, lacks_bfloat16
from rerank_cli.engines.registry import ENGINES, not_installed
from rerank_cli.models.declared import CROSS_ENCODER, MODULES
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder

RUN_MODULE = (  # like `python -m`, but never a module in the current folder
    f"import runpy, sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); sys.argv[:] = sys.argv[1:]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
MODULAR_PEER = "sentence-transformers"  # the one that reads modules.json
PYTHON = (sys.executable, "-P", "-c", RUN_MODULE)
Answer = dict[str, Any]


@dataclass(slots=True)
class Contestant:
    """A process and one way to run it. `arguments` are sent with each request; `seconds` and `last` are results."""

    name: str
    dtype: str
    batch: str
    worker: "Worker"
    arguments: dict[str, Any]
    ours: bool
    seconds: list[float] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)  # those of the warm-up
    last: Answer = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(each for each in (self.name, self.dtype, self.batch) if each != "auto")


class Worker:
    """The process of a contestant, running until closed."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [*PYTHON, "rerank_cli.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self.failed: str | None = self.ask(request).get("failed")

    def ask(self, request: dict[str, Any]) -> Answer:
        """Send a request and wait for the answer. The answer of a process that ended has the key `failed`."""
        if self._process.stdin is None or self._process.stdout is None:
            return {"failed": "no pipe to the process"}
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line.endswith("\n"):
            return {"failed": f"the process ended with {self._process.wait()}: {self._last_words()}"}
        answer: Answer = json.loads(line)
        return answer

    def _last_words(self) -> str:
        """The last line of the process's standard error."""
        self._said.seek(0)
        return (self._said.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1][:300]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._said.close()


def device_of(config: BenchConfig) -> str:
    """The device of all contestants: "cpu" or "cuda…"."""
    if config.model.device != "auto":
        return config.model.device
    return "cuda" if default_device() == "cuda" else "cpu"


@contextmanager
def contestants_of(config: BenchConfig, report: Report) -> Iterator[tuple[list[Contestant], dict[str, str]]]:
    """The loaded contestants, and the reasons of those that cannot run here. Ends all processes at the end."""
    workers: list[Worker] = []
    absent: dict[str, str] = {}
    found: list[Contestant] = []

    def loaded(name: str, request: dict[str, Any]) -> Worker | None:
        report(f"loading {name}")
        worker = Worker(request)
        if worker.failed:
            absent[name] = worker.failed
            worker.close()
            return None
        workers.append(worker)
        return worker

    try:
        for engine, dtype in _engines(config):
            if why := _why_not(config, engine, dtype):
                absent[f"rerank {engine} {dtype}"] = why
                continue
            model = asdict(replace(config.model, engine=engine, dtype=dtype, device=device_of(config)))
            worker = loaded(f"rerank {engine} {dtype}", {"kind": "ours", "model": model})
            if worker is None:
                continue
            for budget in config.batch_tokens:
                batch = f"{budget} tokens" if budget else "auto"
                found.append(Contestant(f"rerank {engine}", dtype, batch, worker, {"batch_tokens": budget}, ours=True))
        dtype = "fp32" if device_of(config) == "cpu" else "fp16"
        folder = find_model(config.model)
        request = {
            "folder": config.model.model,
            "device": device_of(config),
            "dtype": dtype,
            "max_length": config.model.max_length,
            "threads": config.model.threads,
        }
        for name in config.peers:
            if why := _why_no_peer(name, folder):
                absent[name] = why
                continue
            worker = loaded(name, {"kind": name, "model": request})
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
    """The matrix rates of the machine in GFLOP/s, measured in a separate process."""

    def __init__(self, config: BenchConfig) -> None:
        self._config = config
        self._found: dict[str, dict[str, list[float]]] = {}  # by dtype and library

    def __enter__(self) -> "Matrix":
        request = {"kind": "matrix", "device": device_of(self._config), "threads": self._config.model.threads}
        self._worker = Worker(request)
        return self

    def __exit__(self, *_fault: object) -> None:
        self._worker.close()

    def measure(self, dtype: str) -> None:
        """Measure all libraries once more; does nothing if none has a product in `dtype`."""
        for library, rate in self._worker.ask({"dtype": dtype}).get("gflops", {}).items():
            self._found.setdefault(dtype, {}).setdefault(library, []).append(rate)

    @property
    def by_library(self) -> dict[str, dict[str, float]]:
        """The medians of the rates measured so far, by dtype and library."""
        return {
            dtype: {library: statistics.median(rates) for library, rates in found.items()}
            for dtype, found in self._found.items()
        }

    @property
    def rates(self) -> dict[str, float]:
        """The rate of the fastest library, by dtype."""
        return {dtype: max(found.values()) for dtype, found in self.by_library.items()}


def _engines(config: BenchConfig) -> Iterator[tuple[str, str]]:
    if config.engines:
        for each in config.engines:
            engine, _, dtype = each.partition(":")
            yield engine, dtype or "auto"
        return
    device = "cpu" if device_of(config) == "cpu" else "cuda"
    only = ENGINE_OF_KIND.get(find_model(config.model).kind)
    for name, row in ENGINES.items():
        if not not_installed(row.export_packages) and (name == only[0] if only else name not in KINDS):
            yield from ((name, dtype) for dtype in row.benchmarked.get(device, ()))


def _why_not(config: BenchConfig, engine: str, dtype: str) -> str:
    """Why an engine is not measured unless it is named; "" if it is."""
    if config.engines or dtype != "bf16" or device_of(config) != "cpu" or not lacks_bfloat16():
        return ""
    named = f" --engines {engine}:bf16 measures the emulation." if engine == "torch" else ""
    return f"this CPU has no bfloat16 instructions.{named}"


def _why_no_peer(name: str, folder: ModelFolder) -> str:
    """Why a peer is not measured: it is not installed, or would compute something else; "" if it is."""
    if not installed_peers()[name]:
        return "not installed"
    if folder.kind == CROSS_ENCODER and (folder.head is None or name == MODULAR_PEER):
        return ""
    if folder.late is not None and name == MODULAR_PEER and (folder.path / MODULES).is_file():
        return ""
    if folder.question is None or name != MODULAR_PEER:
        return f"does not compute the scores of a {folder.kind}"
    if folder.question.instruction is not None:
        return "is not given the --instruction"
    return "" if (folder.path / "chat_template.jinja").is_file() else "the model's folder has no chat template for it"


def run_once(contestant: Contestant, source: str, target: str, absent: dict[str, str]) -> None:
    """Score a file and store the seconds. A contestant that fails is excluded, with the reason in `absent`."""
    if str(contestant) in absent:
        return
    answer = contestant.worker.ask({**contestant.arguments, "source": source, "target": target})
    if "failed" in answer:
        absent[str(contestant)] = answer["failed"]
        return
    contestant.last = answer
    if contestant.ours:  # resolves "auto"
        contestant.name, contestant.dtype = f"rerank {answer['engine']}", answer["dtype"]
    contestant.seconds.append(answer["seconds"])
