"""The engine for tests: no help offers it, and a run with it says so, whatever it was asked to say."""

import json
from pathlib import Path

import pytest
from support.inside import rerank_inside
from support.running import FAKE_NOTE, forked

NOTE = FAKE_NOTE.decode()


@pytest.mark.parametrize("chosen", [("--engine", "fake"), ("--model", "fake"), ("--model", "fake:slow=0")])
def test_a_quiet_run_says_that_its_scores_are_fake(ten: Path, tmp_path: Path, chosen: tuple[str, str]) -> None:
    done = rerank_inside("score", ten, "-o", tmp_path / "out.jsonl", *chosen, "-q")
    assert (done.code, done.said) == (0, NOTE)
    meta = json.loads((tmp_path / "out.jsonl.meta.json").read_text())
    assert meta["engine"] == meta["fingerprint"]["engine"] == "fake"


def test_so_does_one_that_finds_its_work_done(ten: Path, tmp_path: Path) -> None:
    run = ("score", ten, "-o", tmp_path / "out.jsonl", "--engine", "fake", "-q", "--resume")
    assert [rerank_inside(*run).said for _ in range(2)] == [NOTE, NOTE]


def test_the_engine_of_the_environment_counts_too(ten: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_ENGINE", "fake")
    assert rerank_inside("score", ten, "-o", tmp_path / "out.jsonl", "-q").said == NOTE


@pytest.mark.parametrize("command", ["score", "doctor"])
def test_no_help_offers_it(command: str) -> None:
    assert b"fake" not in forked(command, "--help").stdout


def test_no_message_offers_it(ten: Path) -> None:
    done = forked("score", ten, "-o", "-", "--engine", "nope")
    assert done.code == 2
    assert "torch" in done.said
    assert "fake" not in done.said


def test_no_completion_offers_it() -> None:
    shell = {"_RERANK_COMPLETE": "complete_bash", "COMP_WORDS": "rerank score --engine ", "COMP_CWORD": "3"}
    offered = forked(**shell).stdout.decode().split()
    assert "openvino" in offered
    assert "fake" not in offered
