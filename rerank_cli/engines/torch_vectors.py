"""A bi-encoder loaded in torch: a vector for each text, and their cosine.

Vectors are pooled and compared in float32 for any dtype of the body.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers import AutoModel

from rerank_cli.engines.bi_encoder import encoding_in
from rerank_cli.engines.torch_rows import Rows
from rerank_cli.engines.torch_text_pairs import LoadedTextPairs
from rerank_cli.models.load import load_model
from rerank_cli.models.pooling import pool
from rerank_cli.models.through_transformers import load_config

TEXTS_AT_ONCE, CHARACTERS_AT_ONCE = (
    2048,
    2**20,
)  # tokenized together: about 40 MiB, with 20 KiB for a text of 120 tokens


class LoadedBiEncoder(LoadedTextPairs):
    """The weights of a bi-encoder."""

    def load_weights(self) -> Any:
        """The model on the CPU, without a head."""
        folder = self.text_model.folder
        return load_model(folder, load_config(folder), self.dtype, AutoModel)

    @property
    def shape(self) -> tuple[int, ...]:
        """One vector."""
        return (int(self.model.config.hidden_size),)

    def encode(self, inputs: dict[str, torch.Tensor], rows: Rows) -> list[torch.Tensor]:
        """A unit vector (hidden) of each row."""
        hidden = self.model(**inputs, return_dict=True).last_hidden_state.float()
        pooled = pool(hidden, inputs["attention_mask"], encoding_in(self.text_model.folder).pooling)
        return [vector.clone() for vector in normalize(pooled, dim=1)[: len(rows)]]

    def similarity(self, query: torch.Tensor, document: torch.Tensor) -> torch.Tensor:
        """The cosine of a pair."""
        return query.dot(document)

    def encoded_texts(
        self, texts: Sequence[str], role: str, on_batch: Callable[[int], None] = lambda _count: None
    ) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Unit vectors (texts × hidden) of texts with the `role` "query" or "document".

        The texts are tokenized in slices, because tokens take ten times the memory of vectors. `on_batch` is called
        with the number of texts of each batch. Raises DeviceError when one does not fit into memory.
        """
        made = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for start, end in slices(texts):
            pairs = [(text, "") if role == "query" else ("", text) for text in texts[start:end]]
            prepared = [pair.payload for pair in self.text_model.prepare(pairs)]
            rows = [pair.query if role == "query" else pair.document for pair in prepared]
            counted = 0

            def count(batch: int) -> None:
                nonlocal counted
                counted += batch
                on_batch(batch)

            kept = self.encoder.vectors(rows, count, keep=False)
            made[start:end] = torch.stack([kept[row] for row in rows]).cpu().numpy()
            on_batch(len(rows) - counted)  # texts that were met before
        return made


def slices(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start and end of slices of at most TEXTS_AT_ONCE texts and CHARACTERS_AT_ONCE (or one longer text)."""
    start = characters = 0
    for place, text in enumerate(texts):
        characters += len(text)
        if place > start and (place - start == TEXTS_AT_ONCE or characters > CHARACTERS_AT_ONCE):
            yield start, place
            start, characters = place, len(text)
    if texts:
        yield start, len(texts)
