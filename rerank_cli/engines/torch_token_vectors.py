"""A late-interaction model loaded in torch: a vector for each token, and MaxSim.

    score = Σ over tokens of the query  max over tokens of the document  cosine

Projections, vectors and scores are in float32 for any dtype of the body. A document is compared alone, so there is no
padding that could win. (Source: Khattab & Zaharia, ColBERT, SIGIR 2020.)
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize
from transformers import AutoModel

from rerank_cli.engines.late_interaction import interaction_in
from rerank_cli.engines.rows import Row
from rerank_cli.engines.torch_rows import Rows
from rerank_cli.engines.torch_text_pairs import LoadedTextPairs
from rerank_cli.models.load import load_model
from rerank_cli.models.modular import projections
from rerank_cli.models.through_transformers import load_config


class LoadedLateInteraction(LoadedTextPairs):
    """The weights of a late-interaction model."""

    def load_weights(self) -> Any:
        """The body on the CPU. The projection is read, too."""
        folder = self.text_model.folder
        config, late = load_config(folder), interaction_in(folder)
        inline = tuple(layer.name for layer in late.layers if layer.name is not None)
        body = load_model(folder, config, self.dtype, AutoModel, read_elsewhere=inline)
        self._projection: nn.Module = projections(late.layers, int(config.hidden_size)).to(self.device)
        self._skipped = np.array(sorted(self.text_model.tokenizer.skipped), dtype=np.int32)
        return body

    @property
    def shape(self) -> tuple[int, ...]:
        """A vector a token."""
        return (-1, interaction_in(self.text_model.folder).width)

    def encode(self, inputs: dict[str, torch.Tensor], rows: Rows) -> list[torch.Tensor]:
        """Unit vectors (tokens × width) of the tokens of each row that count."""
        hidden = self.model(**inputs, return_dict=True).last_hidden_state.float()
        vectors = normalize(self._projection(hidden), dim=-1)
        return [vectors[place, self._counted(row)].clone() for place, row in enumerate(rows)]

    def _counted(self, row: Row) -> torch.Tensor:
        """The positions of the tokens of a row that count: all of a query, and of a document those not skipped."""
        counted = np.arange(len(row))
        if row.document:
            counted = counted[~np.isin(np.frombuffer(row.ids, dtype=np.int32), self._skipped)]
        return torch.from_numpy(counted).to(self.device)

    def similarity(self, query: torch.Tensor, document: torch.Tensor) -> torch.Tensor:
        """The MaxSim of a pair."""
        return (query @ document.T).max(dim=1).values.sum()
