"""What this process runs on and has used, for the statistics."""

import platform
import resource
import sys
from pathlib import Path


def python_version() -> str:
    """This interpreter, for the statistics."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes."""
    try:  # getrusage would begin with the peak of the process that started us
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_info(path: Path = Path("/proc/cpuinfo")) -> list[str]:
    """The lines of /proc/cpuinfo; none where a system has no such file."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def has_vnni(architecture: str = platform.machine(), lines: list[str] | None = None) -> bool:
    """Whether the CPU adds products of unsigned and signed bytes exactly; `lines` are those of cpu_info.

    x86 without VNNI adds pairs of them in sixteen bits, which saturate. Other processors have no such instruction.
    """
    if architecture not in ("x86_64", "AMD64"):
        return True
    return any("vnni" in line for line in (cpu_info() if lines is None else lines) if line.startswith("flags"))
