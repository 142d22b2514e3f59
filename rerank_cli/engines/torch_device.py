"""The device of torch: its choice, its defaults, and its failures."""

import torch

from rerank_cli.core.errors import ConfigError, DeviceError, PassingFault
from rerank_cli.engines.machine import default_device

TORCH_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.int8}
OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")


def choose_device(wanted: str) -> torch.device:
    """Resolve --device:

    `auto` is the first CUDA device, else MPS, else the CPU. Raises DeviceError for a missing one.
    """
    if wanted == "auto":
        wanted = default_device()
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


def is_out_of_memory(fault: RuntimeError) -> bool:
    """Whether a device ran out of memory; drivers and libraries report it only in the message."""
    return isinstance(fault, torch.OutOfMemoryError) or any(words in str(fault) for words in OUT_OF_MEMORY)


def raise_if_lost(fault: RuntimeError) -> None:
    """Raises PassingFault when the context of the device was lost, so that only a new process can continue."""
    if "CUDA error" in str(fault) or isinstance(fault, torch.AcceleratorError):
        reason = str(fault).splitlines()[0]
        raise PassingFault(f"the device was lost: {reason}", "Run the same command with --resume.") from fault
