"""The note on models that requests name and that do not score."""

from typing import Any

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.formats.registry import open_format


def notes(format_name: str, *requests: dict[str, Any], scored: bool = True, target: str = "same") -> list[str]:
    format = open_format(ReadConfig(format=format_name), WriteConfig(format=target, model="mini", scored=scored))
    entries = list(format.read(iter(lines_of(jsonl(*requests)))))
    assert len(entries) == len(requests)
    assert format.first_notes == format.notes[:1]
    return format.notes


def batch(url: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": "a", "method": "POST", "url": url, "body": body}


REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "rerank-api": ("rerank-api", {"model": "other", "query": "q", "documents": ["a"]}),
    "voyage": ("voyage", {"model": "other", "query": "q", "documents": ["a"], "top_k": 1}),
    "mixedbread": ("mixedbread", {"model": "other", "query": "q", "input": ["a"]}),
    "nvidia": ("nvidia", {"model": "other", "query": {"text": "q"}, "passages": [{"text": "a"}]}),
    "batch": ("openai-batch", batch("/v1/rerank", {"model": "other", "query": "q", "documents": ["a"]})),
    "scores": ("openai-batch", batch("/v1/score", {"model": "other", "text_1": "q", "text_2": ["a"]})),
}


@pytest.mark.parametrize(("name", "request_"), REQUESTS.values(), ids=REQUESTS)
def test_one_note_names_the_model_of_the_requests_and_that_of_the_run(name: str, request_: dict[str, Any]) -> None:
    (note,) = notes(name, request_, request_, request_)
    assert "model other" in note
    assert note.endswith(" mini")
    assert note in notes(name, request_, target="native")


def test_further_models_are_in_a_second_note() -> None:
    requests = [{"model": f"m{number}", "query": "q", "documents": ["a"]} for number in range(20)]
    first, second = notes("rerank-api", *requests)
    assert "m0" in first
    assert "m1, m2, m3" in second


@pytest.mark.parametrize("model", ["mini", "", None, 7])
def test_there_is_no_note_on_the_model_of_the_run_or_on_none(model: object) -> None:
    assert notes("rerank-api", {"model": model, "query": "q", "documents": ["a"]}) == []


def test_a_conversion_has_no_model() -> None:
    assert notes("rerank-api", {"model": "other", "query": "q", "documents": ["a"]}, scored=False) == []
