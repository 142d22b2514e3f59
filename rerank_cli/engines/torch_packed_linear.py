"""Linear layers through oneDNN with weights packed once, for float32 and bfloat16 on the CPU.

torch multiplies float32 matrices through MKL, which packs the weight again on every call. oneDNN's inner product on a
weight packed once gave 1.1 times its rate on an EPYC in every shape tried, and applies GELU while the product is still
in the cache (docs/experiments.md, E3). In bfloat16 torch goes through oneDNN by itself, but packs the weight
again each time. The operator is the one that torch's own compiler emits, but it is not public: it is tried on a layer
of the model first, and where it is missing or does not compute the same, the model is left as it is.
"""

from typing import Any

import torch
from torch import nn

CLOSE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}  # of the output's size: sums in another order, rounded


class PackedLinear(nn.Module):
    """The same map as an nn.Linear (any leading shape × in -> × out), inference only; with GELU if asked."""

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
    """Whether the packed forms of this layer are available and agree with it."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    dtype = linear.weight.dtype
    x = torch.linspace(-1, 1, 3 * linear.in_features, dtype=dtype).reshape(1, 3, -1)
    plain = linear(x)
    try:
        pairs = [(PackedLinear(linear)(x), plain), (PackedLinear(linear, gelu=True)(x), nn.functional.gelu(plain))]
    except (AttributeError, RuntimeError):  # this torch has no such operator, or not for this CPU and dtype: go without
        return False
    return all(bool((packed - exact).abs().max() <= CLOSE[dtype] * plain.abs().max()) for packed, exact in pairs)


def pack_linear_layers(body: Any) -> int:
    """Replace the linear layers below `body` by packed ones; returns how many, 0 where that is not possible."""
    found = [
        (parent, name, child)
        for parent in body.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child.weight.dtype in CLOSE
    ]
    count = len(found)
    if not found or not computes_the_same(found[0][2]):
        return 0
    while found:  # one at a time, so that no two copies of all weights exist
        parent, name, child = found.pop()
        gelu = name == "dense" and is_exact_gelu(getattr(parent, "intermediate_act_fn", None))
        setattr(parent, name, PackedLinear(child, gelu))
        if gelu:
            parent.intermediate_act_fn = nn.Identity()
        del child
    return count


@torch.inference_mode()
def is_exact_gelu(activation: Any) -> bool:
    """Whether an activation, as BERT's family keeps it beside its first feed-forward layer, is GELU by erf."""
    x = torch.linspace(-6, 6, 97)
    return activation is not None and bool(torch.equal(activation(x), nn.functional.gelu(x)))
