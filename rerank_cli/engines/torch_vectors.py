"""A bi-encoder loaded in torch: the vectors of texts, and their cosines.

A query is encoded once for all its candidates, and never in a batch with others, so that its vector is always the same.
Vectors are pooled and compared in float32 for any dtype of the body.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers import AutoModel

from rerank_cli.core.errors import DeviceError
from rerank_cli.core.plan import Budget, plan_batches
from rerank_cli.core.scorer import Batch, PreparedPair
from rerank_cli.engines.bi_encoder import TextPair, encoding_in
from rerank_cli.engines.torch_cross_encoder import TRAITS
from rerank_cli.engines.torch_device import is_out_of_memory
from rerank_cli.engines.torch_model import LoadedCrossEncoder
from rerank_cli.models.load import load_model
from rerank_cli.models.pooling import pool
from rerank_cli.models.through_transformers import load_config

SMALLER = "Use a smaller --max-length, or --device cpu."
QUERIES_KEPT = 4096  # cached query vectors; candidates of a record come close together
TEXTS_AT_ONCE, CHARACTERS_AT_ONCE = (
    2048,
    2**20,
)  # tokenized together: about 40 MiB, with 20 KiB for a text of 120 tokens


class LoadedBiEncoder(LoadedCrossEncoder):
    """The weights of a bi-encoder. The device is used as for a cross-encoder; batches contain documents."""

    def load_weights(self) -> Any:
        """The model on the CPU, without a head; the cache of query vectors is empty."""
        self._queries: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self._lock = Lock()  # lanes share the cached vectors
        folder = self.text_model.folder
        return load_model(folder, load_config(folder), self.dtype, AutoModel)

    def logits(self, batch: Batch) -> torch.Tensor:
        """The cosine of each pair of the batch."""
        documents = self.vectors(self.inputs(batch))
        queries = torch.stack([self._query(pair.payload.query.tobytes()) for pair in batch.pairs])
        return (documents * queries).sum(dim=1)

    def vectors(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Unit vectors (rows × hidden, float32) of token ids (rows × longest)."""
        hidden = self.model(**inputs, return_dict=True).last_hidden_state.float()
        mask = inputs.get("attention_mask")
        vectors: torch.Tensor = normalize(pool(hidden, mask, encoding_in(self.text_model.folder).pooling), dim=1)
        return vectors

    def encoded_texts(
        self, texts: Sequence[str], role: str, on_batch: Callable[[int], None] = lambda _count: None
    ) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Unit vectors (texts × hidden) of texts with the `role` "query" or "document".

        The texts are tokenized in slices, because tokens take ten times the memory of vectors. `on_batch` is called
        with the number of texts of each batch. Raises DeviceError when one does not fit into memory.
        """
        made = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for start, end in slices(texts):
            for places, vectors in self._encode_slice(texts[start:end], role):
                made[[start + place for place in places]] = vectors
                on_batch(len(places))
        return made

    def _encode_slice(
        self, texts: Sequence[str], role: str
    ) -> "Iterator[tuple[tuple[int, ...], np.ndarray[Any, np.dtype[np.float32]]]]":
        """The vectors of a slice, batch by batch, with their positions in it."""
        pairs = [(text, "") if role == "query" else ("", text) for text in texts]
        prepared = [pair.payload for pair in self.text_model.prepare(pairs)]
        ids = [pair.query if role == "query" else pair.ids for pair in prepared]
        alone = [PreparedPair(len(each), truncated=False, payload=TextPair(each, each)) for each in ids]
        traits = TRAITS[self.device.type]
        for plan in plan_batches([pair.cost for pair in alone], Budget(traits.batch_tokens), traits.multiple):
            yield (
                plan.indices,
                self._fetch(Batch(tuple(alone[place] for place in plan.indices), plan.tokens, plan.padded)),
            )

    @torch.inference_mode()
    def _fetch(self, batch: Batch) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """The vectors of a batch, on the host. Raises DeviceError."""
        try:
            vectors: np.ndarray[Any, np.dtype[np.float32]] = self.vectors(self.inputs(batch)).cpu().numpy()
        except RuntimeError as fault:
            if is_out_of_memory(fault):
                raise DeviceError(f"{self.device}: out of memory for a batch of texts", SMALLER) from None
            raise
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
