"""Fine-tune a cross-encoder on judged records: read them, measure before, train, measure after, write the folder.

The loop is sentence-transformers' CrossEncoderTrainer (`trainer.py`); here is what surrounds it. Everything happens
in OUT.partial, checkpoints too, and OUT appears when it is complete.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from rerank_cli import __version__
from rerank_cli.card import card
from rerank_cli.config import ModelConfig, ReadConfig
from rerank_cli.errors import ConfigError, InputError, Interrupted, OutputError, Refused
from rerank_cli.evaluate import Evaluation, evaluate, parsed_measures
from rerank_cli.export import scored
from rerank_cli.judged import Fields, HeldOut, examples, held_out
from rerank_cli.judging import Results
from rerank_cli.lessons import LOSSES, Example, Row, rows, useful
from rerank_cli.scorers import open_scorer

NEEDS = ("sentence_transformers", "datasets", "accelerate", "ir_measures", "scipy")
NOTE = "rerank-train.json"
DTYPES = ("fp32", "bf16", "fp16")
AT_ONCE = 64  # held-out queries scored together

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What to learn from, how, and where to. `batch_size` and `negatives` count pairs; see `rerank train --help`."""

    read: ReadConfig
    model: ModelConfig
    output: Path
    held_out: ReadConfig | None = None
    qrels: str | None = None  # judgements of the held-out records, where they carry none
    fields: Fields = field(default_factory=Fields)
    loss: str = "bce"
    negatives: int = 7
    batch_size: int = 32
    epochs: float = 1.0
    max_steps: int | None = None
    learning_rate: float = 2e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    lora: int | None = None  # the rank of the adapters
    freeze_embeddings: bool = False
    dtype: str = "fp32"
    seed: int = 42
    checkpoints: int = 10
    early_stopping: int | None = None
    resume: bool = False
    overwrite: bool = False

    @property
    def partial(self) -> Path:
        """Where the work is done."""
        return self.output.with_name(self.output.name + ".partial")


@dataclass(slots=True)
class Trained:
    """What training came to. `evaluation`: before and after on the held-out records."""

    output: Path
    note: dict[str, Any]
    evaluation: Evaluation | None = None


def train(config: TrainConfig, tell: Tell, progress: Any) -> Trained:
    """Do it. `progress` is told of steps, losses and evaluations.

    Raises ConfigError, InputError, ModelError, Refused (OUT exists, or OUT.partial is of another training),
    OutputError, and Interrupted with the advice to resume.
    """
    _refuse_early(config)
    found, skipped = examples(config.read, config.fields, tell)
    lessons = _rows(found, config)
    if not lessons:
        raise InputError(
            f"{', '.join(config.read.inputs)}: nothing that --loss {config.loss} can learn from",
            "It needs records with relevant and other texts" + _teacher_advice(config),
        )
    kept = None if config.held_out is None else held_out(config.held_out, config.fields, tell, config.qrels)
    scorer = open_scorer(replace(config.model, engine="torch"))  # finds the model, and refuses what is none
    for sentence in scorer.notes:
        tell(sentence)
    note = _note(config, found, lessons, skipped, scorer.identity.as_dict())
    start = _begun(config, note, tell)
    base = _measured(scorer, kept, config.model.model, start) if kept else None
    scorer.close()
    tell(f"{len(found):,} queries, {len(lessons):,} rows of {LOSSES[config.loss].rows}, loss {config.loss}")
    started = time.monotonic()
    try:
        trainer: Any = import_module("rerank_cli.trainer")
        note["training"] = trainer.fit(config, lessons, kept, tell, progress)
    except Interrupted as stop:
        stop.advice = "; the last checkpoint is kept, the same command with --resume continues from it"
        raise
    note["training"]["seconds"] = round(time.monotonic() - started, 1)
    evaluation = None
    if kept and base is not None:
        made = open_scorer(replace(config.model, model=str(config.partial / "model"), revision=None, engine="torch"))
        logits = _logits(made, kept)
        made.close()
        measures = parsed_measures(None)
        evaluation = evaluate(kept.results("trained", logits), kept.qrels, measures, base)
        note["held_out"] = _figures(evaluation)
    _finish(config, note)
    return Trained(config.output, note, evaluation)


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
    if config.qrels is not None and config.held_out is None:
        raise ConfigError(f"--qrels {config.qrels}: judges what?", "Name held-out records with --eval.")
    if config.early_stopping is not None and config.held_out is None:
        raise ConfigError("--early-stopping: what is measured?", "Name held-out records with --eval.")
    if config.read.inputs.count("-") and config.resume:
        raise ConfigError("--resume: standard input cannot be read a second time", "Train from a file.")
    target, partial = config.output, config.partial
    if os.path.lexists(target) and not config.overwrite:
        raise Refused(f"{target}: exists", "Choose another folder, or replace it with --overwrite.")
    if os.path.lexists(target) and not (target / NOTE).is_file():
        raise Refused(f"{target}: was not made by `rerank train`, so --overwrite leaves it alone", "Choose another.")
    if os.path.lexists(partial) and not (config.resume or config.overwrite):
        raise Refused(f"{partial}: an unfinished training", "Continue it with --resume, or drop it with --overwrite.")
    if os.path.lexists(partial) and not (partial / NOTE).is_file():
        raise Refused(f"{partial}: is not an unfinished training of ours", "Move it away.")


def _rows(examples: list[tuple[str, Example]], config: TrainConfig) -> list[Row]:
    loss, draw = LOSSES[config.loss], Random(config.seed)
    return [row for _, each in examples if useful(each, loss) for row in rows(each, loss, config.negatives, draw)]


def _logits(scorer: Any, held_out: HeldOut) -> list[list[float]]:
    scorer.load()
    asked = [(example.query, example.texts) for example in held_out.queries.values()]
    found: list[list[float]] = []
    for start in range(0, len(asked), AT_ONCE):
        found += scored(scorer, asked[start : start + AT_ONCE])
    return found


def _measured(scorer: Any, held_out: HeldOut, name: str, start: Path) -> Results:
    """How the base ranks the held-out records; kept in OUT.partial, so that a resumed training need not repeat it."""
    kept = start / "before.json"
    if kept.is_file():
        return held_out.results(name, json.loads(kept.read_bytes()))
    logits = _logits(scorer, held_out)
    kept.write_text(json.dumps(logits), encoding="utf-8")
    return held_out.results(name, logits)


def _note(
    config: TrainConfig, examples: list[tuple[str, Example]], lessons: list[Row], skipped: int, base: dict[str, Any]
) -> dict[str, Any]:
    """What the training is: two of the same note are the same training."""
    options = asdict(replace(config, resume=False, overwrite=False))
    for name in ("read", "held_out", "qrels", "fields", "model", "output"):
        del options[name]
    digest = hashlib.sha256(json.dumps(lessons, ensure_ascii=True).encode()).hexdigest()
    names = ("model", "revision", "weights_sha256", "tokenizer_sha256", "config_sha256", "max_length")
    return {
        "rerank": __version__,
        "base": {name: base[name] for name in names},
        "data": {
            "inputs": list(config.read.inputs),
            "queries": len(examples),
            "skipped_records": skipped,
            "rows": len(lessons),
            "rows_sha256": digest,
            "held_out": list(config.held_out.inputs) if config.held_out else None,
        },
        "options": options,
    }


def _begun(config: TrainConfig, note: dict[str, Any], tell: Tell) -> Path:
    """OUT.partial, new, or as it was left by the same training. Raises Refused and OutputError."""
    partial = config.partial
    wanted = json.loads(json.dumps(note))
    try:
        if partial.exists():
            former = json.loads((partial / NOTE).read_bytes())
            if config.resume and former == wanted:
                tell(f"continuing the training in {partial}")
                return partial
            if not config.overwrite:
                raise Refused(
                    f"{partial}: belongs to a training with other data, model or options",
                    "Repeat its command, or drop it with --overwrite.",
                )
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        (partial / NOTE).write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else fault
        raise OutputError(f"{partial}: {reason}", "Check the folder and its disk.") from None
    return partial


def _figures(made: Evaluation) -> dict[str, Any]:
    return {
        "queries": made.counts["judged_queries"],
        "before": made.before_means,
        "after": made.means,
        "gain_95": {each.measure: [each.gain, each.low, each.high] for each in made.differences},
    }


def _finish(config: TrainConfig, note: dict[str, Any]) -> None:
    """Write note and card beside the model, and put the folder in its place. Raises OutputError."""
    made, target = config.partial / "model", config.output
    try:
        (made / NOTE).write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (made / "README.md").write_text(card(target.name, LOSSES[config.loss].says, note), encoding="utf-8")
        if os.path.lexists(target):
            shutil.rmtree(target)
        made.rename(target)
        shutil.rmtree(config.partial)
    except OSError as fault:
        raise OutputError(f"{target}: {fault.strerror or fault}", "Check the folder and its disk.") from None
