"""Load the weights of a cross-encoder completely or refuse them: no random heads, no repository code, no pickles.

transformers only warns when a checkpoint lacks its classification head, and then scores are random.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.libraries import hide_weight_bars, in_short
from rerank_cli.models.weights import FLOATS, number_types

BUFFERS = (
    "position_ids",
    "token_type_ids",
    "inv_freq",
    "masked_bias",
    "attn.bias",
)  # in some checkpoints
OTHER_HEADS = {  # heads of other training tasks, by their names in transformers
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
    read_elsewhere: Sequence[str] = (),
) -> Any:
    """The model of a `family` of transformers on the CPU. Of a body, AutoModel, the pooler may be missing.

    Weights named in `read_elsewhere` may be in its files, too. Raises ModelError when a file is damaged or a weight is
    missing.
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
    except Exception as fault:  # damaged files raise any exception
        raise ModelError(
            f"{folder.path}: {names} cannot be loaded into the model that config.json describes ({in_short(fault)})",
            FETCH_AGAIN,
        ) from None
    body = family is AutoModel  # it has no head of its own
    missing = [name for name in sorted(report["missing_keys"]) if not (body and name.startswith("pooler."))]
    missing += sorted(str(key) for key in report.get("mismatched_keys", ()))
    if missing:
        raise ModelError(
            f"{folder.path}: {names} lack {', '.join(missing[:4])}, which config.json requires; scores would be random",
            "Choose a fine-tuned reranker, or fine-tune this model first.",
        )
    types = number_types(folder.weights)
    twice = {name for name in types if f"{model.base_model_prefix}.{name}" in types}  # the library uses one of the two
    unexpected = sorted({*map(str, report["unexpected_keys"]), *twice} - {*read_elsewhere})
    if left := [name for name in unexpected if types.get(name) in FLOATS and not _may_be_left(name, model, body)]:
        raise ModelError(
            f"{folder.path}: {names} have {', '.join(left[:2])}, unknown to config.json; scores would be wrong",
            "Fetch config.json and the weights again, from the same source.",
        )
    if zero := next(_zeros(model), None):
        raise ModelError(
            f"{folder.path}: {names}: {zero} is all zeros; scores would be meaningless",
            "Fetch the weights again: they are damaged, or were never trained.",
        )
    foreign = {name for name, kind in types.items() if kind not in FLOATS}
    foreign -= {*unexpected, *(name for name, _ in model.named_buffers())}
    if odd := sorted(name for name in foreign if not name.endswith(BUFFERS)):
        raise ModelError(f"{folder.path}: {names}: {', '.join(odd[:4])} are not 16-, 32- or 64-bit floats", FETCH_AGAIN)
    return model


def _may_be_left(name: str, model: Any, body: bool) -> bool:
    """Whether an unused weight can be ignored, because it never changes a score.

    These are buffers that libraries compute, a pooler if the head reads the first token, and for a `body` the heads of
    its training tasks.
    """
    parts = name.split(".")
    if name.endswith(BUFFERS):
        return True
    if "pooler" in parts:
        return not any(module.rpartition(".")[2] == "pooler" for module, _ in model.named_modules())
    return body and parts[0] in OTHER_HEADS


def _zeros(model: Any) -> Iterator[str]:
    """Names of matrices that are all zeros, which training never leaves. Of embeddings, only those of tokens count.

    RoBERTa conversions zero the type embeddings, which it lacks. Vectors (biases, norms) may be zero, and modules that
    were set by hand and not trained: `frozen_in_training` of config.json.
    """
    frozen = getattr(model.config, "frozen_in_training", None)
    parts = [part for part in frozen if isinstance(part, str)] if isinstance(frozen, list) else []
    base = f"{model.base_model_prefix}."  # a prefix that a body saved on its own lacks
    written = tuple(f"{part.removeprefix(base)}." for part in parts)
    words = model.get_input_embeddings().weight
    for name, weight in model.named_parameters():
        if (
            weight.ndim < 2
            or name.removeprefix(base).startswith(written)
            or ("embedding" in name and weight is not words)
        ):
            continue
        if not bool(weight.flatten()[:256].any()) and not bool(weight.any()):  # fast path
            yield str(name)


def load_cross_encoder(folder: ModelFolder, config: Any, dtype: torch.dtype) -> Any:
    """A cross-encoder on the CPU: the body in `dtype`, the head in float32. Raises ModelError.

    A head in modules of sentence-transformers is read from their files: a sequence classifier would be given a random
    one.
    """
    if folder.head is not None:
        from rerank_cli.models.modular import Modular

        return Modular(load_model(folder, config, dtype, AutoModel), folder.head)
    model = load_model(folder, config, dtype)
    keep_head_in_float32(model, folder)
    return model


def keep_head_in_float32(model: Any, folder: ModelFolder) -> None:
    """Compute the classification head in float32 for any dtype of the body: cast its weights and its input."""
    head = next((module for name in HEADS if (module := getattr(model, name, None)) is not None), None)
    if head is None:
        raise ModelError(f"{folder.path}: no classification head found", "This architecture is not supported yet.")
    head.float()
    head.register_forward_pre_hook(lambda _module, args: tuple(arg.float() for arg in args))
