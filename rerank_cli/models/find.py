"""Where a model's files are: an alias, a folder, the hub cache, or the hub, in this order.

Everything is resolved to a local folder first, and that is all the libraries ever see: no code from repositories, no
pickles, no hidden requests.
"""

import os
from pathlib import Path

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.folder import ModelFolder, inspect_folder
from rerank_cli.models.hub import from_hub

ALIASES = {"mini": Path(__file__).parent / "mini"}


def find_model(config: ModelConfig) -> ModelFolder:
    """Resolve `config.model` to a folder and check its files.

    Raises ModelError (missing, unreachable, damaged, or not a one-label sequence classifier) or PassingFault (the hub
    asks us to come back later).
    """
    name = config.model
    refuse_empty(config)
    path = ALIASES.get(name, Path(os.path.expanduser(name)))
    if os.path.isdir(path):  # unlike Path's, it has an answer for a name of any length
        if config.revision is not None:
            raise ConfigError(f"--revision goes with models of the hub, and {name} is a folder", "Leave it out.")
        return inspect_folder(name, path, None, config.engine)
    if is_local(name):
        raise ModelError(
            f"{name}: no such model folder", "Give a folder, a hub id such as BAAI/bge-reranker-v2-m3, or mini."
        )
    return from_hub(name, config)


def is_local(name: str) -> bool:
    """Whether a model's name is an alias, or a path: finding it asks no hub."""
    path = ALIASES.get(name, Path(os.path.expanduser(name)))
    return os.path.exists(path) or name.startswith((".", "/", "~")) or name.count("/") != 1


def refuse_empty(config: ModelConfig) -> None:
    """Raises ConfigError for a model or a revision of no name, as an unset variable of a shell gives."""
    for option, value in (("model", config.model), ("revision", config.revision)):
        if value is not None and not value.strip():
            raise ConfigError(f"--{option}: is empty", f"Name a {option}, or leave the option out.")
