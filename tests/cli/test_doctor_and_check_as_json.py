"""`rerank doctor` on a machine that lacks something, and `--json` of doctor and check."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.running import forked

LACKING = ("--model", "nobody/nothing", "--offline")


def findings(*options: str) -> tuple[int, dict[str, Any]]:
    done = forked("doctor", "--json", *options)
    [document] = done.records
    assert document["status"] == done.code
    return done.code, {each["question"]: each for each in document["findings"]}


def test_the_device_is_checked_where_the_model_is_absent() -> None:
    code, found = findings(*LACKING)
    assert code == 6
    assert found["device"]["verdict"] == "ok"
    assert found["device"]["answer"].startswith("cpu (")
    assert (found["model"]["verdict"], found["model"]["status"]) == ("bad", 6)
    assert found["model"]["advice"]


def test_a_device_that_is_not_there_does_not_hide_the_model() -> None:
    code, found = findings("--model", "mini", "--device", "mps")
    assert code == 7
    assert (found["device"]["verdict"], found["model"]["verdict"]) == ("bad", "ok")
    assert findings(*LACKING, "--device", "mps")[1]["model"]["verdict"] == "bad"


def test_extras_and_caches_are_listed() -> None:
    found = findings("--engine", "fake")[1]
    extras = {name: each for name, each in found.items() if name.startswith("extra ")}
    assert {name.split()[1] for name in extras} == {"openvino", "onnx", "parquet", "eval", "train", "bench", "http"}
    assert all(
        each["verdict"] == "ok" or "-m pip" in each["advice"] or "uv pip" in each["advice"] for each in extras.values()
    )
    assert {"hub cache", "graph cache", "tokenizer cache", "hash notes"} <= found.keys()
    assert found["engine"]["answer"] == "fake (for tests)"


def test_a_cache_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "rerank" / "graphs"
    folder.mkdir(parents=True)
    (folder / "graph").write_bytes(bytes(3 * 2**20))
    (folder / "link").symlink_to(folder / "graph")
    done = forked("doctor", "--engine", "fake", XDG_CACHE_HOME=str(tmp_path))
    [line] = [line for line in done.stdout.decode().splitlines() if "graph cache" in line]
    assert line.endswith(f"{folder} (3 MiB; can be removed, graphs are made again)")


def test_variables_that_nobody_reads_and_that_look_like_ours_are_listed() -> None:
    variables = {"RERANK_TREADS": "4", "RERANK_TOP_K": "3", "RERANK_SERVICE_HOST": "10.0.0.1", "RERANK_THREADS": "1"}
    done = forked("doctor", "--json", "--engine", "fake", **variables)
    [document] = done.records
    listed = {each["answer"]: each for each in document["findings"] if each["question"] == "environment"}
    assert set(listed) == {
        "RERANK_TREADS: not read: close to RERANK_THREADS",
        "RERANK_TOP_K: no longer read: use --config or --top-k",
    }
    assert {each["verdict"] for each in listed.values()} == {"note"}
    assert all(each["advice"] for each in listed.values())
    assert done.code == document["status"] == 0
    printed = forked("doctor", "--engine", "fake", **variables).stdout.decode()
    assert "note environment       RERANK_TREADS: not read: close to RERANK_THREADS" in printed


def test_check_as_json_counts_and_names_the_bad_records(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    good = {"query": "q", "candidates": ["a", "b"]}
    path.write_text(json.dumps(good) + "\n\nnot JSON\n" + json.dumps({"query": "q"}) + "\n")
    done = forked("check", path, "--json")
    [document] = done.records
    assert done.code == document["status"] == 3
    assert (document["format"], document["records"], document["good"], document["bad"]) == ("native", 3, 1, 2)
    assert (document["blank"], document["candidates"], document["max_candidates"]) == (1, 2, 2)
    assert [(each["source"], each["line"]) for each in document["failures"]] == [(str(path), 3), (str(path), 4)]
    assert document["failures"][1]["path"] == "$.candidates"


@pytest.mark.parametrize("content", [b"", b"{}\n"])
def test_check_as_json_is_one_line_whatever_the_input_holds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    [document] = forked("check", path, "--json", "--format", "native").records
    assert document["records"] == len(content.splitlines())
