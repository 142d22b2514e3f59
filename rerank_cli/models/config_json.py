"""Check a model's config.json before any library reads it.

A configuration is untrusted data. It must not name code or kernels of another repository (CVE-2026-4372), claim trust
for itself or a part of it (CVE-2026-5241), or name other weights than those we hash. It must have one label, a head,
and possible sizes.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError, ModelError

ATTENTION = frozenset({"attn_implementation", "_attn_implementation", "_attn_implementation_internal"})
BUILT_IN_ATTENTION = ("eager", "sdpa", None)
GENERATORS = ("ForCausalLM", "ForConditionalGeneration")  # of architectures that write text
FETCH_AGAIN = "Fetch the files of the model again."
SINCE = {"gte": "5.23"}  # architectures that transformers has since this version, newer than the oldest that runs
BUILT_IN = "Choose a model with a built-in architecture: code from model repositories is never run."
INCOMPLETE = "Fetch the model again: the folder is incomplete."
REFUSED: dict[str, tuple[Any, ...]] = {  # keys, with the values that have no effect
    "trust_remote_code": (False, None),
    "transformers_weights": (None,),
    "quantization_config": (None,),
    "attribute_map": (None, {}),  # renames keys, possibly to refused ones
}
SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
)
LARGEST = 2**31 - 1
MOST_LABELS = 1000
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model. Raises ModelError with the file's name."""
    require_file(path)
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as fault:
        raise ModelError(f"{path}: {fault.strerror}", INCOMPLETE) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object", FETCH_AGAIN)
    return value


def require_file(path: Path) -> None:
    """Raises ModelError unless `path` is a readable regular file."""
    if not os.path.lexists(path):
        raise ModelError(f"{path}: No such file or directory", INCOMPLETE)
    if not os.path.isfile(path):
        raise ModelError(f"{path}: is not a file", INCOMPLETE)
    if not os.access(path, os.R_OK):
        raise ModelError(f"{path}: Permission denied", "Check who may read it.")


def check_config(path: Path, config: dict[str, Any]) -> None:
    """Raises ModelError for a hostile or impossible configuration."""
    _check_keys(path, config)
    for size in SIZES:
        value = config.get(size, 1)
        if value is not None and (type(value) is not int or not 0 <= value <= LARGEST):
            raise ModelError(f"{path}: {size} cannot be {str(value)[:40]}", FETCH_AGAIN)
    if type(config.get("pad_token_id", 0)) not in (int, type(None)):
        raise ModelError(f"{path}: pad_token_id is not a number", FETCH_AGAIN)
    architectures = config.get("architectures") or ["none"]
    named = architectures[0] if isinstance(architectures, list) else None
    if not isinstance(named, str) or not isinstance(config.get("model_type", ""), str):
        raise ModelError(f"{path}: architectures or model_type are not names", FETCH_AGAIN)


def advice_on_architecture(model_type: Any) -> str:
    """What to do about a model type that transformers lacks."""
    since = SINCE.get(model_type) if isinstance(model_type, str) else None
    return BUILT_IN if since is None else f"Install transformers {since} or newer, or choose another model."


def architecture_of(config: dict[str, Any]) -> str:
    """The architecture that a checked configuration names; "none" without."""
    return str((config.get("architectures") or ["none"])[0])


def has_head(config: dict[str, Any]) -> bool:
    """Whether a checked configuration is that of a sequence classifier."""
    return architecture_of(config).endswith("ForSequenceClassification")


def is_generator(config: dict[str, Any]) -> bool:
    """Whether a checked configuration is that of a model that writes text."""
    return architecture_of(config).endswith(GENERATORS)


def refuse_no_head(path: Path, config: dict[str, Any], label: int | None = None) -> None:
    """Raises ModelError unless a checked configuration is that of a sequence classifier with one label.

    With several labels, `label` must be one of them. Raises ConfigError for a label that the classifier lacks.
    """
    if not has_head(config):
        architecture = architecture_of(config)
        advice = "Choose a …ForSequenceClassification model with one label. For a bi-encoder, add --engine bi-encoder."
        raise ModelError(f"{path}: architecture {architecture} has no classification head", advice)
    refuse_labels(path, list(_labels(config)), label)
    if label is not None and (kind := config.get("problem_type")) not in (None, "single_label_classification"):
        raise ConfigError(
            f"--label {label}: {path} has problem_type {str(kind)[:40]!r}, whose labels do not exclude each other",
            "Only single_label_classification is supported.",
        )


def refuse_labels(path: Path, counts: list[Any], label: int | None) -> None:
    """Raises ModelError for a number of labels other than one without a `label`; the `counts` must agree.

    Raises ConfigError for a label that the classifier lacks.
    """
    count, *others = counts
    several = type(count) is int and 1 < count <= MOST_LABELS and all(other == count for other in others)
    if label is not None:
        if several and 0 <= label < count:
            return
        if all(labels == 1 for labels in counts):
            raise ConfigError(f"--label {label}: {path} has one label", "Leave --label out.")
        if several:
            raise ConfigError(f"--label {label}: {path} has {count} labels", f"Use a number from 0 to {count - 1}.")
    for labels in counts:
        if labels != 1:
            advice = "Choose a reranker model."
            if several:
                advice = f"Add --label N (0 to {count - 1}) for the label that says relevant, or choose another model."
            raise ModelError(f"{path}: {labels} labels, expected one", advice)


def _labels(config: dict[str, Any]) -> Iterator[Any]:
    """The numbers of labels in the configuration; the default is two."""
    if "id2label" in config:
        labels = config["id2label"]
        yield len(labels) if isinstance(labels, dict) else "no table of"
    if "num_labels" in config or "id2label" not in config:
        yield config.get("num_labels", 2)


def _check_keys(path: Path, config: dict[str, Any]) -> None:
    left: list[Any] = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ATTENTION and inner not in BUILT_IN_ATTENTION:
                    raise _refusal(path, key, inner, "only built-in attention code is run")
                if key in REFUSED and inner not in REFUSED[key]:
                    raise _refusal(path, key, inner, "files of a model must not choose code or weights")
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _refusal(path: Path, key: str, value: Any, why: str) -> ModelError:
    shown = str(value)[:60]
    return ModelError(
        f"{path}: {key}: {shown} is refused: {why}", "Do not use this model, or remove the key if you trust it."
    )
