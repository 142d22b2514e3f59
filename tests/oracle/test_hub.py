"""Models of the hub: from its cache without the network, and what its refusals become. The hub is on the loopback."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

NAME = "someone/reranker"
REVISION = "0123456789abcdef0123456789abcdef01234567"
FIND = """
import json, sys
from rerank_cli.config import ModelConfig
from rerank_cli.errors import RerankError
from rerank_cli.scorers.hf_files import find_model
try:
    found = find_model(ModelConfig(model=sys.argv[1], offline=sys.argv[2] == "offline"))
    print(json.dumps({"revision": found.revision, "path": str(found.path)}))
except RerankError as fault:
    print(json.dumps({"status": fault.status, "message": fault.message, "advice": fault.advice}))
"""


def find(root: Path, home: Path, *, offline: bool = False, endpoint: str = "http://127.0.0.1:9") -> dict[str, object]:
    """What `find_model` says, in a process of its own: the hub's library reads its settings when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {**kept, "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", FIND, NAME, "offline" if offline else "online"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, object] = json.loads(ended.stdout)
    return found


@pytest.fixture
def cache(root: Path, tmp_path: Path) -> Path:
    """A hub cache as a download of just the files we need leaves it."""
    repository = tmp_path / "hub" / "models--someone--reranker"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    snapshot = repository / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(root / "rerank_cli/mini" / name, snapshot / name)
    return tmp_path


@contextmanager
def hub(status: int, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A hub that answers every request alike: its address, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()


@pytest.mark.parametrize("offline", [True, False])
def test_cached_model_is_found_without_asking_the_hub(root: Path, cache: Path, offline: bool) -> None:
    with hub(500, {}) as (endpoint, asked):
        found = find(root, cache, offline=offline, endpoint=endpoint)
    assert found.get("revision") == REVISION, found
    assert asked == []


def test_cache_that_lacks_the_weights_is_not_taken_for_the_model(root: Path, cache: Path) -> None:
    next(iter(cache.rglob("model.safetensors"))).unlink()
    found = find(root, cache, offline=True)
    assert found["status"] == 6
    assert "not in the hub cache, and we are offline" in str(found["message"])


@pytest.mark.parametrize("status", [429, 503])
def test_busy_hub_is_asked_again_and_then_is_a_passing_fault(root: Path, tmp_path: Path, status: int) -> None:
    with hub(status, {"Retry-After": "0"}) as (endpoint, asked):
        found = find(root, tmp_path, endpoint=endpoint)
    assert found["status"] == 75, found
    assert f"the hub answers {status}" in str(found["message"])
    assert "Three ways out" in str(found["advice"])
    assert len(asked) >= 3


def test_unknown_model_is_named_with_the_three_ways_out(root: Path, tmp_path: Path) -> None:
    with hub(404, {"X-Error-Code": "RepoNotFound"}) as (endpoint, _):
        found = find(root, tmp_path, endpoint=endpoint)
    assert found["status"] == 6, found
    assert "has no such model" in str(found["message"])
    assert "Three ways out" in str(found["advice"])


def test_unreachable_hub_is_named_with_the_three_ways_out(root: Path, tmp_path: Path) -> None:
    found = find(root, tmp_path)
    assert found["status"] == 6, found
    assert "cannot be reached" in str(found["message"])
    for way in ("hf download someone/reranker", "--model PATH", "--model mini"):
        assert way in str(found["advice"])


def test_only_the_model_is_asked_for(root: Path, tmp_path: Path) -> None:
    with hub(404, {"X-Error-Code": "RepoNotFound"}) as (endpoint, asked):
        find(root, tmp_path, endpoint=endpoint)
    assert asked
    assert all(path.startswith("/api/models/someone/reranker") for path in asked), asked
