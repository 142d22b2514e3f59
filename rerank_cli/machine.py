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
