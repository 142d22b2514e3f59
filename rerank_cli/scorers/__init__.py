"""One Protocol, many engines: pairs of texts in, raw float32 logits out.

An engine is named in SCORERS and imported only when it is asked for, so that commands which score nothing never pay
for torch. Making an engine is cheap: it finds its model and device and fills `identity`, which is compared before a
run is continued; `load` then pays for the weights.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from rerank_cli.config import ModelConfig
from rerank_cli.errors import ConfigError
from rerank_cli.scorers.hf_files import find_model, refuse_empty
from rerank_cli.scorers.silence import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is

DTYPES = ("auto", "fp32", "fp16", "bf16", "int8")
DEVICES = re.compile(r"auto|cpu|mps|cuda(:[0-9]+)?")
SCORERS = {
    "torch": "rerank_cli.scorers.torch_cross_encoder:TorchCrossEncoder",
    "openvino": "rerank_cli.scorers.openvino_cross_encoder:OpenVinoCrossEncoder",
    "onnx": "rerank_cli.scorers.onnx_cross_encoder:OnnxCrossEncoder",
    "bi-encoder": "rerank_cli.scorers.torch_bi_encoder:TorchBiEncoder",
    "fake": "rerank_cli.scorers.fake:FakeScorer",
}
PROVEN_ON_OPENVINO = ("bert", "xlm-roberta")  # architectures that `auto` takes there: tests compare them with torch
NEEDS = {"openvino": ("openvino",), "onnx": ("onnxruntime",)}  # beyond what rerank itself needs


@dataclass(frozen=True, slots=True)
class Identity:
    """What an engine is and runs on: everything of it that can change a score.

    `device` is the class of hardware ("cpu", or a GPU's name), not which of several it is. `versions` are those of the
    libraries that compute. Hashes are SHA-256 in hex.
    """

    engine: str
    model: str
    revision: str | None
    weights_sha256: str
    tokenizer_sha256: str
    config_sha256: str
    device: str
    dtype: str
    max_length: int
    query_max_length: int
    threads: int
    versions: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """By name, for the journal's fingerprint and the statistics."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Traits:
    """What the planner must know of an engine.

    `multiple`: a batch costs its rows times its longest pair, filled up to a multiple of this (0: the sum of pairs).
    `batch_tokens` and `window_batches` are the defaults for its device: tokens a batch, and batches' worth of tokens a
    window.
    """

    multiple: int
    batch_tokens: int
    window_batches: int


@dataclass(frozen=True, slots=True)
class PreparedPair:
    """A pair ready for the device: its cost in tokens, whether a text was cut, and what the engine made of it.

    A document that is scored in parts gives its first part, with `span` (the characters of the document in it), and the
    others in `more`. `uncut` is the pair's length in tokens before it was cut or divided, 0 for parts after the first;
    None where nothing was.
    """

    cost: int
    truncated: bool
    payload: Any
    span: tuple[int, int] | None = None
    more: tuple["PreparedPair", ...] = ()
    uncut: int | None = None

    @property
    def parts(self) -> "tuple[PreparedPair, ...]":
        """Itself and the others."""
        return (self, *self.more)


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs to be scored together, longest first; `tokens` and `padded` as planned."""

    pairs: tuple[PreparedPair, ...]
    tokens: int
    padded: int


class OutOfMemory(Exception):
    """The device could not hold this batch. Every batch before it has been yielded, none after it."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(f"out of memory with a batch of {len(batch.pairs)} pairs, {batch.padded} tokens")
        self.batch = batch


class Scorer(Protocol):
    """An engine. `prepare` runs in another thread than `score`; neither is called by two threads at once."""

    identity: Identity
    traits: Traits
    notes: list[str]  # for the user, once: what was adjusted and why

    def load(self) -> None:
        """Bring the model to the device and test it with known pairs. Raises ModelError or DeviceError."""

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Tokenize (query, document) pairs on the CPU; one prepared pair each, in the same order."""

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield for each batch, in order, one raw float32 logit per pair.

        May draw a few batches ahead of what it has yielded. Raises OutOfMemory with the batch that did not fit,
        DeviceError for a device that cannot go on and PassingFault for one that went away.
        """

    def close(self) -> None:
        """Free the device."""


def open_scorer(config: ModelConfig) -> Scorer:
    """The engine that `config` asks for, not yet loaded.

    Raises ConfigError for an unknown or absent engine, ModelError when the model cannot be found.
    """
    refuse_empty(config)
    if config.engine not in ("auto", *SCORERS):
        raise ConfigError(f"--engine {config.engine}: unknown", f"Use one of auto, {', '.join(sorted(SCORERS))}.")
    if config.dtype not in DTYPES:
        raise ConfigError(f"--dtype {config.dtype}: unknown", f"Use one of {', '.join(DTYPES)}.")
    if not DEVICES.fullmatch(config.device):
        raise ConfigError(f"--device {config.device}: unknown", "Use auto, cpu, cuda, cuda:1 or mps.")
    silence_libraries(config.offline)
    name = config.engine if config.engine != "auto" else _fitting(config)
    missing = [package for package in NEEDS.get(name, ()) if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"--engine {name}: {', '.join(missing)} is not installed", f"pip install 'rerank-cli[{name}]'"
        )
    module, _, attribute = SCORERS[name].partition(":")
    made: Scorer = getattr(import_module(module), attribute)(config)
    return made


def _fitting(config: ModelConfig) -> str:
    """What `auto` means: the engine a folder was exported for; on CPUs OpenVINO, where it can be used; else torch.

    Raises what finding the model raises.
    """
    if config.model.partition(":")[0] == "fake":
        return "fake"
    folder = find_model(config)
    if folder.graph is not None:
        return folder.graph.format
    if folder.encoding is not None:
        return "bi-encoder"
    here = all(find_spec(package) for package in (*NEEDS["openvino"], "nncf"))
    fits = config.dtype in ("auto", "fp32", "bf16", "int8") and folder.config.get("model_type") in PROVEN_ON_OPENVINO
    if not here or not fits or config.device not in ("auto", "cpu"):
        return "torch"
    if config.dtype == "bf16" and not import_module("rerank_cli.scorers.openvino_cross_encoder").computes_bfloat16():
        return "torch"  # which emulates it
    return "torch" if config.device == "auto" and _has_accelerator() else "openvino"


def _has_accelerator() -> bool:
    """Whether torch would choose another device than the CPU."""
    torch: Any = import_module("torch")
    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())
