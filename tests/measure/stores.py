"""Measure the stores that runs share: entries written and read per second, and bytes an entry.

    python tests/measure/stores.py scores 1000000 10000000
    python tests/measure/stores.py vectors 20000

Keys are random, as hashes are. Vectors are those of a document of 137 tokens in 128 dimensions. Rates are per second of
CPU time and of wall time; the last read is of 200,000 keys at most. `mapped` reads the same places of the same files
through mmap, with the same checksums.
"""

import hashlib
import mmap
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

from rerank_cli.files.number_files import files_in
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.files.vector_store import VectorStore
from rerank_cli.jobs.store_use import WAITING

MADE_BY = {"model": "measured"}
READ = 200_000
AT_ONCE = 300  # keys looked up together, as a call of prepare does
BLOCK = random.Random(1).randbytes(137 * 128 * 2)
KINDS: dict[str, tuple[Any, Any, int]] = {  # the store, a value, and how many are written together
    "scores": (ScoreStore, 0.5, WAITING["scores"]),
    "vectors": (VectorStore, BLOCK, WAITING["vectors"] // len(BLOCK)),
}


def keys(start: int, end: int) -> Iterator[bytes]:
    """Keys by their numbers."""
    for number in range(start, end):
        yield hashlib.blake2b(number.to_bytes(8, "little"), digest_size=16).digest()


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds of CPU and of wall time."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def write(kind: str, folder: Path, first: int, end: int) -> None:
    """Add entries by their numbers."""
    make, value, together = KINDS[kind]
    store = make(folder, "measure")
    model, _ = store.begin(MADE_BY, "measured", 0)
    for start in range(first, end, together):
        store.add(model, [(key, value) for key in keys(start, min(start + together, end))])
    store.close()


def read(kind: str, folder: Path, wanted: list[bytes]) -> None:
    """Find entries."""
    store = KINDS[kind][0](folder, "measure")
    _, seen = store.begin(MADE_BY, "measured", 0)
    groups = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    found = sum(len(store.find(group, seen.number)[0]) for group in groups)
    assert found == len(wanted)
    store.close()


def read_mapped(folder: Path, wanted: list[bytes]) -> None:
    """Find vectors through mmap."""
    (path,) = files_in(folder)
    with sqlite3.connect(folder / VectorStore.name) as index, path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for start in range(0, len(wanted), AT_ONCE):
            group = wanted[start : start + AT_ONCE]
            marks = ",".join("?" * len(group))
            rows = index.execute(f"SELECT place, size, key FROM vectors WHERE key IN ({marks}) ORDER BY place", group)
            assert sum(crc32(mapped[place : place + size], crc32(key)) >= 0 for place, size, key in rows) == len(group)


def measure(kind: str, folder: Path, sizes: list[int]) -> None:
    """Grow one store to each of the sizes, and read from it."""
    for first, size in pairwise([0, *sizes]):
        cpu, wall = timed(partial(write, kind, folder, first, size))
        wanted = [next(keys(place, place + 1)) for place in range(0, size, max(1, size // READ))]
        random.Random(2).shuffle(wanted)
        reads = {"read": timed(partial(read, kind, folder, wanted))}
        if kind == "vectors":
            reads["mapped"] = timed(partial(read_mapped, folder, wanted))
            reads["read again"] = timed(partial(read, kind, folder, wanted))
        index = (folder / KINDS[kind][0].name).stat().st_size / size
        rates = {"written": (size - first, cpu, wall)}
        rates |= {name: (len(wanted), *seconds) for name, seconds in reads.items()}
        said = (f"{name} {n / cpu:,.0f}/s of CPU, {n / wall:,.0f}/s" for name, (n, cpu, wall) in rates.items())
        print(f"{size:>12,} entries  {index:5.1f} B each in SQLite  " + "  ".join(said), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure(sys.argv[1], Path(folder), [int(size) for size in sys.argv[2:]])
