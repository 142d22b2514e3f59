"""Bi-encoders on torch: the cosine of two vectors that were made apart.

A query is encoded alone, never in a batch of others, so that its vector is the same whatever it is scored with, and
once for all its candidates. Vectors are pooled and compared in float32 in any body.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any

import torch
from torch.nn.functional import normalize
from transformers import AutoModel

from rerank_cli.scorers import Batch
from rerank_cli.scorers.bi_encoder import BiEncoder
from rerank_cli.scorers.hf_model import load_model
from rerank_cli.scorers.torch_cross_encoder import TorchCrossEncoder

QUERIES_KEPT = 4096  # vectors of queries; a record's candidates stand close together


class TorchBiEncoder(TorchCrossEncoder):
    """See the module and Scorer: the device is used as for a cross-encoder, batches hold documents."""

    engine = "bi-encoder"
    make_encoder = BiEncoder
    _encoder: BiEncoder

    def _loaded(self) -> Any:
        self._queries: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self._lock = Lock()  # lanes share the vectors
        return load_model(self._encoder.folder, self._encoder.config, self._dtype, AutoModel, ("pooler.",))

    def _logits(self, batch: Batch) -> torch.Tensor:
        documents = self.vectors(self._inputs(batch))
        queries = torch.stack([self._query(pair.payload.query.tobytes()) for pair in batch.pairs])
        return (documents * queries).sum(dim=1)

    def vectors(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Unit vectors (rows × hidden, float32) of token ids (rows × longest)."""
        hidden = self._model(**inputs, return_dict=True).last_hidden_state.float()
        mask = inputs.get("attention_mask")
        vectors: torch.Tensor = normalize(pooled(hidden, mask, self._encoder.encoding.pooling), dim=1)
        return vectors

    def _query(self, ids: bytes) -> torch.Tensor:
        with self._lock:
            if ids in self._queries:
                self._queries.move_to_end(ids)
                return self._queries[ids]
        tokens = torch.frombuffer(bytearray(ids), dtype=torch.int32).long().to(self.device)
        made: torch.Tensor = self.vectors({"input_ids": tokens[None]})[0]
        with self._lock:
            self._queries[ids] = made
            if len(self._queries) > QUERIES_KEPT:
                self._queries.popitem(last=False)
        return made


def pooled(hidden: torch.Tensor, mask: torch.Tensor | None, mode: str) -> torch.Tensor:
    """One vector a row of `hidden` (rows × tokens × hidden), padded on the right where `mask` is 0."""
    if mode == "cls":
        return hidden[:, 0]
    if mask is None:
        return hidden.mean(dim=1) if mode == "mean" else hidden[:, -1]
    counts = mask.sum(dim=1)
    if mode == "lasttoken":
        return hidden[torch.arange(len(hidden), device=hidden.device), counts - 1]
    return (hidden * mask[..., None]).sum(dim=1) / counts[:, None]
