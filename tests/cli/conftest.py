"""What the tests of the command line share."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.running import ROOT, forked, lines

COLLECTION = ROOT / "sample_data" / "collection"
MESSY = ROOT / "sample_data" / "messy.jsonl"


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A file of ten good records."""
    path = tmp_path / "ten.jsonl"
    path.write_bytes(lines(10))
    return path


@pytest.fixture(scope="session")
def make_messy() -> ModuleType:
    """sample_data/make_messy.py as a module."""
    name = "make_messy"
    spec = importlib.util.spec_from_file_location(name, ROOT / "sample_data" / "make_messy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def messy(tmp_path: Path, make_messy: ModuleType) -> Path:
    """The messy lines in a file."""
    path = tmp_path / "messy.jsonl"
    path.write_bytes(b"".join(line.raw + b"\n" for line in make_messy.LINES))
    return path


@pytest.fixture
def ranked(tmp_path: Path) -> Path:
    """The sample collection, ranked by the fake engine."""
    path, run = tmp_path / "ranked.jsonl", COLLECTION / "first-stage.run"
    done = forked("score", COLLECTION, "--run", run, "-o", path, "--engine", "fake", "-q", "--output-format", "native")
    assert done.code == 0, done.said
    return path
