"""Train on given rows: prepare the model, choose the checkpoint, run, check and write the model.

Imported by `train` when a training begins.
"""

import math
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from rerank_cli.core.errors import DeviceError
from rerank_cli.core.protocols import Report, StepProgress
from rerank_cli.engines.torch_device import choose_device, is_out_of_memory
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.libraries import quiet_transformers
from rerank_cli.training.checkpoints import last_whole_checkpoint, steps_of, write_errors
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.data import TrainingData
from rerank_cli.training.folder import MODEL
from rerank_cli.training.trainable_weights import TrainableModel, prepare_model
from rerank_cli.training.trainer import DIVERGED, Trainer, Watch, make_trainer


@quiet_transformers()
def fit(
    config: TrainConfig, data: TrainingData, base: ModelFolder, folder: Path, *, report: Report, progress: StepProgress
) -> dict[str, Any]:
    """Train `base` on `data` in `folder`, from its last checkpoint if there is one; write the model to `folder`/model.

    Returns the training part of the note: steps, seconds, the log. Raises ModelError (no trainable weights),
    DeviceError (out of memory, or a loss or weight that is not finite), OutputError.
    """
    model = prepare_model(config, base, _prepare_device(config))
    trained_weights = model.trained_weights
    if model.left_alone:
        report(f"not trained, because of frozen_in_training in config.json: {', '.join(model.left_alone)}")
    report(f"{trained_weights:,} of {model.weights:,} weights are trained, on {model.device}")
    watch = Watch(progress)
    trainer = make_trainer(config, data, folder, model, watch)
    checkpoint = last_whole_checkpoint(folder, report)
    if checkpoint is not None:
        report(f"from the checkpoint at step {steps_of(checkpoint)}")
    started = time.monotonic()
    _run(trainer, checkpoint, model.device, config.batch_size)
    _write_model(model, folder / MODEL)
    return {
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - started, 1),
        "resumed_at_step": None if checkpoint is None else steps_of(checkpoint),
        "best_checkpoint": (trainer.state.best_model_checkpoint or "").rpartition("/")[2] or None,
        "weights_trained": trained_weights,
        "left_alone": model.left_alone,
        "log": _log(trainer, watch),
    }


def _prepare_device(config: TrainConfig) -> torch.device:
    """Choose the device, and set its threads and the seed."""
    device = choose_device(config.model.device)
    if config.model.threads:
        torch.set_num_threads(config.model.threads)
    torch.manual_seed(config.seed)
    return device


def _run(trainer: Trainer, checkpoint: str | None, device: torch.device, batch_size: int) -> None:
    """Train to the end, from a checkpoint if there is one. If training ended there, only restore its state."""
    try:
        if checkpoint is not None and trainer.is_over_at(checkpoint):
            trainer.continue_after_the_end(checkpoint)
        else:
            trainer.train(resume_from_checkpoint=checkpoint)
    except RuntimeError as fault:
        if is_out_of_memory(fault):
            raise DeviceError(
                f"{device}: out of memory for a step of {batch_size} pairs", "Use a smaller --batch-size or --lora."
            ) from None
        raise


def _write_model(model: TrainableModel, folder: Path) -> None:
    """Write a trained model with merged adapters. Raises DeviceError for a weight that is not finite, OutputError."""
    if not model.is_finite:
        raise DeviceError("weights became infinite or NaN", DIVERGED)
    if model.adapters is not None:
        model.adapters.merge_and_unload()
    shutil.rmtree(folder, ignore_errors=True)  # left by a training that was killed here
    with write_errors(folder):
        model.encoder.save_pretrained(str(folder), create_model_card=False)


def _log(trainer: Trainer, watch: Watch) -> list[dict[str, float]]:
    """Losses and measures of the complete training, those before a resume included."""
    first = watch.log[0]["step"] if watch.log else math.inf
    return [*(figures for figures in trainer.figures_logged() if figures["step"] < first), *watch.log]
