"""The interpreter is never held for long: a signal is heard whatever text is tokenized, however long it is."""

import ast
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.points import Points
from support.running import HANG_S, ROOT, commits, started, wait_until
from tokenizers import Tokenizer

from rerank_cli.formats.texts import MAX_TEXT
from rerank_cli.models.through_transformers import load_tokenizer
from rerank_cli.models.tokens import encoding_of
from rerank_cli.reranking.windows import PREPARE_ENTRIES

TURNS = 5  # of another thread, while a text is tokenized for a good part of a second


@pytest.fixture(scope="module")
def backend(root: Path) -> Tokenizer:
    return Tokenizer.from_str(load_tokenizer(root / "rerank_cli/models/mini").backend_tokenizer.to_str())


def turns_during(work: Callable[[], object]) -> int:
    """How often another thread had its turn meanwhile."""
    turns, begun, over = 0, threading.Event(), threading.Event()

    def take_turns() -> None:
        nonlocal turns
        begun.set()
        while not over.wait(0.001):
            turns += 1

    thread = threading.Thread(target=take_turns)
    thread.start()
    begun.wait()
    before = turns
    work()
    had = turns - before
    over.set()
    thread.join()
    return had


TEXTS = {"no spaces": "a" * 400_000, "a separator": "a" * 400_000 + " </s>", "words": "tea cup " * 60_000}


@pytest.mark.parametrize("kind", TEXTS)
def test_other_threads_run_while_a_text_is_tokenized(backend: Tokenizer, kind: str, points: Points) -> None:
    with points.trying("interpreter held: other threads while a text is tokenized"):
        assert turns_during(lambda: encoding_of(backend, TEXTS[kind])) >= TURNS


def test_the_measure_sees_a_call_that_holds_the_interpreter(backend: Tokenizer) -> None:
    """In one of several tries: on a loaded machine the other thread may have turns just before the call or after it."""
    assert any(turns_during(lambda: backend.encode(TEXTS["no spaces"])) < TURNS for _ in range(20))


def test_no_single_text_is_encoded_by_the_call_that_holds_the_interpreter() -> None:
    """`encode` of a str with an encoding is another matter: it has a text for its first argument, or none."""
    found = []
    for path in (ROOT / "rerank_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "encode"
            if called and any(keyword.arg == "add_special_tokens" for keyword in node.keywords):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []


LONG: dict[str, tuple[str, tuple[str, ...]]] = {
    "the longest text without spaces": ("a" * MAX_TEXT, ()),
    "a text in which a separator is spelled": ("a" * 30_000_000 + " </s>", ()),
    "a text in parts": ("a" * 20_000_000, ("--long-docs", "chunk")),
    "words in parts": ("tea " * 5_000_000, ("--long-docs", "chunk")),
    "a text of separators": ("a </s> " * 3_000_000, ()),
}


@pytest.mark.slow
def test_a_signal_is_heard_whatever_text_is_tokenized(tmp_path: Path, points: Points) -> None:
    """The records before the long text are prepared in one call: once some are committed, it is being tokenized."""
    short = {"query": "tea", "candidates": ["cup of tea", "a board"]}
    for kind in LONG if points.exhaustive else ["a text in which a separator is spelled"]:
        text, options = LONG[kind]
        source, output = tmp_path / "in.jsonl", tmp_path / f"{kind}.jsonl"
        records = [*[short] * PREPARE_ENTRIES, {"query": "tea", "candidates": [text]}]
        source.write_text("".join(json.dumps(record) + "\n" for record in records))
        run = ("score", source, "-o", output, "--model", "mini", "--engine", "torch", "--device", "cpu", "-q")
        small = ("--batch-tokens", "64", "--window-tokens", "128", "--offline")
        with (
            points.trying("interpreter held: a signal while a text is tokenized"),
            started(*run, *small, *options) as it,
        ):
            assert wait_until(lambda output=output: commits(output) >= 1, it), it.communicate()
            it.send_signal(signal.SIGTERM)
            assert it.wait(HANG_S) == 128 + signal.SIGTERM
