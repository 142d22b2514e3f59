"""What the fault sweeps share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """An empty folder in memory, where there is such a thing: waiting for the disk is most of a small run's time."""
    with tempfile.TemporaryDirectory(prefix="rerank-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
