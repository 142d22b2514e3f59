"""The losses of `rows.LOSSES`: those of sentence-transformers, and one that it lacks.

Imported by `trainer`.
"""

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import losses

TRIPLET_MARGIN = 1.0  # logits


class TripletMarginLoss(torch.nn.Module):
    """max(0, margin − (logit of the relevant text − logit of the other one)), the mean over rows."""

    def __init__(self, model: CrossEncoder, margin: float = TRIPLET_MARGIN) -> None:
        super().__init__()
        self.model, self.margin = model, margin

    def forward(self, inputs: list[list[str]], _labels: Any = None, **options: Any) -> torch.Tensor:
        """`inputs`: queries, relevant texts, other texts."""
        queries, positives, negatives = inputs
        count = len(queries)
        pairs = [*zip(queries, positives, strict=True), *zip(queries, negatives, strict=True)]
        features = self.model.preprocess(pairs, **options)
        features = {name: value.to(self.model.device) for name, value in features.items() if hasattr(value, "to")}
        logits = self.model(features)["scores"].view(-1).float()
        return torch.relu(self.margin - logits[:count] + logits[count:]).mean()

    def get_config_dict(self) -> dict[str, Any]:
        """The margin, for the training log of sentence-transformers."""
        return {"margin": self.margin}


def make_loss(name: str, model: CrossEncoder) -> Any:
    """The loss with this name: a module that takes columns of texts and labels, and returns the mean over rows."""
    makers: dict[str, Callable[[], Any]] = {
        "bce": lambda: losses.BinaryCrossEntropyLoss(model),
        "listnet": lambda: losses.ListNetLoss(model, mini_batch_size=-1),
        "lambda": lambda: losses.LambdaLoss(model, mini_batch_size=-1),
        "kl": lambda: losses.ListNetLoss(model, mini_batch_size=-1),  # with a teacher's logits: KL, up to a constant
        "margin-mse": lambda: losses.MarginMSELoss(model),
        "triplet": lambda: TripletMarginLoss(model),
    }
    return makers[name]()
