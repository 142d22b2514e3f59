"""The http engine against what others send and answer: the providers' own libraries, and a server of llama.cpp.

`sdk_requests.json` was recorded by tests/measure/sdk_oracles.py: what each library sent to the stub, whose answers it
read as the scores that were meant.
"""

import itertools
import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.gguf import write_gguf, write_xlm_roberta
from support.running import commits, rerank, started, wait_until
from support.stub_api import Stub, score_of, serving

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.decimals import as_float32
from rerank_cli.core.dialects import PROFILES
from rerank_cli.core.scorer import Batch
from rerank_cli.engines.remote_reranker import RemoteReranker

RECORDED = json.loads(Path(__file__).with_name("sdk_requests.json").read_text(encoding="utf-8"))
SERVER = Path(__file__).parents[1] / "support" / "llama_server.py"
KEY = "a-planted-key"
WORDS = re.findall(r"\S+", "the rose is in a red garden with thorns and stones on street 42 near a station, they sing?")
CLOSE = 0.005  # of the range of the scores: llama.cpp computes in half precision inside


@pytest.mark.parametrize("name", RECORDED["requests"])
def test_what_a_library_sends_we_send_and_what_it_reads_we_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    golden, query, documents = RECORDED["requests"][name], RECORDED["query"], RECORDED["documents"]
    monkeypatch.setenv("RERANK_API_KEY", RECORDED["key"])
    with serving(Stub(PROFILES[name], key=RECORDED["key"])) as stub:
        scorer = RemoteReranker(ModelConfig(model=f"{stub.base}{golden['path']}#{RECORDED['model']}", api=name))
        (scores,) = scorer.score(iter([Batch.of(scorer.prepare([(query, text) for text in documents]))]))
        assert scores == [as_float32(score_of(query, text)) for text in documents]
        (asked,) = stub.asked
        assert asked.path == golden["path"]
        assert asked.body == {option: value for option, value in golden["body"].items() if value is not None}
        for header in ("authorization", "content-type"):
            assert asked.headers[header] == golden["headers"][header]


def test_each_profile_that_claims_a_library_was_recorded_with_it() -> None:
    assert {name for name, profile in PROFILES.items() if profile.tried == "SDK"} == RECORDED["requests"].keys()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny XLM-RoBERTa, with the same model beside it for llama.cpp."""
    folder = write_xlm_roberta(tmp_path_factory.mktemp("llama") / "model")
    write_gguf(folder, folder.with_suffix(".gguf"))
    return folder


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[str]:
    """The address of llama.cpp's server, which asks for a key."""
    if find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: no server of llama.cpp")
    arguments = [sys.executable, SERVER, model.with_suffix(".gguf"), KEY]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
        process.kill()


@pytest.fixture(scope="module")
def records(model: Path) -> Path:
    """Twelve records of twelve candidates."""
    chance = random.Random(1)
    path = model.with_name("in.jsonl")
    with path.open("w", encoding="utf-8") as file:
        for number in range(12):
            texts = [" ".join(chance.choices(WORDS, k=chance.randrange(1, 25))) for _ in range(12)]
            query = " ".join(chance.choices(WORDS, k=3))
            file.write(json.dumps({"id": f"q{number}", "query": query, "candidates": texts}) + "\n")
    return path


def by_candidate(records: list[Any], field: str) -> dict[tuple[str, int], float]:
    return {(record["id"], each["index"]): each[field] for record in records for each in record["candidates"]}


def test_llama_cpp_gives_the_scores_of_torch(server: str, model: Path, records: Path) -> None:
    ours = rerank("score", records, "-o", "-", "--model", model, "--engine", "torch", "-q")
    theirs = rerank("score", records, "-o", "-", "--model", f"{server}/v1/rerank", "-q", RERANK_API_KEY=KEY)
    assert (ours.code, theirs.code) == (0, 0), ours.said + theirs.said
    logits, scores = by_candidate(ours.records, "logit"), by_candidate(theirs.records, "score")
    bound = CLOSE * (max(logits.values()) - min(logits.values()))
    assert max(abs(logits[pair] - scores[pair]) for pair in logits) <= bound
    for record, other in zip(ours.records, theirs.records, strict=True):
        first, second = ([each["index"] for each in shown["candidates"]] for shown in (record, other))
        far = {index: logits[record["id"], index] for index in first}
        for better, worse in itertools.pairwise(second):
            assert far[better] - far[worse] >= -2 * bound


def test_llama_cpp_refuses_a_wrong_key(server: str, records: Path, tmp_path: Path) -> None:
    for key in ("another", None):
        done = rerank("score", records, "-o", tmp_path / "o", "--model", f"{server}/v1/rerank", RERANK_API_KEY=key)
        assert done.code == 6
        assert "401" in done.said
        assert KEY not in done.said


def test_a_document_that_llama_cpp_cannot_take_is_an_error_record(server: str, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    texts = ["a rose", "rose " * 600, "a stone"]
    path.write_text("".join(json.dumps({"query": f"q{n}", "candidates": texts[n:]}) + "\n" for n in (0, 2)))
    done = rerank("score", path, "-o", tmp_path / "o", "--model", f"{server}/v1/rerank", RERANK_API_KEY=KEY)
    assert done.code == 3, done.said
    (error,) = [json.loads(line) for line in (tmp_path / "o.errors.jsonl").read_text().splitlines()]
    assert error["path"] == "$.candidates[1]"
    assert "too large" in error["reason"] or "larger than" in error["reason"]


def test_a_run_with_llama_cpp_that_is_killed_continues(server: str, records: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    options = ("--model", f"{server}/v1/rerank", "--window-tokens", "1", "--api-key-file", str(key))
    golden = rerank("score", records, "-o", tmp_path / "golden", *options, "-q")
    assert golden.code == 0, golden.said
    out = tmp_path / "out"
    with started("score", records, "-o", out, *options) as process:
        assert wait_until(lambda: commits(out) >= 3, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = rerank("score", records, "-o", out, *options, "--resume", "-q")
    assert done.code == 0, done.said
    meta = json.loads(out.with_name("out.meta.json").read_text())
    assert meta["resumed_records"] >= 3
    assert meta["requests"] < 12
    assert out.read_bytes() == (tmp_path / "golden").read_bytes()
