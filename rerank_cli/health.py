"""Is everything here that a run needs? What `rerank doctor` finds out, one question at a time."""

import importlib.metadata
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from rerank_cli import __version__
from rerank_cli.config import ModelConfig
from rerank_cli.errors import ExitStatus, RerankError
from rerank_cli.fingerprint import python_version
from rerank_cli.scorers import Scorer, open_scorer
from rerank_cli.scorers.hf_hub import silence_libraries
from rerank_cli.scorers.self_test import known_scores, self_test

PACKAGES = ("torch", "transformers", "tokenizers", "huggingface_hub", "safetensors", "orjson", "typer", "rich")

Verdict = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question. A bad one says in `advice` what to do."""

    verdict: Verdict
    question: str
    answer: str
    advice: str = ""
    status: ExitStatus = ExitStatus.OK


def examine(config: ModelConfig) -> Iterator[Finding]:
    """Findings, cheap ones first; stops at the first that makes the rest pointless."""
    silence_libraries(config.offline)
    yield Finding("ok", "rerank", f"{__version__}, {python_version()}")
    for package in PACKAGES:
        yield _version(package)
    yield Finding("ok", "hub cache", _cache_folder())
    try:
        scorer = open_scorer(config)
        yield from _identity(scorer)
        scorer.load()
    except RerankError as fault:
        yield Finding("bad", "model", fault.message, fault.advice, fault.status)
        return
    yield Finding("ok", "weights", f"sha256 {scorer.identity.weights_sha256 or '(none)'}")
    yield from _self_test(scorer)
    scorer.close()


def _version(package: str) -> Finding:
    try:
        return Finding("ok", package, importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return Finding("bad", package, "not installed", f"pip install {package}", ExitStatus.MODEL)


def _cache_folder() -> str:
    constants: Any = import_module("huggingface_hub.constants")
    folder = constants.HF_HUB_CACHE
    return f"{folder} ({'exists' if os.path.isdir(folder) else 'nothing there yet'})"


def _identity(scorer: Scorer) -> Iterator[Finding]:
    identity = scorer.identity
    yield Finding("ok", "model", f"{identity.model}" + (f" at {identity.revision}" if identity.revision else ""))
    yield Finding("ok", "device", f"{identity.device}, {identity.dtype}, {identity.threads} threads")
    yield Finding(
        "ok", "lengths", f"{identity.max_length} tokens a pair, {identity.query_max_length} of them a query's"
    )
    for note in scorer.notes:
        yield Finding("note", "note", note)


def _self_test(scorer: Scorer) -> Iterator[Finding]:
    if scorer.identity.engine == "fake":
        yield Finding("note", "self-test", "the fake engine has no model to test")
        return
    try:
        scores = self_test(scorer)
    except RerankError as fault:
        yield Finding("bad", "self-test", fault.message, fault.advice, fault.status)
        return
    answer = f"'what is panda?': 'hi' {scores['irrelevant']:.4f}, a description of pandas {scores['relevant']:.4f}"
    yield Finding("ok", "self-test", f"{answer}; batch against singles {scores['batch_delta']:.1e}")
    known = known_scores(scorer)
    if not known:
        yield Finding("note", "known scores", "none published for this model")
    for published, ours in known:
        tolerance = published.tolerance(scorer.identity.dtype)
        close = abs(ours - published.expected) <= tolerance
        answer = f"{published.kind} {ours:.5f}, published {published.expected:.5f} ± {tolerance}"
        answer += f" ({published.source})"
        question = f"{published.query} | {published.document}"[:60]
        if close:
            yield Finding("ok", question, answer)
        else:
            yield Finding("bad", question, answer, "The weights or the libraries differ.", ExitStatus.MODEL)
