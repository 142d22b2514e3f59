"""Load the model to train, and choose the weights that are trained.

Imported by `fit`.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from rerank_cli.core.errors import ModelError
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.lengths import usable_positions
from rerank_cli.models.through_transformers import without_chance
from rerank_cli.training.config import TrainConfig

TAKE_OUT = "Correct it, or remove the key from config.json to train all weights."


@dataclass(frozen=True, slots=True)
class TrainableModel:
    """A model on its device. `adapters`: its LoRA adapters; `left_alone`: modules that config.json freezes."""

    encoder: CrossEncoder
    device: torch.device
    adapters: Any
    left_alone: list[str]

    @property
    def weights(self) -> int:
        """The number of weights, adapters included."""
        return sum(weight.numel() for weight in self.encoder.parameters())

    @property
    def trained_weights(self) -> int:
        """The number of trainable weights."""
        return sum(weight.numel() for weight in self.encoder.parameters() if weight.requires_grad)

    @property
    def is_finite(self) -> bool:
        """Whether no weight is infinite or NaN."""
        return all(bool(torch.isfinite(weight).all()) for weight in self.encoder.parameters())


def prepare_model(config: TrainConfig, base: ModelFolder, device: torch.device) -> TrainableModel:
    """Load the base onto the device, add adapters if configured, and freeze modules.

    Raises ModelError when no weight is trainable.
    """
    encoder = open_base(config, base, str(device))
    spared = spared_modules(encoder)
    adapters = add_adapters(encoder, config.lora, spared) if config.lora else None
    freeze(encoder, spared, embeddings=config.freeze_embeddings)
    model = TrainableModel(encoder, device, adapters, spared)
    if not model.trained_weights:
        raise ModelError("config.json: frozen_in_training leaves nothing to train", TAKE_OUT)
    return model


def open_base(config: TrainConfig, folder: ModelFolder, device: str) -> CrossEncoder:
    """Open the base in float32, since half precision loses small updates."""
    encoder = CrossEncoder(
        str(folder.path),
        num_labels=1,
        max_length=min(config.model.max_length, usable_positions(folder.config)),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
    )
    without_chance(encoder.tokenizer)  # random tokenization ignores the seed
    return encoder


def spared_modules(encoder: CrossEncoder) -> list[str]:
    """The modules in `frozen_in_training`, our own key in config.json.

    It is for weights that were set by hand, which training would spoil. Raises ModelError unless it is a list of module
    names: a typo would silently freeze nothing.
    """
    names = getattr(encoder.model.config, "frozen_in_training", None)
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError("config.json: frozen_in_training is not a list of names", TAKE_OUT)
    known = {name for name, _ in encoder.model.named_modules() if name}
    for name in names:
        if name not in known:
            raise ModelError(f"config.json: frozen_in_training: the model has no module {name[:80]}", TAKE_OUT)
    return names


def freeze(encoder: CrossEncoder, names: list[str], *, embeddings: bool) -> None:
    """Freeze the modules of these names, and with `embeddings` the token embeddings."""
    parts = [encoder.model.get_submodule(name) for name in names]
    if embeddings:
        parts.append(encoder.model.get_input_embeddings().weight)
    for part in parts:
        part.requires_grad_(requires_grad=False)


def add_adapters(encoder: CrossEncoder, rank: int, spared: list[str]) -> Any:
    """Add LoRA to the linear layers of the body (Hu et al., 2021); the head is trained completely.

    Modules in `spared` are frozen. Returns the object that merges the adapters. Raises ModelError when no layer is
    left.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # peft uses an old name
    network, body = encoder.model, encoder.model.base_model_prefix

    def learns(name: str) -> bool:
        return not any(name == part or name.startswith(f"{part}.") for part in spared)

    linear = [name for name, part in network.named_modules() if isinstance(part, torch.nn.Linear)]
    heads = [name for name, part in network.named_children() if name != body and any(True for _ in part.parameters())]
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
    return get_peft_model(network, options)  # changes the model in place
