"""The model that is trained, and which of its weights.

Loaded by `trainer`.
"""

import warnings
from typing import Any

import torch
from sentence_transformers import CrossEncoder

from rerank_cli.scorers.cross_encoder import usable_positions
from rerank_cli.scorers.hf_files import find_model
from rerank_cli.train import TrainConfig


def opened(config: TrainConfig, device: str) -> CrossEncoder:
    """The base in float32: half precision is for computing, not for small steps."""
    folder = find_model(config.model)
    return CrossEncoder(
        str(folder.path),
        num_labels=1,
        max_length=min(config.model.max_length, usable_positions(folder.config)),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
    )


def _is_frozen(model: CrossEncoder, name: str) -> bool:
    """Whether config.json asks that a part, or what holds it, stays as it is.

    A key of ours, `frozen_in_training`, names of modules: what was written and not learnt does not survive learning.
    """
    asked = getattr(model.model.config, "frozen_in_training", None) or ()
    return any(name == part or name.startswith(f"{part}.") for part in asked)


def freeze(model: CrossEncoder, embeddings: bool) -> None:
    """Leave alone what config.json names, and with `embeddings` those of the tokens."""
    for name, weight in model.model.named_parameters():
        if _is_frozen(model, name):
            weight.requires_grad_(False)
    if embeddings:
        model.model.get_input_embeddings().weight.requires_grad_(False)


def with_adapters(model: CrossEncoder, rank: int) -> Any:
    """LoRA in the linear layers of the body (Hu et al., 2021); what is not in the body, the head, is trained whole."""
    from peft import LoraConfig, TaskType, get_peft_model

    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # an old name that peft asks for
    whole, body = model.model, model.model.base_model_prefix
    linear = [name for name, part in whole.named_modules() if isinstance(part, torch.nn.Linear)]
    heads = [name for name, part in whole.named_children() if name != body and any(True for _ in part.parameters())]
    options = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=rank,
        lora_alpha=2 * rank,
        target_modules=[name for name in linear if name.startswith(f"{body}.") and not _is_frozen(model, name)],
        modules_to_save=[name for name in heads if not _is_frozen(model, name)],
        lora_dropout=0.0,
    )
    return get_peft_model(whole, options)  # puts the adapters into the very model
