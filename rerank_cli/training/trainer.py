"""sentence-transformers' CrossEncoderTrainer, with our options: the only file that knows its names.

Loaded by `train` when a training begins.
"""

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from transformers.utils.logging import disable_progress_bar, get_verbosity, set_verbosity, set_verbosity_error

from rerank_cli.core.errors import DeviceError, ModelError
from rerank_cli.core.protocols import Report
from rerank_cli.engines.torch_device import choose_device, is_out_of_memory
from rerank_cli.evaluation.measures import in_order, means_of, parsed_measures, per_query
from rerank_cli.training.checkpoints import last_whole_checkpoint, steps_of, writing
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.examples import HeldOut
from rerank_cli.training.folder import MODEL, note_files
from rerank_cli.training.rows import LOSSES, Row, length
from rerank_cli.training.trainable_weights import TAKE_OUT, freeze, left_alone, opened, with_adapters
from rerank_cli.training.trainer_losses import made_loss

LEADING = "nDCG@10"
DIVERGED = "Try a smaller --learning-rate, or another --loss; look for odd relevances and teacher scores."


class Measure(BaseEvaluator):  # type: ignore[misc]
    """nDCG@10 on the held-out records, by ir-measures."""

    primary_metric = LEADING
    greater_is_better = True

    def __init__(self, held_out: HeldOut) -> None:
        super().__init__()
        self._held_out, self._measures = held_out, parsed_measures(LEADING)

    def __call__(
        self, model: CrossEncoder, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """The measure by its name."""
        pairs = [(each.query, text) for each in self._held_out.queries.values() for text in each.texts]
        flat = iter(model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False).tolist())
        logits = [[next(flat) for _ in each.texts] for each in self._held_out.queries.values()]
        if not all(math.isfinite(logit) for each in logits for logit in each):
            raise DeviceError("scores are not finite any more", DIVERGED)
        ranked = self._held_out.results("now", logits).queries
        runs = {qid: in_order(each.docids) for qid, each in ranked.items()}
        values = per_query(self._measures, self._held_out.qrels, runs)
        return {LEADING: means_of(self._measures, values, list(ranked))[LEADING]}


class Watch(TrainerCallback):  # type: ignore[misc]
    """Hands steps, losses and measures on to what people see, and keeps them for the note."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self.log: list[dict[str, float]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The first step is known, and the last."""
        self._progress.begin(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Another step."""
        self._progress.step(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """A loss, or a measure."""
        kept = {name: value for name, value in (logs or {}).items() if name in ("loss", f"eval_{LEADING}")}
        if kept:
            figures = {name.removeprefix("eval_"): round(value, 5) for name, value in kept.items()}
            self.log.append({"step": state.global_step, **figures})
            self._progress.figures(figures)
        if not all(map(math.isfinite, kept.values())):
            raise DeviceError("the loss is not finite any more", DIVERGED)


class BatchesByLength(DefaultBatchSampler):  # type: ignore[misc]
    """Batches of rows of like lengths, in random order: padding costs what text costs.

    Rows are drawn at random and sorted by length in windows of 50 batches, or of a quarter of all rows where that is
    less. The price: a batch is less of a mixture than one drawn at random. An epoch's order depends on the seed and
    its number alone, so a training that is continued in any epoch goes on in it.
    """

    def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, **given: Any) -> None:
        drawn = LengthGroupedSampler(batch_size, lengths=[length(row) for row in dataset], generator=given["generator"])
        super().__init__(drawn, batch_size, drop_last, **given)

    def __iter__(self) -> Iterator[list[int]]:
        self.generator.manual_seed(self.seed + self.epoch)
        batches = list(super().__iter__())
        for place in torch.randperm(len(batches), generator=self.generator).tolist():
            yield batches[place]


class Trainer(CrossEncoderTrainer):  # type: ignore[misc]
    """A trainer that tells of a full disk, and reads checkpoints back as the weights they are, adapters too."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        checkpoint = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with writing(checkpoint):
            super()._save_checkpoint(model, trial)
            note_files(checkpoint)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        state: dict[str, torch.Tensor] = {}
        for path in sorted(Path(checkpoint_path).glob("*.safetensors")):
            state.update(load_file(path))
        self.model.model.load_state_dict(state)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def continue_after_the_end(self, checkpoint: str) -> None:
        """Take up a training whose last step was made: its state, and its best weights, or its last."""
        self.state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))
        self._load_from_checkpoint(self.state.best_model_checkpoint or checkpoint)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without bars, and transformers' warnings of special tokens it adds to a configuration and checkpoints' times."""
    before = get_verbosity()
    set_verbosity_error()
    disable_progress_bar()  # of weights that are read and written; `progress` shows the training
    try:
        yield
    finally:
        set_verbosity(before)


@_quiet()
def fit(
    config: TrainConfig,
    folder: Path,
    resumed: bool,
    rows: list[Row],
    held_out: HeldOut | None,
    report: Report,
    progress: Any,
) -> dict[str, Any]:
    """Train on `rows` in `folder` and leave the model in its folder `model`; returns steps and the log.

    Raises ModelError (nothing in it may learn), DeviceError when its memory is too small, or the loss or a weight is
    not finite any more, OutputError.
    """
    device = choose_device(config.model.device)
    if config.model.threads:
        torch.set_num_threads(config.model.threads)
    torch.manual_seed(config.seed)
    model = opened(config, str(device))
    spared = left_alone(model)
    adapted = with_adapters(model, config.lora, spared) if config.lora else None
    freeze(model, spared, config.freeze_embeddings)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if not trained:
        raise ModelError("config.json: frozen_in_training leaves nothing to train", TAKE_OUT)
    if spared:
        report(f"left as they are, as frozen_in_training of config.json asks: {', '.join(spared)}")
    report(f"{trained:,} of {sum(weight.numel() for weight in model.parameters()):,} weights are trained, on {device}")
    watch = Watch(progress)
    trainer = _trainer(config, folder, model, rows, held_out, device.type, watch)
    last = last_whole_checkpoint(folder, report) if resumed else None
    if last:
        report(f"from the checkpoint at step {steps_of(last)}")
    try:
        started = time.monotonic()
        if last and (steps_of(last) >= trainer.args.max_steps or _gains_no_more(trainer, last)):
            trainer.continue_after_the_end(last)
        else:
            trainer.train(resume_from_checkpoint=last)
    except RuntimeError as fault:
        if is_out_of_memory(fault):
            raise DeviceError(
                f"{device}: no memory for a step of {config.batch_size} pairs", "Use a smaller --batch-size or --lora."
            ) from None
        raise
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters()):
        raise DeviceError("weights are not finite any more", DIVERGED)
    if adapted is not None:
        adapted.merge_and_unload()
    shutil.rmtree(folder / MODEL, ignore_errors=True)  # of a training that was killed while it wrote
    with writing(folder / MODEL):
        model.save_pretrained(str(folder / MODEL), create_model_card=False)
    begun = watch.log[0]["step"] if watch.log else math.inf
    before = [entry for entry in _kept_log(trainer) if entry["step"] < begun]
    return {
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - started, 1),
        "resumed_at_step": steps_of(last) if last else None,
        "best_checkpoint": (trainer.state.best_model_checkpoint or "").rpartition("/")[2] or None,
        "weights_trained": trained,
        "left_alone": spared,
        "log": [*before, *watch.log],
    }


def _gains_no_more(trainer: Trainer, checkpoint: str) -> bool:
    """Whether early stopping had ended the training at a checkpoint; if not, it goes on counting from there."""
    state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json")).stateful_callbacks
    kept = state.get(EarlyStoppingCallback.__name__)
    for stop in (each for each in trainer.callback_handler.callbacks if isinstance(each, EarlyStoppingCallback)):
        count = (kept or {}).get("attributes", {}).get("early_stopping_patience_counter", 0)
        stop.early_stopping_patience_counter = count
        return bool(count >= stop.early_stopping_patience)
    return False


def _kept_log(trainer: Trainer) -> list[dict[str, float]]:
    """What the checkpoint that was continued had logged."""
    names = {"loss": "loss", f"eval_{LEADING}": LEADING}
    return [
        {"step": entry["step"], **{names[name]: round(entry[name], 5) for name in names if name in entry}}
        for entry in trainer.state.log_history
        if any(name in entry for name in names)
    ]


def _trainer(
    config: TrainConfig,
    folder: Path,
    model: CrossEncoder,
    rows: list[Row],
    held_out: HeldOut | None,
    device: str,
    watch: Watch,
) -> Trainer:
    loss = LOSSES[config.loss]
    per_row = {"pairs": 1, "lists": 1 + config.negatives, "margins": 2, "triplets": 2}[loss.rows]
    batch = max(1, config.batch_size // per_row)
    steps = config.max_steps or math.ceil(math.ceil(len(rows) / batch) * config.epochs)
    every = max(1, steps // max(1, config.checkpoints))
    measured = held_out is not None
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=batch,
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
        save_steps=every,
        save_total_limit=2,
        eval_strategy="steps" if measured else "no",
        eval_steps=every,
        load_best_model_at_end=measured,
        metric_for_best_model=f"eval_{LEADING}" if measured else None,
        greater_is_better=True if measured else None,
        logging_steps=max(1, min(every, 20)),
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=device == "cuda",
    )
    arguments._n_gpu = 1  # one process, one GPU: more would be taken unasked, and a step hold a multiple of the pairs
    stop: list[Any] = [] if config.early_stopping is None else [EarlyStoppingCallback(config.early_stopping)]
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        loss=made_loss(config.loss, model),
        evaluator=None if held_out is None else Measure(held_out),
        callbacks=[watch, *stop],
    )
    trainer.remove_callback(PrinterCallback)  # disable_tqdm puts it in
    return trainer
