"""The default model on a machine that cannot reach the hub: a clear end within seconds, never another model."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Finished, files_of, rerank

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"
SECONDS = 60  # far more than it takes; a run that waits for a network would hang


@pytest.fixture
def no_hub() -> Iterator[str]:
    """The address of a hub that nobody answers at: the port is taken and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def assert_three_ways_out(done: Finished, folder: Path) -> None:
    assert done.code == 6
    assert DEFAULT_MODEL in done.said
    for way in ("hf download", "--model PATH", "--model mini"):
        assert way in done.said
    assert "Traceback" not in done.said
    assert sorted(files_of(folder)) == ["ten.jsonl"]


def test_6_with_three_ways_out_when_the_hub_cannot_be_reached(ten: Path, tmp_path: Path, no_hub: str) -> None:
    home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": no_hub}
    done = rerank("score", ten, "-o", tmp_path / "out.jsonl", timeout=SECONDS, **home)
    assert_three_ways_out(done, tmp_path)
    assert "cannot be reached" in done.said


@pytest.mark.parametrize("way", ["--offline", "HF_HUB_OFFLINE"])
def test_offline_never_asks_the_hub_and_ends_with_6(ten: Path, tmp_path: Path, way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.setblocking(False)
        home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}"}
        flags = [way, "--resume", "--overwrite"] if way.startswith("--") else []
        variables = {} if flags else {way: "1"}
        done = rerank("score", ten, "-o", tmp_path / "out.jsonl", *flags, timeout=SECONDS, **home, **variables)
        with pytest.raises(BlockingIOError):
            hub.accept()
    assert_three_ways_out(done, tmp_path)
    assert "offline" in done.said


def test_doctor_says_the_same_with_the_same_code(tmp_path: Path) -> None:
    done = rerank("doctor", "--offline", timeout=SECONDS, HF_HOME=str(tmp_path))
    assert done.code == 6
    assert b"--model mini" in done.stdout
    assert os.fsencode(str(tmp_path)) in done.stdout


def test_a_name_that_is_no_hub_id_is_6_without_a_look_at_the_hub(ten: Path, tmp_path: Path) -> None:
    done = rerank(
        "score", ten, "-o", tmp_path / "out.jsonl", "--model", "no-such-model", HF_HOME=str(tmp_path / "home")
    )
    assert done.code == 6
    assert "no-such-model: no such model folder" in done.said
    assert sorted(files_of(tmp_path)) == ["ten.jsonl"]
