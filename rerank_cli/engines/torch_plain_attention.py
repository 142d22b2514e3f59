"""Attention as two matrix products and a softmax, for bfloat16 on the CPU.

torch's fused CPU kernel multiplies in float32 and takes twice as long as this in every tested shape up to 512 tokens
(docs/experiments.md, E9). This one holds all attention weights of a batch, so long texts use the fused kernel.
"""

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from rerank_cli.core.errors import ModelError

NAME = "rerank_plain"
TRIED = ("bert", "xlm-roberta")
IGNORED = frozenset({"dropout", "is_causal", "position_ids", "use_cache", "output_attentions"})  # unused in scoring
LONGEST = 1024  # tokens: heads × 2 MiB of weights per row


def plain_attention(
    _module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of queries, keys, values (rows × heads × length × width) to (rows × length × heads × width).

    The mask is added. Raises ModelError for an unknown option.
    """
    if unknown := [name for name, value in options.items() if name not in IGNORED and value is not None]:
        # ignoring them would silently change scores; the self-test raises this before any record is scored
        raise ModelError(
            f"--dtype bf16: the attention of this model needs {', '.join(unknown)}",
            "Use --dtype fp32, which uses torch's attention.",
        )
    rows, heads, length, width = query.shape
    scale = width**-0.5 if scaling is None else scaling
    if length > LONGEST:
        fused = torch.nn.functional.scaled_dot_product_attention(query, key, value, attention_mask, scale=scale)
        return fused.transpose(1, 2).contiguous(), None
    flat = (rows * heads, length, width)
    scores = torch.bmm((query * scale).reshape(flat), key.reshape(flat).transpose(1, 2))
    weights = scores.view(rows, heads, length, length)
    if attention_mask is not None:
        weights += attention_mask
    torch.softmax(weights, -1, out=weights)
    mixed = torch.bmm(scores, value.reshape(flat)).view(rows, heads, length, width)
    return mixed.transpose(1, 2).contiguous(), None


def use_plain_attention(model: Any) -> bool:
    """Use plain attention in a model. Returns False for an untested architecture, which may need other options."""
    config = getattr(model, "config", None)
    if not getattr(model, "_supports_attention_backend", False) or getattr(config, "model_type", None) not in TRIED:
        return False
    AttentionInterface.register(NAME, plain_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    model.set_attn_implementation(NAME)
    return True
