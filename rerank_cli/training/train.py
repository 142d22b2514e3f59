"""Fine-tune a cross-encoder on judged records: read, measure, train, measure again, write the folder.

The training loop is the CrossEncoderTrainer of sentence-transformers (`fit`, `trainer`). Everything is written to
OUT.partial, checkpoints included, and OUT appears when it is complete.
"""

from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError, Interrupted
from rerank_cli.core.protocols import Report, StepProgress
from rerank_cli.engines.choice import open_scorer, refuse_options
from rerank_cli.evaluation.evaluate import Evaluation
from rerank_cli.evaluation.rankings import Results
from rerank_cli.files.existing import Action
from rerank_cli.models.find import find_model
from rerank_cli.training.card import card
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.data import TrainingData, read_data
from rerank_cli.training.folder import MODEL, TrainingFolder
from rerank_cli.training.held_out import HeldOut, measure_held_out, score_held_out
from rerank_cli.training.note import held_out_figures, note_of
from rerank_cli.training.preflight import refuse_early
from rerank_cli.training.rows import LOSSES


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training. `evaluation`: before and after on the held-out records; None without them."""

    output: Path
    note: dict[str, Any]
    evaluation: Evaluation | None = None


def train(config: TrainConfig, report: Report, progress: StepProgress) -> TrainingResult:
    """Train a model. `progress` shows steps, losses and measures.

    Raises ConfigError, InputError, ModelError, DeviceError (also for a loss that is not finite), Refused (OUT exists,
    or OUT.partial is of another training), OutputBusy, OutputError, and Interrupted with the advice to resume.
    """
    refuse_early(config)
    folder = TrainingFolder(config.output, config.resume, config.overwrite, config.files)
    try:
        return _train_in(folder, config, report, progress)
    except Interrupted as stop:
        if folder.has_checkpoint:
            stop.advice = "; the last checkpoint is kept, the same command with --resume continues from it"
        raise
    finally:
        folder.close()


def _train_in(folder: TrainingFolder, config: TrainConfig, report: Report, progress: StepProgress) -> TrainingResult:
    data = read_data(config, report)
    torch_model = replace(config.model, engine="torch")
    refuse_options(torch_model)
    base_folder = find_model(torch_model)
    if base_folder.head is not None:
        raise ConfigError(
            f"{config.model.model}: a head in modules, which this version does not train",
            "Choose a model with a classification head in config.json.",
        )
    base = open_scorer(torch_model, base_folder)
    for sentence in base.notes:
        report(sentence)
    note = note_of(config, data, base.identity.as_dict())
    if folder.begin(note, report) is Action.NOTHING:
        return TrainingResult(config.output, folder.finished_note())
    _report_size(config, data, report)
    before = None if data.held_out is None else _measure_base(base, data.held_out, config.model.model, folder)
    base.close()
    fitting: Any = import_module("rerank_cli.training.fit")
    note["training"] = fitting.fit(config, data, base_folder, folder.partial, report=report, progress=progress)
    evaluation = None
    if data.held_out is not None and before is not None:
        evaluation = measure_held_out(data.held_out, _score_trained(config, folder, data.held_out), before)
        note["held_out"] = held_out_figures(evaluation)
    note["origins"] = asdict(config.origins)
    folder.finish(note, card(folder.final.name, LOSSES[config.loss].description, note))
    return TrainingResult(config.output, note, evaluation)


def _report_size(config: TrainConfig, data: TrainingData, report: Report) -> None:
    report(f"{data.queries:,} queries, {len(data.rows):,} rows of {LOSSES[config.loss].rows}, loss {config.loss}")
    if data.held_out is not None:
        report(f"{len(data.held_out.queries):,} held-out queries are measured before, during and after training")


def _measure_base(base: Any, held_out: HeldOut, name: str, folder: TrainingFolder) -> Results:
    """The base's ranking of the held-out records; kept in OUT.partial for a resumed training."""
    logits = folder.kept_logits()
    if logits is None:
        logits = score_held_out(base, held_out)
        folder.keep_logits(logits)
    return held_out.results(name, logits)


def _score_trained(config: TrainConfig, folder: TrainingFolder, held_out: HeldOut) -> list[list[float]]:
    """The logits of the held-out records by the trained model."""
    trained = open_scorer(replace(config.model, model=str(folder.partial / MODEL), revision=None, engine="torch"))
    logits = score_held_out(trained, held_out)
    trained.close()
    return logits
