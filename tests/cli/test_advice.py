"""Advice that can be followed: the way out that a message names is one for the command that was typed."""

import json
from pathlib import Path

import pytest
from support.running import forked
from support.tiny import write_reranker

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.engines import choice
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import inspect_folder


def test_a_number_out_of_range_says_so_of_the_option_as_typed(ten: Path) -> None:
    done = forked("score", ten, "-o", "-", "--engine", "fake", "--top-k", "0")
    assert (done.code, "'--top-k': must be greater than or equal to 1" in done.said) == (2, True)


def test_mine_is_not_sent_to_a_model_that_it_refuses(tmp_path: Path) -> None:
    for name in ("queries.jsonl", "pool.jsonl"):
        (tmp_path / name).write_text('{"query": "q", "pos": ["a"], "text": "t"}\n')
    mine = ("mine", "queries.jsonl", "--pool", "pool.jsonl", "-o", "out.jsonl", "--offline")
    lacking = forked(*mine, "--model", "nobody/nothing", cwd=tmp_path)
    assert lacking.code == 6
    assert "Two ways out" in lacking.said
    assert "--model mini" not in lacking.said
    assert "such as intfloat/multilingual-e5-small" in forked(*mine, "--model", "mini", cwd=tmp_path).said
    scored = forked("score", "pool.jsonl", "-o", "-", "--model", "nobody/nothing", "--offline", cwd=tmp_path)
    assert "`--model mini`" in scored.said


@pytest.mark.parametrize(
    ("model", "way"),
    [
        ("ms-marco-MiniLM-L-12-v2", "cross-encoder/ms-marco-MiniLM-L-12-v2"),
        ("rerank-v3.5", "a model of an API"),
        ("cohere/rerank-v3.5", "a model of an API"),
        ("nothing-known", "Name a folder"),
    ],
)
def test_a_model_that_the_hub_does_not_have_is_named_as_it_does(model: str, way: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(ModelConfig(model=model, offline=True))
    assert way in caught.value.advice


def test_a_number_of_pairs_is_not_taken_for_a_number_of_tokens(ten: Path) -> None:
    run = ("score", ten, "-o", "-", "--engine", "fake", "--batch-tokens")
    assert "--batch-tokens 8 counts tokens" in forked(*run, "8").said
    assert "counts tokens" not in forked(*run, "1024").said
    dry = ("score", ten, "--dry-run", "--engine", "fake", "--batch-tokens")
    assert b"of up to 1 tokens, or one longer pair" in forked(*dry, "1").stdout
    assert b"longer pair" not in forked(*dry, "1024").stdout


def test_failed_requests_are_a_warning_where_answers_have_no_id(tmp_path: Path) -> None:
    def said(*records: dict[str, object], typed: tuple[str, ...] = ()) -> str:
        (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in records))
        return forked("score", "in.jsonl", "-o", "-", "--engine", "fake", "-q", *typed, cwd=tmp_path).said

    good, bad = {"query": "q", "documents": ["a"]}, {"query": "q", "documents": ["a"], "max_length": 3}
    assert "1 of 2 requests failed: answers have no id" in said(good, bad)
    assert "give each request an id" in said(good, bad)
    assert "answers have no id" not in said({"id": "1", **good}, bad)
    assert "answers have no id" not in said(good, good)
    assert "answers have no id" not in said(good, bad, typed=("--output-format", "native"))
    texts = {"query": "q", "texts": ["a"]}
    assert "--output-format native" in said(texts, {"query": "q", "texts": "a"})


def test_an_input_that_stops_within_a_record_says_so(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    good, cut = b'{"query": "q", "candidates": ["a"]}\n', b'{"query": "q", "cand'
    for content, stopped in ((good + cut, True), (good + cut + b"\n", False), (b"\xef\xbb\xbf" + cut, True)):
        path.write_bytes(content)
        said = forked("check", path).stdout.decode()
        assert ("stopped early" in said, "`jq -c" in said) == (stopped, not stopped)
    path.write_bytes(b'{"query_id": "1", "query": "q", "docid": "d", "text": "t"}\n' + cut)
    assert "stopped early" in forked("check", path).stdout.decode()


def test_int8_without_its_packages_names_what_installs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inspect_folder(ModelConfig(model="a/b"), write_reranker(tmp_path / "model"), None)
    monkeypatch.setattr(choice, "not_installed", lambda packages: [each for each in packages if each == "nncf"])
    with pytest.raises(ConfigError, match="nncf") as caught:
        choice.open_scorer(ModelConfig(model="a/b", dtype="int8", device="cpu"), found)
    assert "nncf>=" in caught.value.advice
    assert choice.choose_engine(ModelConfig(model="a/b", device="cpu"), found) == ("torch", "openvino needs nncf")


def test_fp16_on_a_cpu_is_noted(tmp_path: Path) -> None:
    found = inspect_folder(ModelConfig(model="a/b"), write_reranker(tmp_path / "model"), None)
    notes = choice.open_scorer(ModelConfig(model="a/b", dtype="fp16", device="cpu"), found).notes
    assert [note for note in notes if "fp16" in note] == [
        "--dtype fp16 is slow on most CPUs, and only torch offers it there; fp32 is faster"
    ]


def test_a_dry_run_without_the_model_says_how_to_know_the_cost(ten: Path, tmp_path: Path) -> None:
    done = forked("score", str(ten), "--dry-run", "--offline", HF_HOME=str(tmp_path))
    assert done.code == 6
    assert "rerank help speed" in done.said
    assert "rerank bench --random-weights" in done.said
    assert "rerank bench" not in forked("score", str(ten), "-o", "-", "--offline", HF_HOME=str(tmp_path)).said
