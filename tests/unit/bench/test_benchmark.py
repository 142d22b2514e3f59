"""What a benchmark counts and generates."""

from itertools import islice
from pathlib import Path

import pytest
from support.resolving import resolved_of

from rerank_cli.bench.benchmark import gflop
from rerank_cli.bench.contestants import Worker
from rerank_cli.bench.generated import generate_records, lengths_of
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.models.through_transformers import load_tokenizer
from rerank_cli.models.tokens import PairTokenizer

MINI = Path(__file__).resolve().parents[3] / "rerank_cli" / "models" / "mini"


def test_arithmetic_of_one_layer_is_six_matrices_and_attention() -> None:
    config = {"num_hidden_layers": 1, "hidden_size": 2, "intermediate_size": 8}
    matrices, attention = 2 * (4 * 2 * 2 + 2 * 2 * 8), 4 * 2
    assert gflop(config, {"tokens": 5, "squares": 25}) == pytest.approx((5 * matrices + 25 * attention) / 1e9)


def test_six_layers_of_384_cost_some_23_megaflop_a_token() -> None:
    """The figure that others computed for this shape, at 230 tokens a pair."""
    config = {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}
    assert gflop(config, {"tokens": 230, "squares": 230 * 230}) * 1000 / 230 == pytest.approx(23, abs=1)


def lengths(spec: str, pairs: int, longest: int) -> list[int]:
    tokenizer = PairTokenizer(resolved_of(load_tokenizer(MINI)), longest, longest * 3 // 4)
    records = list(generate_records(spec, pairs))
    return [
        pair.cost for pair in tokenizer.prepare([(r["query"], c["text"]) for r in records for c in r["candidates"]])
    ]


def test_fixed_lengths_are_exact() -> None:
    assert lengths_of("fixed:128", 512) == 128
    assert set(lengths("fixed:128", 45, 128)) == {128}


@pytest.mark.parametrize(("spec", "mean"), [("lognormal", 230), ("lognormal:64", 64)])
def test_log_normal_lengths_have_the_mean_that_was_asked_for(spec: str, mean: int) -> None:
    found = lengths(spec, 1000, lengths_of(spec, 512))
    assert len(found) == 1000
    assert sum(found) / 1000 == pytest.approx(mean, rel=0.1)
    assert len(set(found)) > 50


def test_fewer_records_are_a_prefix_of_more() -> None:
    assert list(islice(generate_records("lognormal", 100), 2)) == list(generate_records("lognormal", 40))
    assert [len(record["candidates"]) for record in generate_records("lognormal", 45)] == [20, 20, 5]


@pytest.mark.parametrize("spec", ["", "fixed", "fixed:", "fixed:x", "fixed:9", "normal", "lognormal:-1", "fixed:99999"])
def test_lengths_that_mean_nothing_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="--lengths"):
        lengths_of(spec, ModelConfig().max_length)


@pytest.mark.slow
def test_a_process_that_dies_is_told_with_how_it_ended() -> None:
    worker = Worker({"kind": "matrix", "device": "cpu", "threads": 1})
    assert worker.failed is None
    worker._process.kill()
    assert worker.ask({"dtype": "fp32"}) == {"failed": "the process ended with -9: no message"}
    worker.close()
