"""A language model loaded in torch, and its answers: the last hidden state of a pair times one row of weights.

A token sees the tokens before it alone, so tokens of padding, which come last, change nothing before them. They need no
mask, and attention without a mask is the fastest. The state is that of a pair's own last token, wherever padding begins
and whatever that token is: transformers' classifiers look for the last token that is not the padding's, and miss a text
that ends with one. The row, and the product with it, are in float32 for any dtype of the body.
"""

from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from rerank_cli.core.scorer import Batch
from rerank_cli.engines.torch_model import LoadedCrossEncoder
from rerank_cli.models.answers import answer_row
from rerank_cli.models.load import load_model
from rerank_cli.models.through_transformers import load_config


class LoadedYesNo(LoadedCrossEncoder):
    """The weights of a reranker that answers yes or no; `row` (hidden, float32) gives its scores."""

    def load_weights(self) -> Any:
        """The model on the CPU, without its output matrix."""
        folder = self.text_model.folder
        config = load_config(folder)
        body = load_model(folder, config, self.dtype, AutoModel)
        self.row = answer_row(folder, config, self.text_model.tokenizer.answers).to(self.device)
        return body

    def logits(self, batch: Batch) -> torch.Tensor:
        """A float32 logit for each pair of the batch, on the device."""
        ids = self.inputs(batch)["input_ids"]
        # copied before the computation begins: a copy after it would wait for its end
        last = self._on_device(np.array([len(pair.payload.ids) - 1 for pair in batch.pairs], dtype=np.int64))
        hidden: torch.Tensor = self.model(input_ids=ids, use_cache=False, return_dict=True).last_hidden_state
        return hidden[torch.arange(len(last), device=ids.device), last].float() @ self.row
