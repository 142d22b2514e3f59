"""The model that is trained, and which of its weights.

Loaded by `trainer`.
"""

import warnings
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from rerank_cli.core.errors import ModelError
from rerank_cli.engines.cross_encoder import usable_positions
from rerank_cli.models.find import find_model
from rerank_cli.models.tokens import without_chance
from rerank_cli.training.config import TrainConfig

TAKE_OUT = "Correct it, or take the key out of config.json to train all weights."


def opened(config: TrainConfig, device: str) -> CrossEncoder:
    """The base in float32: half precision is for computing, not for small steps."""
    folder = find_model(config.model)
    model = CrossEncoder(
        str(folder.path),
        num_labels=1,
        max_length=min(config.model.max_length, usable_positions(folder.config)),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
    )
    without_chance(model.tokenizer)  # its draws follow no seed: the same training would give other weights
    return model


def left_alone(model: CrossEncoder) -> list[str]:
    """The modules that config.json asks to leave as they are, in the key `frozen_in_training`, a key of ours.

    For weights that were written and not learnt, and that learning spoils. Raises ModelError when it is something
    else than a list of such names: a slip would freeze nothing, and nobody would see it.
    """
    asked = getattr(model.model.config, "frozen_in_training", None)
    known = {name for name, _ in model.model.named_modules() if name}
    if asked is not None and not (isinstance(asked, list) and all(isinstance(name, str) for name in asked)):
        raise ModelError("config.json: frozen_in_training is not a list of names", TAKE_OUT)
    for name in asked or ():
        if name not in known:
            raise ModelError(f"config.json: frozen_in_training: the model has no part {name[:80]}", TAKE_OUT)
    return asked or []


def freeze(model: CrossEncoder, names: list[str], embeddings: bool) -> None:
    """Leave the modules of these names alone, and with `embeddings` those of the tokens."""
    for name in names:
        model.model.get_submodule(name).requires_grad_(False)
    if embeddings:
        model.model.get_input_embeddings().weight.requires_grad_(False)


def with_adapters(model: CrossEncoder, rank: int, spared: list[str]) -> Any:
    """LoRA in the linear layers of the body (Hu et al., 2021); what is not in the body, the head, is trained whole.

    Modules in `spared` get neither. Raises ModelError when no layer is left.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # an old name that peft asks for
    whole, body = model.model, model.model.base_model_prefix

    def learns(name: str) -> bool:
        return not any(name == part or name.startswith(f"{part}.") for part in spared)

    linear = [name for name, part in whole.named_modules() if isinstance(part, torch.nn.Linear)]
    heads = [name for name, part in whole.named_children() if name != body and any(True for _ in part.parameters())]
    adapted = [name for name in linear if name.startswith(f"{body}.") and learns(name)]
    if not adapted:
        raise ModelError("config.json: frozen_in_training leaves nothing to adapt", TAKE_OUT)
    options = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=rank,
        lora_alpha=2 * rank,
        target_modules=adapted,
        modules_to_save=[name for name in heads if learns(name)],
        lora_dropout=0.0,
    )
    return get_peft_model(whole, options)  # puts the adapters into the very model
