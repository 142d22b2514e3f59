"""A cross-encoder's weights, loaded whole or refused: no random heads, no code from repositories, no pickles.

transformers only warns when a checkpoint lacks its classification head, and then scores at random.
"""

from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from rerank_cli.errors import ModelError
from rerank_cli.scorers.hf_files import ModelFolder
from rerank_cli.scorers.hf_weights import FLOATS, LAYER, number_types

POSITIONS_START_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "camembert",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "xmod",
}
BUFFERS = ("position_ids", "token_type_ids")  # integers that some checkpoints carry along
HEADS = ("classifier", "score")  # attribute names of classification heads in transformers


def usable_positions(config: dict[str, Any]) -> int:
    """How many tokens a model's position embeddings reach. The RoBERTa family loses padding_idx + 1 of them."""
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in POSITIONS_START_AFTER_PADDING:
        positions -= int(config.get("pad_token_id", 1)) + 1  # 1 is what the family's configurations leave out
    return positions


def load_config(folder: ModelFolder) -> Any:
    """The configuration as transformers understands it.

    Raises ModelError for a model type that transformers itself does not have (code of repositories is never run), and
    for values that it cannot use.
    """
    model_type = folder.config.get("model_type")
    if model_type not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"{folder.path / 'config.json'}: transformers {transformers.__version__} has no {model_type!r}",
            "Code from model repositories is never run. Choose a model of a built-in architecture.",
        )
    try:
        return AutoConfig.from_pretrained(str(folder.path), local_files_only=True, trust_remote_code=False)
    except Exception as fault:  # the library raises whatever odd values lead it to
        raise ModelError(
            f"{folder.path / 'config.json'}: cannot be used ({in_short(fault)})", "Fetch the file anew."
        ) from None


def in_short(fault: BaseException) -> str:
    """The first line of what a library raised, with its type."""
    return f"{type(fault).__name__}: {fault}".splitlines()[0][:300]


def load_model(folder: ModelFolder, config: Any, dtype: torch.dtype) -> Any:
    """The model on the CPU, complete. Raises ModelError when a file is damaged or a weight is missing."""
    transformers.utils.logging.disable_progress_bar()
    names = ", ".join(path.name for path in folder.weights)
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
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
    missing = sorted(report["missing_keys"]) + sorted(str(key) for key in report.get("mismatched_keys", ()))
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
