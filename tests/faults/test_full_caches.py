"""A cache without room: graphs are made elsewhere, and without room anywhere the disk is named, not the model."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.points import Points
from support.running import COMMAND, HANG_S, Finished, environment
from support.tiny import write_reranker

RECORD = {"query": "what is panda?", "candidates": ["hi", "panda is a b c", "what"]}
ENGINES = [("openvino", "fp32"), ("openvino", "int8"), ("onnx", "fp32"), ("onnx", "int8")]
SIZES = ["16k", "60k", "100k", "140k", "200k"]  # of a disk; a graph has 40 to 200 KiB
PACKAGES = {"openvino": "nncf", "onnx": "onnxruntime"}


@dataclass(frozen=True, slots=True)
class Small:
    """A folder with a model and an input, in which commands see a small disk as `small`."""

    folder: Path

    def run(self, size: str, *arguments: str, **variables: str) -> Finished:
        mount = f'mount -t tmpfs -o size={size} small "$0" && exec "$@"'
        before = ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, str(self.folder / "small")]
        done = subprocess.run(
            [*before, *COMMAND, *arguments],
            cwd=self.folder,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HANG_S,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    for name in ("small", "room"):
        (tmp_path / name).mkdir()
    able = os.geteuid() == 0 and shutil.which("unshare") is not None
    trial = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64k small "$0"', str(tmp_path / "small")]
    if not able or subprocess.run(trial, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root and unshare")
    write_reranker(tmp_path / "tiny")
    (tmp_path / "in.jsonl").write_text(json.dumps(RECORD) + "\n")
    return Small(tmp_path)


def scoring(engine: str, dtype: str) -> tuple[str, ...]:
    return ("score", "in.jsonl", "-o", "-", "--model", "tiny", "--engine", engine, "--dtype", dtype, "-q")


@pytest.mark.slow
def test_a_cache_without_room_is_no_reason_to_fail(small: Small, points: Points) -> None:
    cases = [(engine, dtype, size) for size in SIZES for engine, dtype in ENGINES]
    for engine, dtype, size in points.of(cases, sample=2):
        pytest.importorskip(PACKAGES[engine])
        with points.trying("disks: no room for a graph in the cache"):
            places = {"XDG_CACHE_HOME": str(small.folder / "small"), "TMPDIR": str(small.folder / "room")}
            done = small.run(size, *scoring(engine, dtype), **places)
            assert (done.code, done.said) == (0, ""), (engine, dtype, size)
            assert len(done.records[0]["candidates"]) == 3
            assert list((small.folder / "room").iterdir()) == []


@pytest.mark.slow
def test_without_room_anywhere_the_disk_is_named(small: Small, points: Points) -> None:
    cases = [(engine, dtype, size) for size in ("16k", "36k") for engine, dtype in ENGINES]
    for engine, dtype, size in points.of(cases, sample=2):
        pytest.importorskip(PACKAGES[engine])
        with points.trying("disks: no room for a graph anywhere"):
            places = dict.fromkeys(("XDG_CACHE_HOME", "TMPDIR"), str(small.folder / "small"))
            done = small.run(size, *scoring(engine, dtype), **places)
            assert done.code == 6, done
            assert "Traceback" not in done.said
            assert "cannot be turned" not in done.said
            assert "Free some space" in done.said


@pytest.mark.slow
def test_an_export_to_a_full_disk_is_5(small: Small, points: Points) -> None:
    for engine, dtype in points.of(ENGINES, sample=2):
        pytest.importorskip(PACKAGES[engine])
        with points.trying("disks: no room for an exported model"):
            export = ("export", "-o", "small/out", "--model", "tiny", "--format", engine, "--dtype", dtype)
            done = small.run("36k", *export, XDG_CACHE_HOME=str(small.folder / "room"))
            assert done.code == 5, done
            assert "Traceback" not in done.said
            assert "cannot be turned" not in done.said
