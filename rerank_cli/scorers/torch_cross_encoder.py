"""Cross-encoders of the sequence-classification family on torch: cpu, cuda, mps.

The body runs in the chosen dtype, the head always in float32: near the top of a list half-precision logits collide.
On CUDA one batch is in flight: while the device computes it, Python builds the next, and logits are fetched one batch
late. Attention is what transformers chooses, SDPA where the architecture has it; rows of equal length get no mask,
which lets SDPA take its fastest kernel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from rerank_cli.config import ModelConfig
from rerank_cli.errors import ConfigError, DeviceError, ModelError, PassingFault, RerankError
from rerank_cli.scorers import Batch, Identity, OutOfMemory, PreparedPair, Traits
from rerank_cli.scorers.hf_files import find_model
from rerank_cli.scorers.hf_model import (
    in_short,
    keep_head_in_float32,
    load_config,
    load_model,
    usable_positions,
)
from rerank_cli.scorers.hf_tokens import PairTokenizer, load_tokenizer
from rerank_cli.scorers.packed_linear import pack_linear_layers
from rerank_cli.scorers.self_test import self_test

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
TRAITS = {
    "cpu": Traits(padded=True, batch_tokens=1024, window_batches=32),
    "cuda": Traits(padded=True, batch_tokens=32768, window_batches=16),
    "mps": Traits(padded=True, batch_tokens=8192, window_batches=16),
}
OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")


def choose_device(wanted: str) -> torch.device:
    """`auto` is the first CUDA device, else MPS, else the CPU. Raises DeviceError for one that is not there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigError(f"--device: unknown device {wanted!r}", "Use auto, cpu, cuda, cuda:1 or mps.") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type):
        raise DeviceError(f"--device {wanted}: not available to torch {torch.__version__}", "Try --device cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {wanted}: there are {torch.cuda.device_count()} CUDA devices", "Try --device cuda:0."
        )
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


@dataclass(slots=True)
class _InFlight:
    """A batch that the device is computing; `logits` lie on the host once `done` has passed."""

    logits: torch.Tensor
    done: "torch.cuda.Event | None"

    def fetch(self) -> list[float]:
        """Wait for the device. Raises PassingFault when it was lost meanwhile."""
        if self.done is not None:
            try:
                self.done.synchronize()
            except RuntimeError as fault:
                raise_if_lost(fault)
                raise
        return list(self.logits.tolist())


def is_out_of_memory(fault: RuntimeError) -> bool:
    """Whether a device ran out of memory; drivers and libraries say so in words, not in types."""
    return isinstance(fault, torch.OutOfMemoryError) or any(words in str(fault) for words in OUT_OF_MEMORY)


def raise_if_lost(fault: RuntimeError) -> None:
    """Raises PassingFault when the device's context is gone and only a new process can go on."""
    if "CUDA error" in str(fault) or isinstance(fault, torch.AcceleratorError):
        reason = str(fault).splitlines()[0]
        raise PassingFault(f"the device was lost: {reason}", "Run the same command with --resume.") from fault


class TorchCrossEncoder:
    """See the module and Scorer."""

    def __init__(self, config: ModelConfig) -> None:
        if config.dtype not in {"auto", *DTYPES}:
            raise ConfigError(
                f"--dtype {config.dtype}: not offered by the torch engine", "Use auto, fp32, fp16 or bf16."
            )
        self.device = choose_device(config.device)
        dtype = config.dtype if config.dtype != "auto" else "fp16" if self.device.type == "cuda" else "fp32"
        self._dtype = DTYPES[dtype]
        self._folder = find_model(config)
        self._config = load_config(self._folder)
        self.notes: list[str] = []
        self.traits = TRAITS[self.device.type]
        max_length, query_max_length = self._lengths(config)
        threads = config.threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        tokenizer = load_tokenizer(self._folder.path, self._config)
        self._tokenizer = PairTokenizer(tokenizer, max_length, query_max_length)
        self._check_vocabulary()
        self._model: Any = None
        self.identity = Identity(
            engine="torch",
            model=self._folder.name,
            revision=self._folder.revision,
            weights_sha256=self._folder.weights_sha256,
            tokenizer_sha256=self._folder.tokenizer_sha256,
            config_sha256=self._folder.config_sha256,
            device=torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type,
            dtype=dtype,
            max_length=max_length,
            query_max_length=query_max_length,
            threads=threads,
            versions={name: version(name) for name in ("torch", "transformers", "tokenizers")},
        )

    def _lengths(self, config: ModelConfig) -> tuple[int, int]:
        """Tokens a pair and tokens a query, lowered to what the model has."""
        usable = usable_positions(self._config.to_dict())
        max_length = min(config.max_length, usable)
        if max_length < config.max_length:
            self.notes.append(
                f"max-length lowered from {config.max_length} to {usable}: the model has no more positions"
            )
        query_max_length = min(config.query_max_length, max_length * 3 // 4)
        if query_max_length < config.query_max_length:
            self.notes.append(f"query-max-length lowered to {query_max_length}: three quarters of max-length")
        return max_length, query_max_length

    def _check_vocabulary(self) -> None:
        rows = int(getattr(self._config, "vocab_size", 0))
        if self._tokenizer.size > rows:
            raise ModelError(
                f"{self._folder.path / 'tokenizer.json'}: {self._tokenizer.size} tokens, the model embeds {rows} "
                "(vocab_size in config.json)",
                "The tokenizer belongs to another model: put the right one beside the weights.",
            )
        padding = self._folder.config.get("pad_token_id")
        if padding is not None and padding != self._tokenizer.pad_id:
            raise ModelError(
                f"{self._folder.path / 'tokenizer.json'}: pads with {self._tokenizer.pad_id}, "
                f"config.json says {padding}",
                "The tokenizer belongs to another model: put the right one beside the weights.",
            )

    def load(self) -> None:
        """Bring the weights to the device, then self-test; once. Raises ModelError or DeviceError."""
        if self._model is not None:
            return
        model = load_model(self._folder, self._config, self._dtype)
        keep_head_in_float32(model, self._folder)
        if self.device.type == "cpu" and self._dtype is torch.float32:
            pack_linear_layers(model.base_model)
        memory = DeviceError(f"{self.identity.device}: no memory for the model", "Use --dtype fp16 or --device cpu.")
        try:
            self._model = model.to(self.device).eval()
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                raise memory from None
            raise
        self._typed = self._tokenizer.template.typed and int(getattr(self._config, "type_vocab_size", 1) or 1) > 1
        try:
            self_test(self)
        except OutOfMemory:
            raise memory from None
        except RerankError:
            raise
        except Exception as fault:  # values that transformers takes, and then cannot compute with
            raise ModelError(
                f"{self._folder.path / 'config.json'}: the model it describes cannot score ({in_short(fault)})",
                "Fetch the file anew.",
            ) from fault

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """See Scorer.prepare."""
        return self._tokenizer.prepare(pairs)

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """See Scorer.score."""
        before: _InFlight | None = None
        for batch in batches:
            current = self._launched(batch)
            if before is not None:
                yield before.fetch()
                before = None
            if current is None:  # here, outside the except block, nothing holds the failed batch's tensors any more
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                raise OutOfMemory(batch)
            if current.done is None:
                yield current.fetch()
            else:
                before = current
        if before is not None:
            yield before.fetch()

    @torch.inference_mode()
    def _launched(self, batch: Batch) -> _InFlight | None:
        """Start a batch; None when the device has no memory for it."""
        try:
            if self.device.type != "cuda":
                return _InFlight(
                    self._model(**self._inputs(batch), return_dict=True).logits.float().flatten().cpu(), None
                )
            with torch.cuda.device(self.device):  # events are recorded on the current device's stream
                logits = self._model(**self._inputs(batch), return_dict=True).logits.float().flatten()
                host = torch.empty(logits.shape, dtype=torch.float32, pin_memory=True)
                host.copy_(logits, non_blocking=True)
                done = torch.cuda.Event()  # type: ignore[no-untyped-call]
                done.record()
            return _InFlight(host, done)
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                return None
            raise_if_lost(fault)
            raise

    def _inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Padded int64 tensors (rows × longest): ids, a mask unless all rows are equally long, token types if any."""
        pairs = [pair.payload for pair in batch.pairs]
        lengths = np.array([len(pair.ids) for pair in pairs])
        longest = int(lengths.max())
        parts = 1 + int(self._typed) + int(lengths.min() < longest)
        packed = np.zeros((parts, len(pairs), longest), dtype=np.int64)
        packed[0] = self._tokenizer.pad_id or 0
        for row, pair in zip(packed[0], pairs, strict=True):
            row[: len(pair.ids)] = np.frombuffer(pair.ids, dtype=np.int32)
        names = ["input_ids"]
        columns = np.arange(longest)
        if self._typed:
            starts = np.array([[pair.document_at] for pair in pairs])
            packed[1] = (columns >= starts) & (columns < lengths[:, None])
            names.append("token_type_ids")
        if lengths.min() < longest:
            packed[-1] = columns < lengths[:, None]
            names.append("attention_mask")
        return dict(zip(names, self._on_device(packed), strict=True))

    def _on_device(self, packed: "np.ndarray[Any, np.dtype[np.int64]]") -> torch.Tensor:
        """One copy to the device for all tensors of a batch."""
        host = torch.from_numpy(packed)
        if self.device.type == "cuda":
            return host.pin_memory().to(self.device, non_blocking=True)
        return host.to(self.device)

    def close(self) -> None:
        """Drop the model."""
        self._model = None
