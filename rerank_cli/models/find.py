"""Find the files of a model: an alias, a folder, the hub cache, or the hub, in this order.

Every model is resolved to a local folder, and libraries see only that folder: no code from repositories, no pickles, no
hidden requests.
"""

import os
from pathlib import Path

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.families import advice_on
from rerank_cli.models.folder import ModelFolder, inspect_folder
from rerank_cli.models.hub import from_hub

ALIASES = {"mini": Path(__file__).parent / "mini"}


def find_model(config: ModelConfig) -> ModelFolder:
    """Resolve `config.model` to a folder and check its files.

    Raises ModelError (missing, unreachable, damaged, or not a one-label sequence classifier) or PassingFault (the hub
    is busy).
    """
    name = config.model
    refuse_empty(config)
    path = ALIASES.get(name, Path(os.path.expanduser(name)))
    if os.path.isdir(path):  # unlike Path.is_dir, it accepts names of any length
        if config.revision is not None:
            raise ConfigError(f"--revision needs a model of the hub, but {name} is a folder", "Leave --revision out.")
        return inspect_folder(name, path, None, config.engine, config.verify)
    known = advice_on(name)
    if known or is_local(name):
        advice = known or "Name a folder, a hub id such as BAAI/bge-reranker-v2-m3, or mini."
        raise ModelError(f"{name}: no such model folder", advice)
    return from_hub(name, config)


def is_local(name: str) -> bool:
    """Whether a model's name is an alias, or a path: finding it asks no hub."""
    path = ALIASES.get(name, Path(os.path.expanduser(name)))
    return os.path.exists(path) or name.startswith((".", "/", "~")) or name.count("/") != 1


def refuse_empty(config: ModelConfig) -> None:
    """Raises ConfigError for an empty --model or --revision, as with an unset shell variable."""
    for option, value in (("model", config.model), ("revision", config.revision)):
        if value is not None and not value.strip():
            raise ConfigError(f"--{option} is empty", f"Name a {option}, or leave the option out.")
