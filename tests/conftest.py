"""Paths that tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Collections and model files that are not part of the project (RERANK_SHARED, or ../shared)."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"the shared collections are not at {SHARED.name}/ beside the checkout (set RERANK_SHARED)")
    return SHARED
