"""A late-interaction model loaded in torch: a vector for each token, and MaxSim.

    score = Σ over tokens of the query  max over tokens of the document  cosine

Projections, vectors and scores are in float32 for any dtype of the body. Each document is compared alone: a product of
several would round otherwise, and needs no padding that could win. (Source: Khattab & Zaharia, ColBERT, SIGIR 2020.)
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize
from transformers import AutoModel

from rerank_cli.core.scorer import Batch
from rerank_cli.engines.lanes import side_by_side
from rerank_cli.engines.late_interaction import Row, interaction_in
from rerank_cli.engines.torch_model import LoadedCrossEncoder
from rerank_cli.engines.torch_rows import RowEncoder, Rows
from rerank_cli.models.load import load_model
from rerank_cli.models.modular import projections
from rerank_cli.models.through_transformers import load_config

AHEAD = 64  # batches whose texts are encoded together


class LoadedLateInteraction(LoadedCrossEncoder):
    """The weights of a late-interaction model. Texts are encoded in fixed shapes, whatever batches they come in."""

    def __init__(self, *arguments: Any) -> None:
        """Load the weights. Raises ModelError, and MemoryError when they do not fit."""
        super().__init__(*arguments)
        tokenizer, lengths = self.text_model.tokenizer, self.text_model.lengths
        self._skipped = np.array(sorted(tokenizer.skipped), dtype=np.int32)
        self.encoder = RowEncoder(
            self._encode,
            self.device,
            lengths.positions,
            self.text_model.pad_id,
            lanes=self._lanes,
            threads=self._lane_threads,
        )

    def load_weights(self) -> Any:
        """The body on the CPU; the projection beside it."""
        folder = self.text_model.folder
        config = load_config(folder)
        late = interaction_in(folder)
        inline = tuple(layer.name for layer in late.layers if layer.name is not None)
        body = load_model(folder, config, self.dtype, AutoModel, beside=inline)
        self._projection: nn.Module = projections(late.layers, int(config.hidden_size)).to(self.device)
        return body

    def _encode(self, inputs: dict[str, torch.Tensor], rows: Rows) -> list[torch.Tensor]:
        """Unit vectors (tokens × width, float32) of the tokens of each row, those that are skipped included."""
        hidden = self.model(**inputs, return_dict=True).last_hidden_state.float()
        vectors = normalize(self._projection(hidden), dim=-1)
        return [vectors[place, : len(row)].clone() for place, row in enumerate(rows)]

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Yield the scores of each batch, in order. Raises DeviceError when texts do not fit into memory."""
        while group := list(islice(batches, AHEAD)):
            pairs = [pair.payload for batch in group for pair in batch.pairs]
            rows = dict.fromkeys(row for pair in pairs for row in (pair.document, pair.query))
            vectors = self.encoder.vectors(rows)
            yield from side_by_side(partial(self._scores, vectors), self._lanes, iter(group))

    @torch.inference_mode()
    def _scores(self, vectors: dict[Row, torch.Tensor], batch: Batch) -> list[float]:
        """The MaxSim of each pair."""
        if self.device.type == "cpu":
            torch.set_num_threads(self._lane_threads)
        pairs = [pair.payload for pair in batch.pairs]
        scores = [
            self._maxsim(vectors[pair.query], vectors[pair.document], self._counted(pair.document)) for pair in pairs
        ]
        return list(torch.stack(scores).tolist())

    def _counted(self, row: Row) -> torch.Tensor | None:
        """Which tokens of a document count; None for all of them."""
        ids = np.frombuffer(row.ids, dtype=np.int32)
        skipped = np.isin(ids, self._skipped)
        return torch.from_numpy(~skipped).to(self.device) if skipped.any() else None

    @staticmethod
    def _maxsim(query: torch.Tensor, document: torch.Tensor, counted: torch.Tensor | None) -> torch.Tensor:
        if counted is not None:
            document = document[counted]
        return (query @ document.T).max(dim=1).values.sum()
