"""How many threads are worth having: physical cores, since two threads of one core share its multipliers."""

import os
from pathlib import Path

TOPOLOGY = Path("/sys/devices/system/cpu")


def physical_cores(topology: Path = TOPOLOGY) -> int:
    """Physical cores this process may run on; logical ones where the kernel does not tell."""
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
