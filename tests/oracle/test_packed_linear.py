"""The packed linear layers compute what torch's own do."""

import pytest
import torch
from torch import nn

from rerank_cli.engines.torch_packed_linear import PackedLinear, computes_the_same, pack_linear_layers

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 8), (3, 17, 8), (64, 8)])
def test_packed_layer_equals_the_plain_one(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(1)
    plain = nn.Linear(8, 24, bias=bias)
    x = torch.randn(shape)
    with torch.inference_mode():
        assert torch.allclose(PackedLinear(plain)(x), plain(x), atol=1e-5)


def test_gelu_is_applied_in_the_packed_layer() -> None:
    torch.manual_seed(2)
    plain = nn.Linear(8, 24)
    x = torch.randn(5, 8) * 3
    with torch.inference_mode():
        assert torch.allclose(PackedLinear(plain, gelu=True)(x), nn.functional.gelu(plain(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "exact"),
    [(nn.GELU(), True), (nn.GELU(approximate="tanh"), False), (nn.ReLU(), False), (None, False)],
)
def test_only_gelu_by_erf_is_taken_into_the_layer(activation: nn.Module | None, exact: bool) -> None:
    class FeedForward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(8, 16)
            self.intermediate_act_fn = activation

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.dense(x)
            return x if self.intermediate_act_fn is None else self.intermediate_act_fn(x)

    torch.manual_seed(3)
    block, x = FeedForward(), torch.randn(4, 8)
    with torch.inference_mode():
        before = block(x)
        assert pack_linear_layers(block) == 1
        assert isinstance(block.intermediate_act_fn, nn.Identity) is exact
        assert torch.allclose(block(x), before, atol=1e-5)


def test_layer_that_computes_otherwise_is_left_alone() -> None:
    plain = nn.Linear(8, 4)
    assert computes_the_same(plain)
    plain.register_forward_hook(lambda _module, _args, output: output + 1)
    assert not computes_the_same(plain)
    model = nn.Sequential(plain, nn.ReLU())
    assert pack_linear_layers(model) == 0
    assert model[0] is plain


def test_float16_layers_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(8, 4).to(torch.float16))
    assert pack_linear_layers(model) == 0


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN has no bfloat16 on this CPU")
def test_bfloat16_layers_are_packed_and_agree_with_float32() -> None:
    torch.manual_seed(4)
    plain = nn.Linear(64, 24)
    model = nn.Sequential(plain.to(torch.bfloat16))
    x = torch.randn(7, 64).bfloat16()
    with torch.inference_mode():
        exact = nn.functional.linear(x.float(), plain.weight.float(), plain.bias.float())
        assert pack_linear_layers(model) == 1
        assert torch.allclose(model(x).float(), exact, atol=0.02)


def test_every_linear_layer_of_a_body_is_packed() -> None:
    body = nn.Sequential(nn.Linear(8, 8), nn.ModuleDict({"deep": nn.Sequential(nn.Linear(8, 4))}))
    assert pack_linear_layers(body) == 2
    assert not any(isinstance(module, nn.Linear) for module in body.modules())
