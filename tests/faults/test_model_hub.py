"""The model hub as it should not be: busy, forbidding, silent, cut off, wrong. We end in time, with ways out.

The hub is on the loopback. Whatever it did, nothing half or wrong is taken for the model at the next start, and once it
is well again the model is fetched.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.loopback import (
    INFO,
    REVISION,
    TREE,
    Fault,
    Hub,
    cut,
    garbage,
    hang_up,
    hub_of,
    redirect,
    shorter,
    silence,
    stall,
    status,
    wrong,
)
from support.points import Points
from support.running import HANG_S, environment, files_of, lines, rerank
from support.tiny import write_reranker

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
WAYS_OUT = ("hf download someone/", "--model PATH", "--model mini")
BUSY = {"X_Error_Message": "busy"}
FIND = """
import json, os, signal, sys
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import RerankError
from rerank_cli.models.find import find_model
from rerank_cli.models.libraries import silence_libraries
silence_libraries(False)
from huggingface_hub import errors, snapshot_download
def find(options):
    try:
        return {"path": str(find_model(ModelConfig(**options)).path)}
    except RerankError as fault:
        return {"status": fault.status, "message": fault.message, "advice": fault.advice}
def begun(options):
    ours, theirs = os.pipe()
    if os.fork() == 0:
        signal.alarm(int(sys.argv[1]))
        os.write(theirs, json.dumps(find(options)).encode())
        os._exit(0)
    os.close(theirs)
    return open(ours)
for line in sys.stdin:
    ends = [begun(options) for options in json.loads(line)]
    print(json.dumps([json.loads(end.read() or '{"status": "never ends"}') for end in ends]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Client:
    """Looks for models at a hub, several at once, each in a process of its own; its cache is `home`."""

    hub: Hub
    home: Path

    def find(self, *phases: tuple[list[str], bool], hasty: bool = False) -> list[list[dict[str, Any]]]:
        """What `find_model` says of names, phase by phase; True: offline. `hasty` is soon tired of silence."""
        lines = [json.dumps([{"model": name, "offline": offline} for name in names]) for names, offline in phases]
        variables = {"HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.url}
        if hasty:
            variables |= {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
        done = subprocess.run(
            [sys.executable, "-c", FIND, str(int(HANG_S))],
            input="".join(line + "\n" for line in lines),
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def one(self, name: str, offline: bool = False, hasty: bool = False) -> dict[str, Any]:
        return self.find(([name], offline), hasty=hasty)[0][0]

    def assert_whole(self, found: dict[str, Any]) -> None:
        """A model was found, and its files are those of the hub."""
        assert "path" in found, found
        for name in FILES:
            assert (Path(found["path"]) / name).read_bytes() == self.hub.files[name], name


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the hub serves."""
    return write_reranker(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def client(served: Path, tmp_path: Path) -> Iterator[Client]:
    with hub_of(served) as hub:
        yield Client(hub, tmp_path / "home")


QUICK: dict[str, tuple[Fault, int]] = {
    "401": (Fault(status(401)), 6),
    "401, a bad token": (Fault(status(401, X_Error_Message="Invalid credentials in Authorization header")), 6),
    "403": (Fault(status(403)), 6),
    "403 for a file": (Fault(status(403), at="model.safetensors"), 6),
    "404": (Fault(status(404)), 6),
    "404, no such model": (Fault(status(404, X_Error_Code="RepoNotFound")), 6),
    "404 for the list": (Fault(status(404, X_Error_Code="EntryNotFound"), at=TREE), 6),
    "404 for the weights": (Fault(status(404, X_Error_Code="EntryNotFound"), at="model.safetensors"), 6),
    "410": (Fault(status(410)), 6),
    "418": (Fault(status(418)), 6),
    "429, at once again": (Fault(status(429, Retry_After="0", **BUSY)), 75),
    "503, at once again": (Fault(status(503, Retry_After="0", **BUSY)), 75),
    "a page to sign in": (Fault(status(200, b"<!doctype html><title>Sign in</title>")), 6),
    "no JSON": (Fault(status(200, b"{"), at=INFO), 6),
    "no revision": (Fault(status(200, b'{"id": "x"}'), at=INFO), 6),
    "a list that is none": (Fault(status(200, b"7"), at=TREE), 6),
    "redirects without end": (Fault(redirect), 6),
    "another length": (Fault(shorter, at="model.safetensors", methods=("GET",)), 6),
    "another byte in the weights": (Fault(wrong, at="model.safetensors"), 6),
}

SLOW: dict[str, tuple[Fault, int]] = {
    "429, in a while": (Fault(status(429, Retry_After="1", **BUSY)), 75),
    "429, tomorrow": (Fault(status(429, Retry_After="86400", **BUSY)), 75),
    "429, on a date": (Fault(status(429, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT", **BUSY)), 75),
    "429 for a file, tomorrow": (Fault(status(429, Retry_After="86400", **BUSY), at="config.json"), 75),
    **{f"{code}": (Fault(status(code)), 75) for code in (429, 500, 502, 503, 504)},
    **{f"503 for {part}": (Fault(status(503), at=part), 75) for part in (TREE, *FILES)},
    "silence": (Fault(silence), 75),
    "silence for the list": (Fault(silence, at=TREE), 75),
    "silence for the weights": (Fault(silence, at="model.safetensors", methods=("GET",)), 75),
    **{f"{part} stalls": (Fault(stall, at=part, methods=("GET",)), 75) for part in (INFO, TREE, *FILES)},
    **{f"{part} is cut": (Fault(cut, at=part, methods=("GET",)), 75) for part in (INFO, TREE, *FILES)},
    "no HTTP": (Fault(garbage), 75),
    "no HTTP for a file": (Fault(garbage, at="tokenizer.json"), 75),
    "no word": (Fault(hang_up), 75),
    "redirects to a hub that is down": (Fault(status(302, Location="http://127.0.0.1:9/"), at="config.json"), 75),
}


def try_all(client: Client, points: Points, fault: str, cases: dict[str, tuple[Fault, int]], sample: int) -> None:
    """Look for a model under each fault, all at once; then without the hub; then with the hub well again."""
    chosen = points.of(list(cases), sample)
    names = {case: f"someone/m{number}" for number, case in enumerate(chosen)}
    client.hub.faults.update({names[case]: cases[case][0] for case in chosen})
    first, offline = client.find((list(names.values()), False), (list(names.values()), True), hasty=True)
    client.hub.faults.clear()
    (again,) = client.find((list(names.values()), False))
    for case, found, without, well in zip(chosen, first, offline, again, strict=True):
        with points.trying(fault):
            if "path" in found:
                client.assert_whole(found)
            else:
                assert found["status"] in (6, cases[case][1]), (case, found)
                assert names[case] in found["message"], case
                for way in WAYS_OUT:
                    assert way in found["advice"], (case, found)
            if "path" in without:
                client.assert_whole(without)
            else:
                assert without["status"] == 6, (case, without)
                assert "offline" in without["message"], case
            client.assert_whole(well)


def test_a_hub_that_refuses_or_answers_wrongly_ends_in_6_or_75_with_ways_out(client: Client, points: Points) -> None:
    try_all(client, points, "hub: refusals and wrong answers", QUICK, sample=5)


def test_a_hub_that_is_busy_silent_or_cut_off_ends_in_time_with_ways_out(client: Client, points: Points) -> None:
    if not points.exhaustive:
        pytest.skip("waits for a hub for a minute or two: pytest --exhaustive")
    try_all(client, points, "hub: busy, silent, stalled and cut off", SLOW, sample=2)


def test_a_silent_hub_ends_in_time(client: Client, points: Points) -> None:
    with points.trying("hub: busy, silent, stalled and cut off"):
        client.hub.faults["someone/silent"] = Fault(silence)
        found = client.one("someone/silent", hasty=True)
        assert found["status"] in (6, 75), found
        for way in WAYS_OUT:
            assert way in found["advice"]


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.slow
def test_a_busy_hub_is_asked_again_after_as_long_as_it_wants(client: Client, code: int) -> None:
    client.hub.faults["someone/busy"] = Fault(status(code, Retry_After="1"))
    found = client.one("someone/busy")
    assert found["status"] == 75
    assert f"the hub answers {code}" in found["message"]
    times = [asked.at for asked in client.hub.asked]
    assert 2 <= len(times) <= 10
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


def test_the_command_leaves_nothing_behind_when_the_hub_is_busy(client: Client, tmp_path: Path) -> None:
    client.hub.faults["someone/busy"] = Fault(status(503, Retry_After="0"))
    work = tmp_path / "work"
    work.mkdir()
    (work / "in.jsonl").write_bytes(lines(3))
    (work / "out.jsonl").write_bytes(b"old\n")
    before = files_of(work)
    command = ("score", "in.jsonl", "-o", "out.jsonl", "--overwrite", "--resume", "--model", "someone/busy")
    done = rerank(*command, cwd=work, HF_HOME=str(client.home), HF_ENDPOINT=client.hub.url)
    assert done.code == 75, done.said
    assert "someone/busy: the hub answers 503" in done.said
    for way in WAYS_OUT:
        assert way in done.said
    assert "Traceback" not in done.said
    assert files_of(work) == before


def test_a_busy_hub_that_recovers_gives_the_model(client: Client) -> None:
    def once(handler: Any) -> None:
        del client.hub.faults["someone/once"]
        status(503, Retry_After="0")(handler)

    client.hub.faults["someone/once"] = Fault(once)
    client.assert_whole(client.one("someone/once"))


def test_a_repository_without_a_model_is_named(client: Client) -> None:
    client.hub.files.clear()
    client.hub.files["README.md"] = b"to come"
    found = client.one("someone/empty")
    assert found["status"] == 6
    assert "config.json" in found["message"]


@pytest.mark.slow
def test_a_model_that_does_not_run_is_refused_before_its_weights_are_downloaded(client: Client) -> None:
    client.hub.files["config.json"] = json.dumps({"architectures": ["Qwen3ForCausalLM"]}).encode()
    found = client.one("someone/writer")
    assert found["status"] == 6
    assert "Qwen3ForCausalLM" in found["message"]
    assert "language model" in found["advice"]
    assert not [asked for asked in client.hub.asked if asked.part == "model.safetensors"]


def test_an_unknown_model_is_named(client: Client) -> None:
    client.hub.faults["someone/unknown"] = Fault(status(404, X_Error_Code="RepoNotFound"))
    found = client.one("someone/unknown")
    assert found["status"] == 6
    assert "someone/unknown: the hub has no such model" in found["message"]


def test_a_gated_model_says_what_to_do(client: Client) -> None:
    client.hub.faults["someone/gated"] = Fault(status(403, X_Error_Code="GatedRepo"))
    found = client.one("someone/gated")
    assert found["status"] == 6
    assert "terms" in found["message"]
    assert "HF_TOKEN" in found["advice"]


def test_only_what_the_model_needs_is_asked_for(client: Client) -> None:
    client.hub.files["pytorch_model.bin"] = b"\x80"
    client.hub.files["modeling_evil.py"] = b"raise SystemExit"
    client.assert_whole(client.one("someone/model"))
    assert {asked.name for asked in client.hub.asked} == {"someone/model"}
    assert {asked.part for asked in client.hub.asked} == {INFO, TREE, *FILES}


def test_a_fetched_model_is_found_again_without_the_hub(client: Client) -> None:
    client.assert_whole(client.one("someone/model"))
    client.hub.asked.clear()
    client.hub.faults["someone/model"] = Fault(status(500))
    again, offline = client.find((["someone/model"], False), (["someone/model"], True))
    client.assert_whole(again[0])
    client.assert_whole(offline[0])
    assert client.hub.asked == []


@pytest.fixture
def cache(client: Client, served: Path) -> Path:
    """A hub cache as another tool leaves it that fetched just the files we need: the snapshot in it."""
    repository = client.home / "hub" / "models--someone--cached"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    return Path(shutil.copytree(served, repository / "snapshots" / REVISION))


def test_a_model_in_the_cache_is_found_without_the_hub(client: Client, cache: Path) -> None:
    found, offline = client.find((["someone/cached"], False), (["someone/cached"], True))
    assert Path(found[0]["path"]).name == Path(offline[0]["path"]).name == cache.name == REVISION
    assert client.hub.asked == []


@pytest.mark.parametrize("name", FILES[:3])
def test_a_cache_that_lacks_a_file_is_not_taken_for_the_model(client: Client, cache: Path, name: str) -> None:
    (cache / name).unlink()
    found = client.one("someone/cached", offline=True)
    assert found["status"] == 6
    assert "not in the hub cache, and this run is offline" in found["message"]


def test_a_cache_that_lacks_the_settings_of_a_module_is_not_taken_for_the_model(client: Client, cache: Path) -> None:
    modules = [
        {"type": "Transformer", "path": ""},
        {"type": "Dense", "path": "2_Dense"},
    ]
    (cache / "modules.json").write_text(json.dumps(modules))
    found = client.one("someone/cached", offline=True)
    assert found["status"] == 6
    assert "not in the hub cache, and this run is offline" in found["message"]
