"""Checks before a training reads a record: invalid options, and missing libraries."""

import math
from importlib import import_module
from importlib.util import find_spec

from rerank_cli.core.dtypes import TRAINING_DTYPES
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.installation import installation
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.rows import LOSSES

NEEDED = ("sentence_transformers", "datasets", "accelerate", "ir_measures", "scipy")
MOST_EPOCHS = 10_000


def refuse_early(config: TrainConfig) -> None:
    """Check the options of a training. Raises ConfigError."""
    _refuse_missing_packages(config)
    if config.loss not in LOSSES:
        raise ConfigError(f"--loss {config.loss}: unknown", f"Losses: {', '.join(LOSSES)}.")
    if config.dtype not in TRAINING_DTYPES:
        raise ConfigError(f"--dtype {config.dtype}: not supported in training", f"Use {', '.join(TRAINING_DTYPES)}.")
    _refuse_device(config)
    if config.qrels is not None and config.held_out is None:
        raise ConfigError("--qrels needs --eval", "Name the held-out records that it judges with --eval.")
    if config.early_stopping is not None and config.held_out is None:
        raise ConfigError("--early-stopping needs --eval", "Name the held-out records to measure with --eval.")
    if config.read.inputs.count("-") and config.resume:
        raise ConfigError("--resume: standard input cannot be read again", "Train from a file.")
    _refuse_numbers(config)


def _refuse_missing_packages(config: TrainConfig) -> None:
    needed = [*NEEDED, "peft"] if config.lora else [*NEEDED]
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: not installed", installation("train"))


def _refuse_device(config: TrainConfig) -> None:
    device = import_module("rerank_cli.engines.torch_device").choose_device(config.model.device)
    if device.type == "cpu" and config.dtype == "fp16":
        raise ConfigError("--dtype fp16: not supported in training on a CPU", "Use bf16 or fp32.")
    if device.index:
        raise ConfigError(
            f"--device {config.model.device}: training uses the first GPU",
            f"Make this GPU the first: CUDA_VISIBLE_DEVICES={device.index} rerank train … --device cuda",
        )


def _refuse_numbers(config: TrainConfig) -> None:
    if not 0 < config.epochs <= MOST_EPOCHS:
        raise ConfigError(f"--epochs {config.epochs}: not a positive finite number", "Example: 1 or 0.5.")
    numbers = {"learning-rate": config.rate, "warmup": config.warmup, "weight-decay": config.weight_decay}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ConfigError(f"--{name} {value}: not a number", f"Name a number, or leave --{name} out.")
