"""A torch cross-encoder as graph exporters want it: named tensors in, logits out, nothing said."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from rerank_cli.core.errors import ModelError, RerankError
from rerank_cli.core.scorer import Batch
from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.models.graph_files import NotMade
from rerank_cli.models.libraries import in_short
from rerank_cli.models.load import keep_head_in_float32, load_model

PROBES = (((2, 3),), ((9, 20), (9, 20), (7, 13)), ((3, 8), (3, 8)), (*[(6, 12)] * 4, (1, 1)))
"""Batches that a new graph is tried with: tokens of each pair's query and document."""


def upper_layers(config: Any) -> str:
    """A pattern of the names of the body's upper layers that int8 leaves in float: as many as config.json asks for.

    A key of ours, `layers_in_float`: most models need none, those that multiply small differences do
    (docs/experiments.md, E25).
    """
    count, asked = (getattr(config, name, None) for name in ("num_hidden_layers", "layers_in_float"))
    if not isinstance(count, int) or not isinstance(asked, int):
        count = asked = 0
    upper = range(max(0, count - max(0, asked)), count)
    return rf".*\blayers?\.({'|'.join(map(str, upper)) or '(?!)'})\b.*"


class LogitsOnly(nn.Module):
    """The model of `encoder`, its head in float32: named int64 tensors (rows × longest) in, logits (rows × 1) out."""

    def __init__(self, encoder: CrossEncoder, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self._model = load_model(encoder.folder, encoder.config, dtype).eval()
        keep_head_in_float32(self._model, encoder.folder)
        self.body: str = self._model.base_model_prefix  # the head is all that is not below it
        self.upper = upper_layers(encoder.config)

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


def prove_graph(
    encoder: CrossEncoder, model: LogitsOnly, compute: Callable[[dict[str, Any]], Any], tolerance: float = 1e-3
) -> None:
    """Compare a new graph with the torch model it was made from; `compute` takes named int64 arrays, gives logits.

    Random tokens where texts stand, in batches of several shapes, with and without padding: tracing may freeze any of
    them. `tolerance` is of the largest logit of all. Raises ModelError.
    """
    draw, size = np.random.default_rng(1), int(encoder.config.vocab_size)
    expected, found = [], []
    for lengths in PROBES:
        pairs = [
            encoder.tokenizer.compose(*(draw.integers(4, size, length).tolist() for length in pair)) for pair in lengths
        ]
        names, arrays = encoder.arrays(Batch.of(pairs), masked=True)
        with torch.inference_mode():
            inputs = {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}
            expected.append(model(**inputs).flatten().numpy())
        found.append(np.asarray(compute(dict(zip(names, arrays, strict=True)))).flatten())
    one, other = np.concatenate(expected), np.concatenate(found)
    delta = float(np.abs(one - other).max())
    if not delta <= tolerance * max(0.01, float(np.abs(one).max())):
        raise ModelError(
            f"{encoder.folder.name}: its graph does not compute what the model does (|Δlogit| {delta:.3g})",
            "Use --engine torch.",
        )


@contextlib.contextmanager
def exporting(encoder: CrossEncoder, form: str) -> Iterator[None]:
    """Turn whatever an exporter raises, for a model that it cannot take or a full disk, into NotMade."""
    try:
        yield
    except (RerankError, MemoryError, OSError):
        raise
    except Exception as fault:
        raise NotMade(
            f"{encoder.folder.name}: cannot be turned into a graph for {form} ({in_short(fault)})",
            "Use --engine torch.",
        ) from fault
