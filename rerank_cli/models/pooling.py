"""One vector a row from the hidden states of its tokens."""

import torch


def pool(hidden: torch.Tensor, mask: torch.Tensor | None, mode: str) -> torch.Tensor:
    """One vector per row of `hidden` (rows × tokens × width), padded on the right where `mask` is 0."""
    if mode == "cls":
        return hidden[:, 0]
    if mask is None:
        return hidden.mean(dim=1) if mode == "mean" else hidden[:, -1]
    counts = mask.sum(dim=1)
    if mode == "lasttoken":
        last = (counts - 1)[:, None, None].expand(-1, 1, hidden.size(-1))  # an index would freeze the rows of a graph
        return hidden.gather(1, last).squeeze(1)
    return (hidden * mask[..., None]).sum(dim=1) / counts[:, None]
