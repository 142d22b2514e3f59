"""A torch cross-encoder in the form that graph exporters need: named tensors in, logits out."""

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
from rerank_cli.models.labels import logit_of
from rerank_cli.models.libraries import in_short
from rerank_cli.models.load import load_cross_encoder
from rerank_cli.models.through_transformers import load_config

PROBES = (((2, 3),), ((9, 20), (9, 20), (7, 13)), ((3, 8), (3, 8)), (*[(6, 12)] * 4, (1, 1)))
"""Batches to test a new graph: tokens of the query and the document of each pair."""
WINDOWS = ("local_attention", "sliding_window")  # keys of config.json: how many tokens a token attends to
MOST_OF_A_WINDOW = 1024  # tokens that a test pays for


def upper_layers(config: Any) -> str:
    """A pattern for the names of the body's upper layers that int8 leaves in float, as config.json sets.

    Our own key is `layers_in_float`. Most models do not need it; models that amplify small differences do
    (docs/experiments.md, E25).
    """
    count, asked = (getattr(config, name, None) for name in ("num_hidden_layers", "layers_in_float"))
    if not isinstance(count, int) or not isinstance(asked, int):
        count = asked = 0
    upper = range(max(0, count - max(0, asked)), count)
    return rf".*\blayers?\.({'|'.join(map(str, upper)) or '(?!)'})\b.*"


class LogitsOnly(nn.Module):
    """The model of `encoder`, its head in float32: named int64 tensors (rows × longest) in, logits (rows × 1) out.

    `in_float` has patterns for the names of the layers that int8 leaves in float: the head, and upper layers.
    """

    def __init__(self, encoder: CrossEncoder, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        config = load_config(encoder.folder)
        self._model = load_cross_encoder(encoder.folder, config, dtype).eval()
        self._label = encoder.folder.label
        if window_of(config) is not None:  # OpenVINO's fused attention gives NaN where all keys are masked
            self._model.base_model.set_attn_implementation("eager")
        body: str = self._model.base_model_prefix  # the head is everything outside it
        self.in_float = [rf".*\b_model\.(?!{body}\b).*", r".*\bpooler\b.*", upper_layers(config)]

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the logits."""
        typed = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        outputs = self._model(input_ids=input_ids, attention_mask=attention_mask, **typed, return_dict=True)
        return logit_of(outputs.logits, self._label)


def window_of(config: Any) -> int | None:
    """How many tokens a token attends to in local layers, by a configuration of transformers; None: to all."""
    found = (getattr(config, name, None) for name in WINDOWS)
    return next((size for size in found if type(size) is int and size > 0), None)


def probes_of(encoder: CrossEncoder) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The batches to test a graph with; rows of padding beyond the window of a model with local attention.

    There a token of the padding attends to padding alone, which a softmax without care turns into NaN.
    """
    window = window_of(load_config(encoder.folder))
    if window is None or window > MOST_OF_A_WINDOW:
        return PROBES
    longest = min(2 * window, encoder.lengths.positions - 16)
    return (*PROBES, ((4, longest), (3, 5)))


def example_inputs(encoder: CrossEncoder) -> dict[str, torch.Tensor]:
    """Two rows of different lengths, so that no exporter treats the mask as a constant."""
    rows = {name: torch.ones(2, 16, dtype=torch.long) for name in encoder.inputs}
    rows["input_ids"] += 4
    rows["attention_mask"][1, 11:] = 0
    return rows


def prove_graph(
    encoder: CrossEncoder, model: LogitsOnly, compute: Callable[[dict[str, Any]], Any], tolerance: float = 1e-3
) -> None:
    """Compare a new graph with its torch model; `compute` takes named int64 arrays and returns logits.

    The batches have random tokens and several shapes, with and without padding, since tracing can freeze any of them.
    `tolerance` is relative to the largest logit. Raises ModelError.
    """
    draw, size = np.random.default_rng(1), encoder.facts.rows
    expected, found = [], []
    for lengths in probes_of(encoder):
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
            f"{encoder.folder.name}: the graph computes other logits than the model (|Δlogit| {delta:.3g})",
            "Use --engine torch.",
        )


@contextlib.contextmanager
def exporting(encoder: CrossEncoder, form: str) -> Iterator[None]:
    """Raise NotMade for any exception of an exporter, for an unsupported model or a full disk."""
    try:
        yield
    except (RerankError, MemoryError, OSError):
        raise
    except Exception as fault:
        raise NotMade(
            f"{encoder.folder.name}: cannot be converted to {form} ({in_short(fault)})",
            "Use --engine torch.",
        ) from fault
