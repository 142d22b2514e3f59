"""What a run says about its result."""

from dataclasses import replace

from support.making import fake

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.stats import Counters
from rerank_cli.jobs.said import on_truncated

HERE = fake(max_length=512).identity
CONFIG = ModelConfig(max_length=512)


def test_much_truncation_is_a_warning_with_the_length_and_what_to_do() -> None:
    assert on_truncated(Counters(), HERE, CONFIG) == []
    assert on_truncated(Counters(pairs=1000, truncated=199), HERE, CONFIG) == []
    [warning] = on_truncated(Counters(pairs=1000, truncated=200), HERE, CONFIG)
    assert warning.startswith("warning: 200 of 1,000 pairs (20%) were truncated at --max-length 512;")
    assert warning.endswith("Raise it, or score long documents in parts with --long-docs chunk")


def test_a_length_that_the_model_lowered_cannot_be_raised() -> None:
    [warning] = on_truncated(Counters(pairs=2, truncated=1), HERE, replace(CONFIG, max_length=1024))
    assert "at 512 tokens, all that the model takes" in warning
    assert "Raise" not in warning


def test_the_advice_is_one_that_works() -> None:
    counters = Counters(pairs=2, truncated=2)
    [warning] = on_truncated(counters, replace(HERE, engine="bi-encoder"), CONFIG)
    assert "chunk" not in warning
    [warning] = on_truncated(counters, HERE, replace(CONFIG, long_docs="chunk"))
    assert "--query-max-length 256" in warning
