"""Measure the score cache on disk: entries written and read per second, and bytes an entry.

    python tests/measure/score_store.py 1000000 10000000

Keys are random, as hashes are. Rates are per second of CPU time and of wall time; the last read is of 200,000 keys.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

from rerank_cli.files.score_store import ScoreStore
from rerank_cli.jobs.cached_scorer import KEPT

MADE_BY = {"model": "measured"}
READ = 200_000
AT_ONCE = 300  # keys looked up together, as a call of prepare does


def keys(start: int, end: int) -> Iterator[bytes]:
    """Keys by their numbers."""
    for number in range(start, end):
        yield hashlib.blake2b(number.to_bytes(8, "little"), digest_size=16).digest()


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds of CPU and of wall time."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def write(folder: Path, first: int, end: int) -> None:
    """Add entries by their numbers."""
    store = ScoreStore(folder, "measure")
    model, _ = store.begin(MADE_BY, "measured", 0)
    for start in range(first, end, KEPT):
        store.add(model, [(key, 0.5) for key in keys(start, min(start + KEPT, end))])
    store.close()


def read(folder: Path, wanted: list[bytes]) -> None:
    """Find entries."""
    store = ScoreStore(folder, "measure")
    _, seen = store.begin(MADE_BY, "measured", 0)
    groups = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    found = sum(len(store.find(group, seen.number)[0]) for group in groups)
    assert found == len(wanted)
    store.close()


def measure(folder: Path, sizes: list[int]) -> None:
    """Grow one store to each of the sizes, and read from it."""
    for first, size in pairwise([0, *sizes]):
        cpu, wall = timed(partial(write, folder, first, size))
        wanted = [next(keys(place, place + 1)) for place in range(0, size, max(1, size // READ))]
        read_cpu, read_wall = timed(partial(read, folder, wanted))
        bytes_each = (folder / ScoreStore.name).stat().st_size / size
        print(
            f"{size:>12,} entries  {bytes_each:5.1f} B each  "
            f"written {(size - first) / cpu:>9,.0f}/s of CPU, {(size - first) / wall:>9,.0f}/s  "
            f"read {len(wanted) / read_cpu:>9,.0f}/s of CPU, {len(wanted) / read_wall:>9,.0f}/s",
            flush=True,
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), [int(size) for size in sys.argv[1:]] or [1_000_000])
