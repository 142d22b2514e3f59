"""A cross-encoder whose head is in modules of sentence-transformers: a body of transformers, pooling, and layers."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.head import Layer, ModularHead
from rerank_cli.models.pooling import pool

NAMES = {"Dense": "linear", "LayerNorm": "norm"}  # what the weights of a layer are called in its file


class Modular(nn.Module):
    """A body with the head of `head` after it, whose weights are read here, in float32.

    It is called as a sequence classifier of transformers is. Raises ModelError for weights that do not fit the head.
    """

    base_model_prefix = "body"

    def __init__(self, body: Any, head: ModularHead) -> None:
        super().__init__()
        self.body, self.config = body, body.config
        self._mode = head.pooling
        self.head = projections(head.layers, int(body.config.hidden_size))

    @property
    def base_model(self) -> Any:
        """The body."""
        return self.body

    def forward(self, attention_mask: torch.Tensor | None = None, **inputs: Any) -> Any:
        """The logits (rows × 1, float32), as an attribute."""
        if attention_mask is not None:
            inputs["attention_mask"] = attention_mask
        hidden = self.body(**inputs).last_hidden_state.float()
        return SimpleNamespace(logits=self.head(pool(hidden, attention_mask, self._mode)))


def projections(layers: Sequence[Layer], width: int) -> nn.Module:
    """Layers after each other, for vectors of `width`, in float32. Raises ModelError."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules.append(_loaded(layer, width))
        if layer.activation != "Identity":
            modules.append(getattr(nn, layer.activation)())
        width = layer.width
    return nn.Sequential(*modules).float().eval()


def _loaded(layer: Layer, width: int) -> nn.Module:
    """A layer with its weights, for vectors of `width`. Raises ModelError."""
    expected: dict[str, tuple[int, ...]] = {"weight": (layer.width, width)} | (
        {"bias": (layer.width,)} if layer.bias else {}
    )
    if layer.type == "LayerNorm":
        expected = {"weight": (width,), "bias": (width,)}
    try:
        tensors = load_file(layer.weights)
    except Exception as fault:  # damaged files raise any exception
        raise ModelError(f"{layer.weights}: cannot be read ({str(fault)[:200]})", FETCH_AGAIN) from None
    name = NAMES[layer.type]
    if layer.name is not None:
        tensors = {f"{name}.weight": tensors[layer.name]} if layer.name in tensors else {}
    found = {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items()}
    shapes = {key: tuple(tensor.shape) for key, tensor in found.items()}
    if shapes != expected or (layer.type == "LayerNorm" and layer.width != width):
        raise ModelError(
            f"{layer.weights}: has {shapes}, and a {layer.type} of {layer.width} after vectors of {width} is declared",
            FETCH_AGAIN,
        )
    if not all(tensor.is_floating_point() for tensor in found.values()):
        raise ModelError(f"{layer.weights}: not floats", FETCH_AGAIN)
    if not bool(found["weight"].any()):
        raise ModelError(f"{layer.weights}: {name}.weight is all zeros; scores would be meaningless", FETCH_AGAIN)
    norm = layer.type == "LayerNorm"
    made: nn.Module = nn.LayerNorm(width) if norm else nn.Linear(width, layer.width, bias=layer.bias)
    made.load_state_dict({key: tensor.float() for key, tensor in found.items()})
    return made
