"""Linear layers through oneDNN with weights packed once, for float32 and bfloat16 on the CPU.

torch multiplies float32 matrices with MKL, which packs the weight again in every call. oneDNN's inner product with a
packed weight was 1.1 times as fast on an EPYC in every tested shape, and applies GELU while the product is in the cache
(docs/experiments.md, E3). In bfloat16 torch uses oneDNN, but packs the weight in every call. The operator is the one
that torch's compiler emits, but it is not public. So it is tested on a layer of the model first. If it is missing or
computes other values, the model is left unchanged.
"""

from typing import Any

import torch
from torch import nn

CLOSE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}  # relative to the output: sums in another order, rounded


class PackedLinear(nn.Module):
    """The same map as an nn.Linear (any leading shape × in -> × out), inference only; optionally with GELU."""

    def __init__(self, linear: nn.Linear, gelu: bool = False) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())  # noqa: SLF001 - torch names it so
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._then: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply and add."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, *self._then)  # noqa: SLF001 - torch names it so
        return product


@torch.inference_mode()
def computes_the_same(linear: nn.Linear) -> bool:
    """Whether the packed operator is available and agrees with this layer."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    dtype = linear.weight.dtype
    x = torch.linspace(-1, 1, 3 * linear.in_features, dtype=dtype).reshape(1, 3, -1)
    plain = linear(x)
    try:
        pairs = [(PackedLinear(linear)(x), plain), (PackedLinear(linear, gelu=True)(x), nn.functional.gelu(plain))]
    except (AttributeError, RuntimeError):  # no such operator in this torch, or for this CPU and dtype
        return False
    return all(bool((packed - exact).abs().max() <= CLOSE[dtype] * plain.abs().max()) for packed, exact in pairs)


def pack_linear_layers(body: Any) -> int:
    """Replace the linear layers below `body` by packed ones. Returns their number, 0 if that is not possible."""
    found = [
        (parent, name, child)
        for parent in body.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child.weight.dtype in CLOSE
    ]
    count = len(found)
    if not found or not computes_the_same(found[0][2]):
        return 0
    while found:  # one at a time, so that there are never two copies of all weights
        parent, name, child = found.pop()
        gelu = name == "dense" and is_exact_gelu(getattr(parent, "intermediate_act_fn", None))
        setattr(parent, name, PackedLinear(child, gelu))
        if gelu:
            parent.intermediate_act_fn = nn.Identity()
        del child
    return count


@torch.inference_mode()
def is_exact_gelu(activation: Any) -> bool:
    """Whether the activation after the first feed-forward layer of a BERT-like model is GELU with erf."""
    x = torch.linspace(-6, 6, 97)
    return activation is not None and bool(torch.equal(activation(x), nn.functional.gelu(x)))
