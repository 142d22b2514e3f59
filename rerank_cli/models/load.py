"""A cross-encoder's weights, loaded whole or refused: no random heads, no code from repositories, no pickles.

transformers only warns when a checkpoint lacks its classification head, and then scores at random.
"""

from collections.abc import Iterator
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from rerank_cli.core.errors import ModelError
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.libraries import hide_weight_bars, in_short
from rerank_cli.models.weights import FLOATS, number_types

BUFFERS = (
    "position_ids",
    "token_type_ids",
    "inv_freq",
    "masked_bias",
    "attn.bias",
)  # some checkpoints carry them along
OTHER_HEADS = {  # of tasks that bodies are trained for, by the names that transformers gives them
    *("cls", "lm_head", "lm_predictions", "mask_predictions", "predictions", "sop_classifier", "pred_layer", "decoder"),
    *("vocab_transform", "vocab_layer_norm", "vocab_projector", "generator_predictions", "generator_lm_head"),
    *("discriminator_predictions", "classifier", "pre_classifier", "score", "head", "qa_outputs"),
    *("sparse_linear", "colbert_linear"),  # of bge-m3
}
HEADS = ("classifier", "score")  # attribute names of classification heads in transformers


def load_model(
    folder: ModelFolder,
    config: Any,
    dtype: torch.dtype,
    family: Any = AutoModelForSequenceClassification,
    unused: tuple[str, ...] = (),
) -> Any:
    """The model of a `family` of transformers on the CPU, complete but for what begins with `unused`.

    Raises ModelError when a file is damaged or a weight is missing.
    """
    hide_weight_bars()
    names = ", ".join(path.name for path in folder.weights)
    try:
        model, report = family.from_pretrained(
            str(folder.path),
            config=config,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as fault:  # damaged files raise whatever they lead the libraries to
        raise ModelError(
            f"{folder.path}: {names} cannot be loaded into the model that config.json describes ({in_short(fault)})",
            "Fetch the files anew.",
        ) from None
    missing = [name for name in sorted(report["missing_keys"]) if not (unused and name.startswith(unused))]
    missing += sorted(str(key) for key in report.get("mismatched_keys", ()))
    if missing:
        raise ModelError(
            f"{folder.path}: {names} lack {', '.join(missing[:4])} of the model that config.json describes; scores "
            "would be random",
            "This is not a fine-tuned reranker. Choose one, or fine-tune it first.",
        )
    types = number_types(folder.weights)
    twice = {name for name in types if f"{model.base_model_prefix}.{name}" in types}  # the library takes one of the two
    unexpected = sorted({*map(str, report["unexpected_keys"]), *twice})
    body = bool(unused)  # what was asked for has no head of its own
    if left := [name for name in unexpected if types.get(name) in FLOATS and not _may_be_left(name, model, body)]:
        raise ModelError(
            f"{folder.path}: {names} have {', '.join(left[:2])}, config.json describes a model without; scores would "
            "be those of no model",
            "Fetch config.json and the weights anew, from one place.",
        )
    if zero := next(_zeros(model), None):
        raise ModelError(
            f"{folder.path}: {names}: {zero} is all zeros; scores would say nothing",
            "The weights are damaged, or were never trained: fetch them anew.",
        )
    foreign = {name for name, kind in types.items() if kind not in FLOATS}
    foreign -= {*unexpected, *(name for name, _ in model.named_buffers())}
    if odd := sorted(name for name in foreign if not name.endswith(BUFFERS)):
        raise ModelError(
            f"{folder.path}: {names}: {', '.join(odd[:4])} are not 16-, 32- or 64-bit floats", "Fetch the files anew."
        )
    return model


def _may_be_left(name: str, model: Any, body: bool) -> bool:
    """Whether a weight that the model does not use may be passed over: then it changes no score of any model.

    Buffers that libraries compute themselves; a pooler, where the head reads the first token instead; with `body`,
    which has no head, the heads of the tasks that it was trained for.
    """
    parts = name.split(".")
    if name.endswith(BUFFERS):
        return True
    if "pooler" in parts:
        return not any(module.rpartition(".")[2] == "pooler" for module, _ in model.named_modules())
    return body and parts[0] in OTHER_HEADS


def _zeros(model: Any) -> Iterator[str]:
    """Names of whole matrices that are zero: no training leaves one. Embeddings count for the tokens alone.

    RoBERTa's conversions zero the embeddings of types, which it lacks. Vectors (biases, norms) may be zero, and what
    config.json says was written and not learnt, in `frozen_in_training`.
    """
    asked = getattr(model.config, "frozen_in_training", None)
    parts = [part for part in asked if isinstance(part, str)] if isinstance(asked, list) else []
    base = f"{model.base_model_prefix}."  # which a body saved alone has not before its names
    written = tuple(f"{part.removeprefix(base)}." for part in parts)
    words = model.get_input_embeddings().weight
    for name, weight in model.named_parameters():
        if (
            weight.ndim < 2
            or name.removeprefix(base).startswith(written)
            or ("embedding" in name and weight is not words)
        ):
            continue
        if not bool(weight.flatten()[:256].any()) and not bool(weight.any()):  # most show it at once
            yield str(name)


def keep_head_in_float32(model: Any, folder: ModelFolder) -> None:
    """Compute the classification head in float32 in any body: cast its weights, and its input at the door."""
    head = next((module for name in HEADS if (module := getattr(model, name, None)) is not None), None)
    if head is None:
        raise ModelError(f"{folder.path}: no classification head found", "This architecture is not supported yet.")
    head.float()
    head.register_forward_pre_hook(lambda _module, args: tuple(arg.float() for arg in args))
