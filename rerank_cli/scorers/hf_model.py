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

POSITIONS_START_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "camembert",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "xmod",
}
HEADS = ("classifier", "score")  # attribute names of classification heads in transformers


def usable_positions(config: dict[str, Any]) -> int:
    """How many tokens a model's position embeddings reach. The RoBERTa family loses padding_idx + 1 of them."""
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in POSITIONS_START_AFTER_PADDING:
        positions -= int(config.get("pad_token_id", 1)) + 1  # 1 is what the family's configurations leave out
    return positions


def check_architecture(folder: ModelFolder) -> None:
    """Raises ModelError for a model type that transformers itself does not have; its repository's code is never run."""
    model_type = folder.config.get("model_type")
    if model_type not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"{folder.path / 'config.json'}: transformers {transformers.__version__} has no {model_type!r}",
            "Code from model repositories is never run. Choose a model of a built-in architecture.",
        )


def load_model(folder: ModelFolder, dtype: torch.dtype) -> Any:
    """The model on the CPU, complete. Raises ModelError when a file is damaged or a weight is missing."""
    transformers.utils.logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(str(folder.path), local_files_only=True, trust_remote_code=False)
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
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0][:300]
        names = ", ".join(path.name for path in folder.weights)
        raise ModelError(f"{folder.path}: {names} cannot be loaded ({reason})", "Fetch the files anew.") from None
    missing = sorted(report["missing_keys"]) + sorted(str(key) for key in report.get("mismatched_keys", ()))
    if missing:
        raise ModelError(
            f"{folder.path}: the weights lack {', '.join(missing[:4])}; scores would be random",
            "This is not a fine-tuned reranker. Choose one, or fine-tune it first.",
        )
    return model


def keep_head_in_float32(model: Any, folder: ModelFolder) -> None:
    """Compute the classification head in float32 in any body: cast its weights, and its input at the door."""
    head = next((module for name in HEADS if (module := getattr(model, name, None)) is not None), None)
    if head is None:
        raise ModelError(f"{folder.path}: no classification head found", "This architecture is not supported yet.")
    head.float()
    head.register_forward_pre_hook(lambda _module, args: tuple(arg.float() for arg in args))
