"""Find the files of a model: an alias, a folder, the hub cache, or the hub, in this order.

Every model is resolved to a local folder, and libraries see only that folder: no code from repositories, no pickles, no
hidden requests.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.dialects import PROFILES, URLS, scheme_of
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.families import advice_on
from rerank_cli.models.folder import ModelFolder, inspect_folder
from rerank_cli.models.hub import files_from_hub, from_hub

ALIASES = {"mini": Path(__file__).parent / "mini"}


def find_model(config: ModelConfig) -> ModelFolder:
    """Resolve `config.model` to a folder and check its files.

    Raises ModelError (missing, unreachable, damaged, or not a one-label sequence classifier) or PassingFault (the hub
    is busy).
    """
    name, path = config.model, _local(config)
    return from_hub(name, config) if path is None else inspect_folder(config, path, None)


@dataclass(frozen=True, slots=True)
class SmallFiles:
    """Where the small files of a model are, and where they came from: "package", "folder", "hub cache" or "hub".

    `revision` is a commit of the hub. `to_download` are the bytes of weights that are not on this machine.
    """

    path: Path
    origin: str
    revision: str | None = None
    to_download: int | None = None


def find_small_files(config: ModelConfig) -> SmallFiles:
    """The folder of a model's small files. No weights are read or downloaded, and the files are not checked.

    Raises what `find_model` raises for a model that cannot be found.
    """
    if (path := _local(config)) is not None:
        return SmallFiles(path, "package" if config.model in ALIASES else "folder")
    path, to_download = files_from_hub(config.model, config)
    return SmallFiles(path, "hub cache" if to_download is None else "hub", path.name, to_download)


def _local(config: ModelConfig) -> Path | None:
    """The folder of a model that is not of the hub; None for one of the hub. Raises ModelError or ConfigError."""
    name = config.model
    refuse_empty(config)
    path = ALIASES.get(name, Path(os.path.expanduser(name)))
    if os.path.isdir(path):  # unlike Path.is_dir, it accepts names of any length
        if config.revision is not None:
            raise ConfigError(f"--revision needs a model of the hub, but {name} is a folder", "Leave --revision out.")
        return path
    if scheme_of(name) in (*URLS, *PROFILES):
        raise ModelError(
            f"{name}: is an API, not a model on this machine",
            "`rerank score` asks it, without --engine. Other commands and engines need the model itself.",
        )
    known = advice_on(name)
    if known or is_local(name):
        advice = known or "Name a folder, a hub id such as BAAI/bge-reranker-v2-m3, or mini."
        raise ModelError(f"{name}: no such model folder", advice)
    return None


def is_local(name: str) -> bool:
    """Whether a model's name is an alias, or a path: finding it asks no hub."""
    path = ALIASES.get(name, Path(os.path.expanduser(name)))
    return os.path.exists(path) or name.startswith((".", "/", "~")) or name.count("/") != 1


def refuse_empty(config: ModelConfig) -> None:
    """Raises ConfigError for an empty --model or --revision, as with an unset shell variable."""
    for option, value in (("model", config.model), ("revision", config.revision)):
        if value is not None and not value.strip():
            raise ConfigError(f"--{option} is empty", f"Name a {option}, or leave the option out.")
