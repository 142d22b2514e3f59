"""Fine-tune a cross-encoder on judged records: read them, measure before, train, measure after, write the folder.

The steps are made by sentence-transformers' CrossEncoderTrainer (`fit`, `trainer`); here is what surrounds them.
Everything happens in OUT.partial, checkpoints too, and OUT appears when it is complete.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from rerank_cli import __version__
from rerank_cli.core.errors import ConfigError, InputError, Interrupted
from rerank_cli.core.protocols import Report
from rerank_cli.engines.registry import open_scorer
from rerank_cli.evaluation.evaluate import Evaluation, evaluate
from rerank_cli.evaluation.measures import MEASURES, parsed_measures
from rerank_cli.evaluation.results import Results
from rerank_cli.files.existing import Action
from rerank_cli.reranking.in_memory import scored
from rerank_cli.training.card import card
from rerank_cli.training.config import DTYPES, TrainConfig
from rerank_cli.training.data import TrainingData
from rerank_cli.training.examples import HeldOut, examples, held_out
from rerank_cli.training.folder import MODEL, TrainingFolder
from rerank_cli.training.rows import LOSSES, Example, Row, rows, useful

NEEDS = ("sentence_transformers", "datasets", "accelerate", "ir_measures", "scipy")
AT_ONCE = 64  # held-out queries scored together
MOST_EPOCHS = 10_000
MEASURED = " ".join(name for name in MEASURES if name != "Judged@10")  # what is not judged is held as not relevant


@dataclass(slots=True)
class Trained:
    """What training came to. `evaluation`: before and after on the held-out records."""

    output: Path
    note: dict[str, Any]
    evaluation: Evaluation | None = None


def train(config: TrainConfig, report: Report, progress: Any) -> Trained:
    """Do it. `progress` is told of steps, losses and evaluations.

    Raises ConfigError, InputError, ModelError, DeviceError (also when a loss is not finite), Refused (OUT exists, or
    OUT.partial is of another training), OutputBusy, OutputError, and Interrupted with the advice to resume.
    """
    _refuse_early(config)
    named = [*config.read.files, *(config.held_out.files if config.held_out else ()), *filter(None, [config.qrels])]
    folder = TrainingFolder(config.output, config.resume, config.overwrite, [*named, config.model.model])
    try:
        return _trained(config, folder, report, progress)
    except Interrupted as stop:
        if folder.has_checkpoint:
            stop.advice = "; the last checkpoint is kept, the same command with --resume continues from it"
        raise
    finally:
        folder.close()


def _trained(config: TrainConfig, folder: TrainingFolder, report: Report, progress: Any) -> Trained:
    found, skipped = examples(config.read, config.fields, report)
    taught = [each for _, each in found if useful(each, LOSSES[config.loss])]
    lessons = _rows(taught, config)
    if not lessons:
        raise InputError(
            f"{', '.join(config.read.inputs)}: nothing that --loss {config.loss} can learn from",
            "It needs records with relevant and other texts" + _teacher_advice(config),
        )
    if less := len(found) - len(taught):
        report(f"{less:,} of {len(found):,} records teach --loss {config.loss} nothing: {LOSSES[config.loss].needs}")
    if one_sided := _one_sided(taught, config.loss):
        report(one_sided)
    kept = None if config.held_out is None else held_out(config.held_out, config.fields, report, config.qrels)
    if kept and (both := len({each.query for each in taught} & {each.query for each in kept.queries.values()})):
        report(f"{both:,} of the {len(kept.queries):,} queries of --eval are learnt too: their gain says little")
    scorer = open_scorer(replace(config.model, engine="torch"))  # finds the model, and refuses what is none
    for each in scorer.notes:
        report(each)
    note = _note(config, len(taught), lessons, (skipped, less), kept, scorer.identity.as_dict())
    action = folder.begin(note, report)
    if action is Action.NOTHING:
        return Trained(config.output, folder.finished())
    report(f"{len(taught):,} queries, {len(lessons):,} rows of {LOSSES[config.loss].rows}, loss {config.loss}")
    if kept:
        report(f"{len(kept.queries):,} held-out queries are measured before, on the way and after")
    base = _measured(scorer, kept, config.model.model, folder) if kept else None
    scorer.close()
    fitting: Any = import_module("rerank_cli.training.fit")
    note["training"] = fitting.fit(config, TrainingData(lessons, kept), folder.partial, report, progress)
    evaluation = None
    if kept and base is not None:
        made = open_scorer(replace(config.model, model=str(folder.partial / MODEL), revision=None, engine="torch"))
        logits = _logits(made, kept)
        made.close()
        evaluation = evaluate(kept.results("trained", logits), kept.qrels, parsed_measures(MEASURED), base)
        note["held_out"] = _figures(evaluation)
    folder.finish(note, card(folder.final.name, LOSSES[config.loss].description, note))
    return Trained(config.output, note, evaluation)


def _one_sided(taught: list[Example], loss: str) -> str:
    """A warning where no record has a text of one of the two kinds; a teacher's logits do not depend on them."""
    if LOSSES[loss].teacher:
        return ""
    for places, kind, answer in (
        ([each.negatives for each in taught], "that is not relevant (`neg` is empty or missing)", "yes"),
        ([each.positives for each in taught], "that is relevant", "no"),
    ):
        if not any(places):
            says = f"with --loss {loss} the model learns to say {answer} to everything"
            return f"warning: no record has a text {kind}; {says}"
    return ""


def _teacher_advice(config: TrainConfig) -> str:
    if not LOSSES[config.loss].teacher:
        return "."
    return (
        f", and a teacher's logits in each: pos_scores and neg_scores, or {config.fields.teacher!r} of candidates; "
        "`rerank score` with the teacher writes both."
    )


def _refuse_early(config: TrainConfig) -> None:
    missing = [package for package in (*NEEDS, *(["peft"] if config.lora else [])) if find_spec(package) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: not installed", "pip install 'rerank-cli[train]'")
    if config.loss not in LOSSES:
        raise ConfigError(f"--loss {config.loss}: unknown", f"Losses: {', '.join(LOSSES)}.")
    if config.dtype not in DTYPES:
        raise ConfigError(f"--dtype {config.dtype}: not for training", f"Use {', '.join(DTYPES)}.")
    device = import_module("rerank_cli.engines.torch_device").choose_device(config.model.device)
    if device.type == "cpu" and config.dtype == "fp16":
        raise ConfigError("--dtype fp16: not for training on a CPU", "Use bf16 or fp32.")
    if device.index:
        raise ConfigError(
            f"--device {config.model.device}: the first GPU is trained on",
            f"Make it the first: CUDA_VISIBLE_DEVICES={device.index} rerank train … --device cuda",
        )
    if config.qrels is not None and config.held_out is None:
        raise ConfigError(f"--qrels {config.qrels}: judges what?", "Name held-out records with --eval.")
    if config.early_stopping is not None and config.held_out is None:
        raise ConfigError("--early-stopping: what is measured?", "Name held-out records with --eval.")
    if config.read.inputs.count("-") and config.resume:
        raise ConfigError("--resume: standard input cannot be read a second time", "Train from a file.")
    if not 0 < config.epochs <= MOST_EPOCHS:
        raise ConfigError(f"--epochs {config.epochs}: nothing, or without end", "Write for example 1 or 0.5.")
    for name, value in (
        ("learning-rate", config.rate),
        ("warmup", config.warmup),
        ("weight-decay", config.weight_decay),
    ):
        if not math.isfinite(value):
            raise ConfigError(f"--{name} {value}: no number", "Leave it out.")


def _rows(taught: list[Example], config: TrainConfig) -> list[Row]:
    loss, draw = LOSSES[config.loss], Random(config.seed)
    best = max((grade for each in taught for grade in each.relevance), default=1.0)
    return [row for each in taught for row in rows(each, loss, config.negatives, draw, max(1.0, best))]


def _logits(scorer: Any, held_out: HeldOut) -> list[list[float]]:
    scorer.load()
    asked = [(example.query, example.texts) for example in held_out.queries.values()]
    found: list[list[float]] = []
    for start in range(0, len(asked), AT_ONCE):
        found += scored(scorer, asked[start : start + AT_ONCE])
    return found


def _measured(scorer: Any, held_out: HeldOut, name: str, folder: TrainingFolder) -> Results:
    """How the base ranks the held-out records; kept in OUT.partial, so that a resumed training need not repeat it."""
    logits = folder.kept_logits()
    if logits is None:
        logits = _logits(scorer, held_out)
        folder.keep_logits(logits)
    return held_out.results(name, logits)


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _note(
    config: TrainConfig,
    queries: int,
    lessons: list[Row],
    left_out: tuple[int, int],
    kept: HeldOut | None,
    base: dict[str, Any],
) -> dict[str, Any]:
    """What the training is: two of the same note are the same training."""
    options = asdict(config)
    for name in ("read", "held_out", "qrels", "fields", "model", "output", "resume", "overwrite"):
        del options[name]
    if config.max_steps is not None:
        del options["epochs"]
    options["max_length"], options["learning_rate"] = base["max_length"], config.rate
    names = ("model", "revision", "weights_sha256", "tokenizer_sha256", "config_sha256", "max_length")
    return {
        "rerank": __version__,
        "base": {name: base[name] for name in names},
        "data": {
            "inputs": list(config.read.inputs),
            "queries": queries,
            "unread_records": left_out[0],
            "unused_records": left_out[1],
            "rows": len(lessons),
            "rows_sha256": _sha256(lessons),
            "held_out": list(config.held_out.inputs) if config.held_out else None,
            "held_out_left_out": kept.left_out if kept else None,
            "held_out_sha256": _sha256([asdict(each) for each in kept.queries.values()]) if kept else None,
        },
        "computed_with": {name: base[name] for name in ("device", "threads")} | _versions(config, base["versions"]),
        "options": options,
    }


def _versions(config: TrainConfig, base: dict[str, str]) -> dict[str, str]:
    packages = ("sentence-transformers", "accelerate", *(["peft"] if config.lora else []))
    return base | {name: version(name) for name in packages}


def _figures(made: Evaluation) -> dict[str, Any]:
    return {
        "queries": made.counts["judged_queries"],
        "before": made.before_means,
        "after": made.means,
        "gain_95": {each.measure: [each.gain, each.low, each.high] for each in made.differences},
    }
