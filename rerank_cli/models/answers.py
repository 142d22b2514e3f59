"""The answer of a language model as one row: the score of a pair is its last hidden state times this row.

The logit of a token is the last hidden state times the token's row of the output matrix. The difference of two logits
is the last hidden state times the difference of two rows. So the logits of the vocabulary are never computed, and
nothing is rounded between them.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.frame import OTHER_PROMPT
from rerank_cli.models.weights import FLOATS

CLASSIFIER: tuple[str, ...] = ("score.weight",)
OUTPUT = ("lm_head.weight",)
EMBEDDINGS = ("model.embed_tokens.weight", "embed_tokens.weight")


def answer_row(folder: ModelFolder, config: Any, answers: tuple[int, ...]) -> torch.Tensor:
    """The float32 row (hidden) for the ids of yes, and of no if there is one; without ids, that of a classifier.

    It is read from the files, in the precision that they have. Raises ModelError for weights without it.
    """
    question = folder.question
    assert question is not None  # the folder of a model that answers yes or no
    # a matrix in the files counts even if config.json says that it is that of the embeddings, as in transformers
    names = OUTPUT + (EMBEDDINGS if config.tie_word_embeddings else ())
    rows = _rows(folder, CLASSIFIER if question.converted else names, answers or (0,))
    row = rows[0] - rows[1] if len(rows) == 2 else rows[0]
    if row.shape != (config.hidden_size,) or not bool(row.any()):
        raise ModelError(f"{folder.path}: the weights that give the score are not those of the model", FETCH_AGAIN)
    return row / question.prompt.divide_by


def _rows(folder: ModelFolder, names: tuple[str, ...], numbers: tuple[int, ...]) -> list[torch.Tensor]:
    """These rows in float32 of the first of these tensors that the weights have."""
    path, name = _place(folder.weights, names)
    if name is None:
        raise ModelError(
            f"{folder.path}: the weights lack {names[0]}, which gives the score",
            "Fetch the model again: a reranker that answers yes or no has an output matrix.",
        )
    with safe_open(str(path), framework="pt") as file:
        matrix = file.get_slice(name)
        shape = matrix.get_shape()
        if matrix.get_dtype() not in FLOATS or len(shape) != 2 or (names == CLASSIFIER and shape[0] != 1):
            raise ModelError(f"{path}: {name} is no matrix of floats, or that of several labels", FETCH_AGAIN)
        if beyond := [number for number in numbers if number >= shape[0]]:
            raise ModelError(f"{path}: {name} has {shape[0]} rows, none for the token {beyond[0]}", OTHER_PROMPT)
        return [matrix[number : number + 1].float().flatten() for number in numbers]


def _place(files: tuple[Path, ...], names: tuple[str, ...]) -> tuple[Path, str | None]:
    """The file that has one of these tensors, and its name; None without one."""
    for name in names:
        for path in files:
            with safe_open(str(path), framework="pt") as file:
                if name in file.keys():  # noqa: SIM118 (no mapping)
                    return path, name
    return files[0], None
