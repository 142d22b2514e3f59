"""The logit of one label of a classifier with several."""

import torch


def logit_of(logits: torch.Tensor, label: int | None) -> torch.Tensor:
    """One logit a row (rows × 1) from those of all labels (rows × labels).

    It is the log-odds of the `label` against all others: its logit less the log of the sum of the others' exponentials.
    None: there is one label, and its logit is taken.
    """
    if label is None:
        return logits
    others = torch.cat([logits[:, :label], logits[:, label + 1 :]], dim=1)
    return logits[:, label : label + 1] - torch.logsumexp(others, dim=1, keepdim=True)
