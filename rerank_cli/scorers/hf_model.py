"""A cross-encoder's weights, loaded whole or refused: no random heads, no code from repositories, no pickles.

transformers only warns when a checkpoint lacks its classification head, and then scores at random.
"""

from typing import Any

import torch
import transformers
from transformers import AutoModelForSequenceClassification

from rerank_cli.errors import ModelError
from rerank_cli.scorers.cross_encoder import in_short
from rerank_cli.scorers.hf_files import ModelFolder
from rerank_cli.scorers.hf_weights import FLOATS, LAYER, number_types

BUFFERS = ("position_ids", "token_type_ids")  # integers that some checkpoints carry along
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
    transformers.utils.logging.disable_progress_bar()
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
    if layers := sorted(name for name in report["unexpected_keys"] if LAYER.search(name)):
        raise ModelError(
            f"{folder.path}: {names} have {', '.join(layers[:2])}, config.json describes a model without; scores would "
            "be those of no model",
            "Fetch config.json and the weights anew, from one place.",
        )
    foreign = {name for name, kind in number_types(folder.weights).items() if kind not in FLOATS}
    foreign -= {*report["unexpected_keys"], *(name for name, _ in model.named_buffers())}
    if odd := sorted(name for name in foreign if not name.endswith(BUFFERS)):
        raise ModelError(
            f"{folder.path}: {names}: {', '.join(odd[:4])} are not 16-, 32- or 64-bit floats", "Fetch the files anew."
        )
    return model


def keep_head_in_float32(model: Any, folder: ModelFolder) -> None:
    """Compute the classification head in float32 in any body: cast its weights, and its input at the door."""
    head = next((module for name in HEADS if (module := getattr(model, name, None)) is not None), None)
    if head is None:
        raise ModelError(f"{folder.path}: no classification head found", "This architecture is not supported yet.")
    head.float()
    head.register_forward_pre_hook(lambda _module, args: tuple(arg.float() for arg in args))
