"""With -q nothing is said, by no library either; and no stream that is a file gets a bar."""

import json
from pathlib import Path

import pytest
from support.points import Points
from support.running import rerank
from support.terminals import on_terminal
from support.tiny import write_bi_encoder, write_reranker

JUDGED = [{"query": f"what is {a} ?", "pos": [f"{a} {b}"], "neg": [f"{b} c", "c d"]} for a, b in ("ab", "ba") * 4]
NATIVE = {
    "id": "q1",
    "query": "what is panda?",
    "candidates": [{"id": "d1", "text": "hi", "relevance": 0}, {"id": "d2", "text": "panda is a", "relevance": 1}],
}
SCORE = "score in.jsonl -o {out}.jsonl -q --model tiny --max-length 64 --query-max-length 32"
TRAIN = "train train.jsonl -o {out} --model tiny --device cpu --max-steps 3 --max-length 64"
QUIET = [
    SCORE,
    f"{TRAIN} -q",
    f"{TRAIN} -q --lora --eval train.jsonl",
    f"{TRAIN} -q --eval train.jsonl --progress bar",
    f"{SCORE} --engine torch",
    f"{SCORE} --engine openvino --dtype int8",
    f"{SCORE} --engine onnx",
    f"{SCORE} --engine onnx --dtype int8",
    f"{SCORE} --engine bi-encoder",
    f"{SCORE} --dry-run",
    "check in.jsonl",
    "eval in.jsonl",
    "mine train.jsonl -o {out}.jsonl --pool pool.jsonl --model vectors -q --margin -2",
    "doctor --model tiny",
    "doctor --model tiny --engine onnx",
    "compare in.jsonl in.jsonl",
]
OURS_ONLY = [  # commands that have no -q, and what is said while they work
    f"{TRAIN} --progress none",
    f"{TRAIN}",
    "export -o {out} --model tiny --records in.jsonl --format openvino --dtype int8",
    "export -o {out} --model tiny --records in.jsonl --format onnx --dtype int8",
    "convert in.jsonl -o {out}.jsonl --output-format rerank-api",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_reranker(tmp_path / "tiny")
    write_bi_encoder(tmp_path / "vectors")
    (tmp_path / "in.jsonl").write_text(json.dumps(NATIVE) + "\n")
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(each) + "\n" for each in JUDGED))
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in ("a b", "c d", "b c d", "hi")))
    return tmp_path


def words(command: str, number: int) -> list[str]:
    return command.format(out=f"out-{number}").split()


@pytest.mark.slow
def test_quiet_commands_say_nothing(folder: Path, points: Points) -> None:
    for number, command in enumerate(points.of(QUIET, sample=3)):
        with points.trying("libraries: words of theirs on standard error"):
            done = rerank(*words(command, number), cwd=folder, XDG_CACHE_HOME=str(folder / f"c{number}"))
            assert (done.code, done.said) == (0, ""), command


@pytest.mark.slow
def test_other_commands_say_only_what_is_ours(folder: Path, points: Points) -> None:
    for number, command in enumerate(points.of(OURS_ONLY, sample=2)):
        with points.trying("libraries: words of theirs on standard error"):
            done = rerank(*words(command, number), cwd=folder, XDG_CACHE_HOME=str(folder / f"c{number}"))
            assert done.code == 0, (command, done.said)
            assert b"\r" not in done.stderr
            assert [line for line in done.said.splitlines() if not line.startswith("rerank: ")] == [], command


@pytest.mark.slow
def test_quiet_holds_on_a_terminal(folder: Path, points: Points) -> None:
    """There libraries draw bars, unless they are kept from it."""
    for number, command in enumerate(points.of([f"{TRAIN} -q", f"{SCORE} --engine torch"], sample=2)):
        with points.trying("libraries: words of theirs on standard error"):
            wished = {"HF_HUB_DISABLE_PROGRESS_BARS": "0" if number else None}
            with on_terminal(*words(command, number), cwd=folder, **wished) as terminal:
                assert terminal.code(200) == 0
                assert terminal.shown == b"", command
