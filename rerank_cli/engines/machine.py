"""The hardware, the interpreter and the memory of this process."""

import os
import platform
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli import __version__

GPU_DEVICES = ("nvidia*", "nvhost*", "nvmap", "nvgpu", "dxg", "kfd")  # in /dev: NVIDIA, Jetson, WSL, ROCm
CHOOSING = ("avx", "amx", "fma", "f16c", "sse4", "asimd", "sve", "sme", "bf16", "i8mm")
RESTRICTING = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
TOPOLOGY = Path("/sys/devices/system/cpu")


def physical_cores(topology: Path = TOPOLOGY) -> int:
    """The physical cores that this process may use; logical cores if the kernel does not report them.

    More threads do not help, since two threads of a core share its multipliers.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # macOS
        return os.cpu_count() or 1
    siblings = {
        _siblings(topology / f"cpu{number}" / "topology" / "thread_siblings_list", number) for number in allowed
    }
    return len(siblings) or 1


def _siblings(path: Path, number: int) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return str(number)


def python_version() -> str:
    """The name and version of the interpreter."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes."""
    try:  # getrusage would include the peak of the parent process
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_info(path: Path = Path("/proc/cpuinfo")) -> list[str]:
    """The lines of /proc/cpuinfo; empty without such a file."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def has_vnni(architecture: str = platform.machine(), lines: list[str] | None = None) -> bool:
    """Whether the CPU adds products of unsigned and signed bytes exactly; `lines` are those of `cpu_info`.

    x86 without VNNI adds pairs of products in 16 bits, which saturate. Other processors have no such instruction.
    """
    if architecture not in ("x86_64", "AMD64"):
        return True
    return any("vnni" in line for line in (cpu_info() if lines is None else lines) if line.startswith("flags"))


def lacks_bfloat16(lines: list[str] | None = None) -> bool:
    """Whether the CPU is known to have no bfloat16 instructions; False where that cannot be seen.

    `lines` are those of `cpu_info`. Linux names the instructions in `flags` on x86 and in `Features` on ARM.
    """
    known = [line for line in (cpu_info() if lines is None else lines) if line.startswith(("flags", "Features"))]
    return bool(known) and not any("bf16" in line for line in known)


def instructions() -> list[str]:
    """The instructions of the CPU that libraries choose their code by, and the settings that restrict the choice."""
    flags: set[str] = set()
    for line in cpu_info():
        if line.startswith(("flags", "Features")):
            flags.update(line.partition(":")[2].split())
    chosen = sorted(flag for flag in flags if flag.startswith(CHOOSING))
    return [*chosen, *(f"{name}={os.environ[name]}" for name in RESTRICTING if os.environ.get(name))]


def machine() -> dict[str, Any]:
    """The hardware, for measurements."""
    names = [line.partition(":")[2].strip() for line in cpu_info() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "rerank": __version__,
    }


def default_threads() -> int:
    """The physical cores, or fewer if MKL_NUM_THREADS or OMP_NUM_THREADS says so: as torch chooses on Linux."""
    for name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").partition(",")[0].strip()
        if first.isascii() and first.isdigit() and int(first):
            return min(int(first), physical_cores())
    return physical_cores()


def default_device() -> str:
    """The default device of torch: "cuda", else "mps", else "cpu". torch is imported where there may be a GPU."""
    if has_no_gpu():
        return "cpu"
    torch: Any = import_module("torch")
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def likely_device(wanted: str) -> str:
    """What --device will probably be for torch, seen without importing it. Only a load shows whether torch can use it.

    On a Mac with an ARM processor `auto` is "mps"; where files of GPU drivers are it is "cuda".
    """
    if wanted != "auto":
        return wanted
    if sys.platform == "darwin":
        return "mps" if platform.machine() == "arm64" else "cpu"
    return "cpu" if has_no_gpu() else "cuda"


def has_no_gpu(devices: Path = Path("/dev"), system: str = sys.platform) -> bool:
    """Whether this is a Linux without any device of a GPU that torch could use; False where that cannot be seen."""
    return system == "linux" and not any(next(devices.glob(names), None) for names in GPU_DEVICES)


def device_name(device: str) -> str:
    """The name of a GPU."""
    torch: Any = import_module("torch")
    return str(torch.cuda.get_device_name(device))
