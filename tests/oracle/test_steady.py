"""The model on which engines keep narrow bounds: it tells pairs apart and does not multiply small differences."""

import functools
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.steady import sample_queries, write_steady
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.self_test import score_together

SOME = [(query, text) for query, texts in sample_queries() for text in texts[:2]]


class Plain:
    """A model in transformers alone, one pair at a time."""

    def __init__(self, path: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()

    @torch.inference_mode()
    def logits(self) -> list[float]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # so small a model spends its time waiting for a second thread
        inputs = (self.tokenizer(*pair, return_tensors="pt", truncation=True, max_length=512) for pair in SOME)
        found = [self.model(**each).logits.item() for each in inputs]
        torch.set_num_threads(threads)
        return found

    @functools.cached_property
    def exact(self) -> list[float]:
        return self.logits()


def amplification(model: Plain) -> float:
    """What bfloat16 between layers changes in logits, in their standard deviations, over the relative change of it."""
    changes: list[float] = []

    def rounded(_module: torch.nn.Module, _arguments: object, given: torch.Tensor) -> torch.Tensor:
        near = given.bfloat16().float()
        changes.append(float((near - given).norm() / given.norm()))
        return near

    exact = model.exact
    hooks = [layer.register_forward_hook(rounded) for layer in model.model.base_model.encoder.layer]
    differences = [a - b for a, b in zip(exact, model.logits(), strict=True)]
    for hook in hooks:
        hook.remove()
    out = statistics.fmean(each**2 for each in differences) ** 0.5 / statistics.pstdev(exact)
    return out / statistics.fmean(changes)


@pytest.fixture(scope="module")
def steady(path_of: Callable[[str], str]) -> Plain:
    return Plain(path_of("steady"))


def test_steady_tells_pairs_apart(steady: Plain) -> None:
    assert statistics.pstdev(steady.exact) > 1
    of_queries = [abs(a - b) for a, b in zip(steady.exact[::2], steady.exact[1::2], strict=True)]  # two texts each
    assert min(of_queries) > 1e-3
    assert statistics.fmean(of_queries) > 0.5


def test_steady_is_always_the_same(path_of: Callable[[str], str], tmp_path: Path) -> None:
    torch.rand(3)
    again = write_steady(tmp_path / "again")
    for path in again.iterdir():
        assert path.read_bytes() == (Path(path_of("steady")) / path.name).read_bytes()


def test_steady_does_not_multiply_differences(steady: Plain) -> None:
    found = amplification(steady)
    print(f"\nsteady: {found:.1f}")
    assert found < 6


def test_torch_gives_the_logits_of_transformers(path_of: Callable[[str], str], steady: Plain) -> None:
    scorer = open_scorer(ModelConfig(model=path_of("steady"), engine="torch", device="cpu", dtype="fp32"))
    scorer.load()
    assert score_together(scorer, scorer.prepare(SOME)) == pytest.approx(steady.exact, abs=2e-5)
