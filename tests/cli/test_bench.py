"""`rerank bench`: figures that add up, whatever they are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.running import Finished, rerank

from rerank_cli.engines.machine import lacks_bfloat16


def document(done: Finished) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.slow
def test_ours_and_peers_are_measured_on_the_same_pairs(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    chart = tmp_path / "chart.svg"
    plot = ["--plot", str(chart)] if pytest.importorskip("matplotlib") else []
    peers = ["--peers", "tutorial loop,sentence-transformers", "--batch-sizes", "4,8"]
    small = ["--pairs", "24", "--lengths", "lognormal:24", "--rounds", "2", "--device", "cpu"]
    dtypes = ["fp32", *["bf16"] * (not lacks_bfloat16())]  # elsewhere it is emulated, and its products take minutes
    engines = ",".join(f"torch:{dtype}" for dtype in dtypes)
    done = rerank("bench", *small, "--engines", engines, *peers, *plot)
    found = document(done)
    assert found["pairs"] == 24
    assert found["matrix_gflops"].keys() == set(dtypes)
    for dtype, rates in found["matrix_gflops_by_library"].items():
        assert {"torch", "oneDNN"} <= rates.keys()
        assert found["matrix_gflops"][dtype] == max(rates.values())
    assert [(result["name"], result["dtype"], result["batch"]) for result in found["results"]] == [
        *(("rerank torch", dtype, "auto") for dtype in dtypes),
        ("tutorial loop", "fp32", "4 pairs"),
        ("tutorial loop", "fp32", "8 pairs"),
        ("sentence-transformers", "fp32", "4 pairs"),
        ("sentence-transformers", "fp32", "8 pairs"),
    ]
    peers_seconds = [result["seconds"] for result in found["results"] if not result["ours"]]
    best = min(peers_seconds, key=sum)
    for result in found["results"]:
        assert len(result["seconds"]) == 2
        seconds = sum(result["seconds"]) / 2
        assert result["pairs_per_s"] == pytest.approx(24 / seconds, rel=0.02)
        ratios = [theirs / ours for theirs, ours in zip(best, result["seconds"], strict=True)]
        assert result["of_best_peer_by_round"] == pytest.approx(ratios, rel=0.02)
        assert result["of_best_peer"] == pytest.approx(sum(best) / sum(result["seconds"]), rel=0.02)
        assert result["first_seconds"] > 0
        assert result["threads"] >= 1
        assert "torch" in result["versions"]
        rate = found["matrix_gflops"][result["dtype"]]
        assert result["share_of_matrix_rate"] == pytest.approx(found["gflop"] / seconds / rate, rel=0.05, abs=0.002)
        assert result["peak_memory_bytes"] > 10_000_000
    assert b"rerank torch" in done.stderr
    assert chart.read_bytes().startswith(b"<?xml")


@pytest.mark.slow
def test_a_file_of_records_is_measured_as_it_is_and_the_dtype_it_came_to_is_named(root: Path) -> None:
    options = ["--engines", "torch", "--peers", "none", "--rounds", "1", "--device", "cpu"]
    done = rerank("bench", root / "sample_data/quickstart.jsonl", *options)
    found = document(done)
    assert found["pairs"] == 110
    (result,) = found["results"]
    assert (result["name"], result["dtype"], result["of_best_peer"]) == ("rerank torch", "fp32", None)
    assert (result["batch"], result["batch_tokens"]) == ("auto", 1024)
    assert b"auto auto" not in done.stderr
    assert re.search(rb"measuring mini with 110 pairs of \d+ tokens", done.stderr)
    assert b"the rounds will take about " in done.stderr
    assert result["share_of_matrix_rate"] > 0


@pytest.mark.slow
def test_bfloat16_is_measured_where_the_cpu_has_it_or_it_is_named() -> None:
    small = ["--pairs", "4", "--lengths", "fixed:16", "--rounds", "1", "--device", "cpu", "--peers", "none"]
    found = document(rerank("bench", *small))
    measured = {(result["name"], result["dtype"]) for result in found["results"]}
    assert ("rerank torch", "fp32") in measured
    assert (("rerank torch", "bf16") in measured) is not lacks_bfloat16()
    assert ("rerank torch bf16" in found["not_measured"]) is lacks_bfloat16()


def test_growth_runs_the_command_itself() -> None:
    found = document(rerank("bench", "--model", "fake", "--growth", "30,60", "--lengths", "lognormal:32"))
    assert [(step["pairs"], step["engine"]) for step in found["growth"]] == [(30, "fake"), (60, "fake")]
    assert all(step["pairs_per_s"] > 0 and step["peak_memory_bytes"] > 0 for step in found["growth"])


@pytest.mark.slow
def test_a_shape_without_weights_is_measured_with_a_true_tokenizer(shared: Path, tmp_path: Path) -> None:
    small = ["--pairs", "4", "--lengths", "fixed:16", "--rounds", "1", "--device", "cpu", "--peers", "none"]
    for tokenizer in (["--tokenizer", str(shared / "models/xlmr-tokenizer")], []):
        shape = ["--random-weights", "xlmr-mini", *tokenizer]
        cache = {"RERANK_CACHE": str(tmp_path / "cache")}
        found = document(rerank("bench", *small, *shape, "--engines", "torch:fp32", **cache))
        assert (found["model"], found["pairs"], found["tokens"]) == ("xlmr-mini", 4, 64)
        assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lengths", "poisson"], b"--lengths poisson: unknown"),
        (["--batch-sizes", "4,x"], b"--batch-sizes 4,x: not numbers"),
        (["--peers", "lucene"], b"--peers lucene: unknown"),
        (["--plot", "chart.txt"], b"--plot chart.txt"),
        (["--random-weights", "xlmr-huge"], b"--random-weights xlmr-huge: unknown"),
        (["absent.jsonl"], b"absent.jsonl"),
    ],
)
def test_mistakes_are_told_at_once(options: list[str], said: bytes, tmp_path: Path) -> None:
    done = rerank("bench", *options, cwd=tmp_path)
    assert done.code in (2, 4), done.stderr
    assert said in done.stderr
    assert b"loading" not in done.stderr
