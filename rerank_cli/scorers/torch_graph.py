"""A torch cross-encoder as graph exporters want it: named tensors in, logits out, nothing said."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from rerank_cli.scorers.cross_encoder import CrossEncoder
from rerank_cli.scorers.hf_model import keep_head_in_float32, load_model


class LogitsOnly(nn.Module):
    """The model of `encoder`, its head in float32: named int64 tensors (rows × longest) in, logits (rows × 1) out."""

    def __init__(self, encoder: CrossEncoder, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self._model = load_model(encoder.folder, encoder.config, dtype).eval()
        keep_head_in_float32(self._model, encoder.folder)
        self.body: str = self._model.base_model_prefix  # the head is all that is not below it

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the logits."""
        typed = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        outputs = self._model(input_ids=input_ids, attention_mask=attention_mask, **typed, return_dict=True)
        logits: torch.Tensor = outputs.logits
        return logits


def example_inputs(encoder: CrossEncoder) -> dict[str, torch.Tensor]:
    """Two rows of different lengths, so that no exporter takes the mask for a constant."""
    rows = {name: torch.ones(2, 16, dtype=torch.long) for name in encoder.inputs}
    rows["input_ids"] += 4
    rows["attention_mask"][1, 11:] = 0
    return rows


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep what exporters print and warn of away from the user: parity is tested, not hoped for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        said = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
