"""The content of `rerank-train.json`: data, options and base of a training. Equal notes are the same training.

Results are added at the end of the training; `folder.OUTCOMES` has their keys.
"""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from rerank_cli import __version__
from rerank_cli.evaluation.evaluate import Evaluation
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.data import TrainingData

NO_OPTIONS = (
    "read",
    "held_out",
    "qrels",
    "fields",
    "model",
    "output",
    "resume",
    "overwrite",
    "origins",
)  # part of the note under other keys


def note_of(config: TrainConfig, data: TrainingData, base: dict[str, Any]) -> dict[str, Any]:
    """The note of a new training; `base` is the identity of its base model."""
    names = ("model", "revision", "weights_sha256", "tokenizer_sha256", "config_sha256", "max_length")
    return {
        "rerank": __version__,
        "base": {name: base[name] for name in names},
        "data": _data(config, data),
        "computed_with": {name: base[name] for name in ("device", "threads")} | _versions(config, base["versions"]),
        "options": _options(config, base),
    }


def _data(config: TrainConfig, data: TrainingData) -> dict[str, Any]:
    held_out = data.held_out
    return {
        "inputs": list(config.read.inputs),
        "queries": data.queries,
        "unread_records": data.unread_records,
        "unused_records": data.unused_records,
        "rows": len(data.rows),
        "rows_sha256": _sha256(data.rows),
        "held_out": list(config.held_out.inputs) if config.held_out else None,
        "held_out_left_out": held_out.left_out if held_out else None,
        "held_out_sha256": _sha256([asdict(each) for each in held_out.queries.values()]) if held_out else None,
    }


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _versions(config: TrainConfig, base: dict[str, str]) -> dict[str, str]:
    packages = ["sentence-transformers", "accelerate"]
    if config.lora:
        packages.append("peft")
    return base | {name: version(name) for name in packages}


def _options(config: TrainConfig, base: dict[str, Any]) -> dict[str, Any]:
    options = asdict(config)
    for name in NO_OPTIONS:
        del options[name]
    if config.max_steps is not None:
        del options["epochs"]
    options["max_length"], options["learning_rate"] = base["max_length"], config.rate
    return options


def held_out_figures(evaluation: Evaluation) -> dict[str, Any]:
    """The held-out part of the note: measures before and after, and the gain with its interval."""
    return {
        "queries": evaluation.counts["judged_queries"],
        "before": evaluation.before_means,
        "after": evaluation.means,
        "gain_95": {each.measure: [each.gain, each.low, each.high] for each in evaluation.differences},
    }
