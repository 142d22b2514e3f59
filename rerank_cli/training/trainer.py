"""The CrossEncoderTrainer of sentence-transformers with our options; the only file that uses its names.

Imported by `fit`.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.cross_encoder.trainer import CrossEncoderTrainer
from sentence_transformers.cross_encoder.training_args import CrossEncoderTrainingArguments
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainerState
from transformers.trainer_pt_utils import LengthGroupedSampler

from rerank_cli.core.errors import DeviceError
from rerank_cli.core.protocols import StepProgress
from rerank_cli.evaluation.measures import falling_scores, means_of, parse_measures, values_per_query
from rerank_cli.training.checkpoints import STATE, steps_of, write_errors
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.data import TrainingData
from rerank_cli.training.folder import note_files
from rerank_cli.training.held_out import HeldOut
from rerank_cli.training.rows import LOSSES, length_of
from rerank_cli.training.trainable_weights import TrainableModel
from rerank_cli.training.trainer_losses import make_loss

LEADING = "nDCG@10"
DIVERGED = "Try a smaller --learning-rate or another --loss, and check the relevances and teacher scores."


class Measure(BaseEvaluator):  # type: ignore[misc]
    """nDCG@10 on the held-out records, computed by ir-measures."""

    primary_metric = LEADING
    greater_is_better = True

    def __init__(self, held_out: HeldOut) -> None:
        super().__init__()
        self._held_out, self._measures = held_out, parse_measures(LEADING)

    def __call__(self, model: CrossEncoder, *_: Any, **__: Any) -> dict[str, float]:
        """The measure of the held-out records by name. Raises DeviceError when a score is not finite."""
        pairs = [(each.query, text) for each in self._held_out.queries.values() for text in each.texts]
        scores = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False).tolist()
        if not all(map(math.isfinite, scores)):
            raise DeviceError("scores became infinite or NaN", DIVERGED)
        flat = iter(scores)
        logits = [[next(flat) for _ in each.texts] for each in self._held_out.queries.values()]
        ranked = self._held_out.results("now", logits).queries
        runs = {qid: falling_scores(each.docids) for qid, each in ranked.items()}
        values = values_per_query(self._measures, self._held_out.qrels, runs)
        return {LEADING: means_of(self._measures, values, list(ranked))[LEADING]}


class Watch(TrainerCallback):  # type: ignore[misc]
    """Passes steps, losses and measures to the progress display, and keeps them for the note as `log`."""

    def __init__(self, progress: StepProgress) -> None:
        self._progress = progress
        self.log: list[dict[str, float]] = []

    def on_train_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        """Show the current and the last step."""
        self._progress.begin(state.global_step, state.max_steps)

    def on_step_end(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        """Show a step."""
        self._progress.step(state.global_step)

    def on_log(
        self, _args: Any, state: TrainerState, _control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Show and keep a loss or a measure. Raises DeviceError when it is not finite."""
        figures = figures_of(logs or {})
        if figures:
            self.log.append({"step": state.global_step, **figures})
            self._progress.figures(figures)
        if not all(map(math.isfinite, figures.values())):
            raise DeviceError("the loss became infinite or NaN", DIVERGED)


def figures_of(logs: dict[str, float]) -> dict[str, float]:
    """The loss and the measure in the log of the trainer, rounded.

    >>> figures_of({"eval_nDCG@10": 0.1234567, "learning_rate": 0.1})
    {'nDCG@10': 0.12346}
    """
    names = {"loss": "loss", f"eval_{LEADING}": LEADING}
    return {names[name]: round(value, 5) for name, value in logs.items() if name in names}


class BatchesByLength(DefaultBatchSampler):  # type: ignore[misc]
    """Batches of rows with similar lengths, in random order, which reduces padding.

    Rows are shuffled and sorted by length in windows of 50 batches, or of a quarter of all rows if that is less. The
    price: batches are less mixed than random ones. The order of an epoch depends on the seed and its number alone, so a
    training can be resumed in any epoch.
    """

    def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, **options: Any) -> None:
        drawn = LengthGroupedSampler(
            batch_size, lengths=[length_of(row) for row in dataset], generator=options["generator"]
        )
        super().__init__(drawn, batch_size, drop_last, **options)

    def __iter__(self) -> Iterator[list[int]]:
        self.generator.manual_seed(self.seed + self.epoch)
        batches = list(super().__iter__())
        for place in torch.randperm(len(batches), generator=self.generator).tolist():
            yield batches[place]


class Trainer(CrossEncoderTrainer):  # type: ignore[misc]
    """A trainer that reports a full disk, and restores checkpoints exactly, adapters included."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        checkpoint = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with write_errors(checkpoint):
            super()._save_checkpoint(model, trial)
            note_files(checkpoint)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        weights: dict[str, torch.Tensor] = {}
        for path in sorted(Path(checkpoint_path).glob("*.safetensors")):
            weights.update(load_file(path))
        self.model.model.load_state_dict(weights)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def is_over_at(self, checkpoint: str) -> bool:
        """Whether the training ended at a checkpoint: with its last step, or by early stopping.

        If not, early stopping continues its count.
        """
        if steps_of(checkpoint) >= self.args.max_steps:
            return True
        saved = state_of(checkpoint).stateful_callbacks.get(EarlyStoppingCallback.__name__) or {}
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, EarlyStoppingCallback):
                count = saved.get("attributes", {}).get("early_stopping_patience_counter", 0)
                callback.early_stopping_patience_counter = count
                return bool(count >= callback.early_stopping_patience)
        return False

    def continue_after_the_end(self, checkpoint: str) -> None:
        """Restore a training that ended at a checkpoint: its state, and its best or last weights."""
        self.state = state_of(checkpoint)
        self._load_from_checkpoint(self.state.best_model_checkpoint or checkpoint)

    def figures_logged(self) -> list[dict[str, float]]:
        """Losses and measures in the trainer's state with their steps, those before a resume included."""
        steps = [(entry["step"], figures_of(entry)) for entry in self.state.log_history]
        return [{"step": step, **figures} for step, figures in steps if figures]


def state_of(checkpoint: str) -> TrainerState:
    """The trainer's state in a checkpoint."""
    return TrainerState.load_from_json(str(Path(checkpoint) / STATE))


def make_trainer(config: TrainConfig, data: TrainingData, folder: Path, model: TrainableModel, watch: Watch) -> Trainer:
    """The trainer of a model on `data`, with its checkpoints in `folder`."""
    callbacks: list[TrainerCallback] = [watch]
    if config.early_stopping is not None:
        callbacks.append(EarlyStoppingCallback(config.early_stopping))
    trainer = Trainer(
        model=model.encoder,
        args=_arguments(config, data, folder, model.device.type),
        train_dataset=Dataset.from_list(data.rows),
        loss=make_loss(config.loss, model.encoder),
        evaluator=None if data.held_out is None else Measure(data.held_out),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # added by disable_tqdm
    return trainer


def _arguments(config: TrainConfig, data: TrainingData, folder: Path, device: str) -> CrossEncoderTrainingArguments:
    rows_per_step = max(1, config.batch_size // LOSSES[config.loss].pairs_per_row(config.negatives))
    steps = config.max_steps or math.ceil(math.ceil(len(data.rows) / rows_per_step) * config.epochs)
    checkpoint_every = max(1, steps // max(1, config.checkpoints))
    measured = data.held_out is not None
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=rows_per_step,
        learning_rate=config.rate,
        warmup_steps=round(config.warmup * steps),
        weight_decay=config.weight_decay,
        bf16=config.dtype == "bf16",
        fp16=config.dtype == "fp16",
        use_cpu=device == "cpu",
        seed=config.seed,
        data_seed=config.seed,
        batch_sampler=BatchesByLength,
        save_strategy="steps",
        save_steps=checkpoint_every,
        save_total_limit=2,
        eval_strategy="steps" if measured else "no",
        eval_steps=checkpoint_every,
        load_best_model_at_end=measured,
        metric_for_best_model=f"eval_{LEADING}" if measured else None,
        greater_is_better=True if measured else None,
        logging_steps=max(1, min(checkpoint_every, 20)),
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=device == "cuda",
    )
    # one process, one GPU: the trainer would use all GPUs, and multiply the pairs per step
    arguments._n_gpu = 1  # noqa: SLF001 - there is no public way
    return arguments
