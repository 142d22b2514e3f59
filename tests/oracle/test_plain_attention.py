"""Attention by plain products computes what torch's fused kernel does."""

import pytest
import torch
from support.tiny import tiny_config
from transformers import (
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from rerank_cli.core.errors import ModelError
from rerank_cli.engines import torch_plain_attention as plain
from rerank_cli.engines.torch_plain_attention import plain_attention, use_plain_attention

SHAPES = [(1, 2, 1, 8), (3, 2, 17, 8), (2, 4, 64, 32)]


def inputs(shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    rows, _, length, _ = shape
    mask = torch.zeros(rows, 1, length, length)
    mask[-1, ..., length - length // 3 :] = torch.finfo(torch.float32).min
    return (*(torch.randn(shape) for _ in range(3)), mask)


@pytest.mark.parametrize("longest", [1024, 0])  # 0: all go to the fused kernel
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_equals_the_fused_kernel(
    shape: tuple[int, ...], masked: bool, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "LONGEST", longest)
    query, key, value, mask = inputs(shape)
    with torch.inference_mode():
        ours, weights = plain_attention(None, query, key, value, mask if masked else None, scaling=0.3)
        fused = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask if masked else None, scale=0.3)
    assert weights is None
    assert torch.allclose(ours, fused.transpose(1, 2), atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_a_model_switched_over_gives_the_same_logits(family: str) -> None:
    torch.manual_seed(2)
    if family == "bert":
        model = BertForSequenceClassification(tiny_config()).eval()
    else:
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        model = XLMRobertaForSequenceClassification(XLMRobertaConfig(vocab_size=40, num_labels=1, **sizes)).eval()
    ids = torch.randint(4, 30, (3, 11))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    with torch.inference_mode():
        before = [model(ids, attention_mask=each).logits for each in (mask, None)]
        assert use_plain_attention(model)
        after = [model(ids, attention_mask=each).logits for each in (mask, None)]
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_model_that_lets_nobody_choose_is_left_alone() -> None:
    assert not use_plain_attention(torch.nn.Linear(2, 2))


def test_a_model_of_another_family_is_left_alone() -> None:
    """Grouped keys, soft caps and the like would be lost."""
    config = GPT2Config(vocab_size=40, n_embd=8, n_layer=1, n_head=2, num_labels=1)
    assert not use_plain_attention(GPT2ForSequenceClassification(config))


def test_an_option_that_changes_the_scores_is_never_dropped() -> None:
    query, key, value, mask = inputs(SHAPES[1])
    with pytest.raises(ModelError, match="softcap"):
        plain_attention(None, query, key, value, mask, softcap=30.0)
