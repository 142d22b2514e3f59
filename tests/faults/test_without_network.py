"""No network: nothing is contacted that need not be, and the default model ends clearly and soon, never as another one.

System calls are watched in a network of no devices: the libraries under us are not all Python.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inside import rerank_inside
from points import Points
from running import COMMAND, Finished, environment, files_of, lines, rerank
from tiny import edit_json, write_reranker
from tracing import needs_strace

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"
SECONDS = 60  # far more than it takes; a run that waits for a network would hang


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A file of ten good records."""
    path = tmp_path / "ten.jsonl"
    path.write_bytes(lines(10))
    return path


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


def test_a_name_that_is_no_hub_id_is_6_without_a_look_at_the_hub(ten: Path, tmp_path: Path, points: Points) -> None:
    names = ["no-such-model", "./someone/model", "/someone/model", "~/no such/model", "a/b/c", "a//b", "..", "a/..", ""]
    names += [
        "../a/b",
        "someone/",
        "/",
        "someone/model\n",
        "someone/mod el",
        "http://x/y",
        "someone\\model",
        "é/è",
        "-/-",
    ]
    for name in points.of(names, sample=6):
        with points.trying("network: names that are none of the hub's"):
            done = rerank_inside("score", ten, "-o", tmp_path / "out.jsonl", f"--model={name}")
            assert done.code == 6, (name, done)
            assert "Traceback" not in done.said
            assert done.events == []
            assert sorted(files_of(tmp_path)) == ["ten.jsonl"]


def hostile_model(folder: Path) -> Path:
    """One that would have code fetched, in two ways."""
    write_reranker(folder)
    edit_json(folder / "config.json", _attn_implementation="attacker/kernel")
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["attacker/x--evil.Evil", None]})
    return folder


@needs_strace
def test_no_socket_is_opened_where_nothing_is_to_be_fetched(ten: Path, tmp_path: Path, points: Points) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("a network of no devices needs unshare and its rights")
    hostile = hostile_model(tmp_path / "hostile")
    score = ("score", ten, "--overwrite", "-q", "-o")
    runs: list[tuple[int, tuple[Any, ...]]] = [
        (0, (*score, "out.jsonl", "--model", "mini", "--offline")),
        (0, (*score, "out.jsonl", "--engine", "fake", "--top-k", "1")),
        (0, ("check", ten)),
        (0, ("--help",)),
        (0, ("doctor", "--model", "mini")),
        (6, (*score, "out.jsonl", "--model", hostile)),
        (0, (*score, "-", "--model", "mini")),
    ]
    for code, arguments in points.of(runs, sample=2):
        with points.trying("network: system calls where nothing is to be fetched"):
            log = tmp_path / "log"
            strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", "trace=%network"]
            done = subprocess.run(
                ["unshare", "-n", *strace, *COMMAND, *map(str, arguments)],
                cwd=tmp_path,
                env=environment(HF_HOME=str(tmp_path / "home")),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
            assert done.returncode == code, done.stderr
            assert "AF_INET" not in log.read_text()
