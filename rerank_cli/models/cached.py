"""What the hub cache holds, read without the hub's library, whose import takes a third of a second.

A shell asks for the models at each press of Tab, and a run with nothing to do needs no more than its model's files.
"""

import re
from collections.abc import Mapping
from pathlib import Path

PREFIX = "models--"
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")


def hub_cache(environment: Mapping[str, str]) -> Path:
    """The folder in which the hub's library keeps repositories.

    Source: huggingface_hub's constants (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME).
    """
    if named := environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE"):
        return Path(named).expanduser()
    base = Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(environment.get("HF_HOME") or base).expanduser() / "hub"


def cached_models(environment: Mapping[str, str]) -> list[str]:
    """The hub ids of models of which a snapshot has a config.json, in order."""
    found = hub_cache(environment).glob(f"{PREFIX}*/snapshots/*/config.json")
    try:
        return sorted({path.parents[2].name.removeprefix(PREFIX).replace("--", "/", 1) for path in found})
    except OSError:  # the cache cannot be read: it has nothing to offer
        return []


def cached_snapshot(name: str, revision: str | None, environment: Mapping[str, str]) -> Path | None:
    """The folder of a model's revision in the hub cache, which may be incomplete; None if it is not there.

    A branch or tag is a file that holds the commit; a commit is the name of the folder.
    """
    revision = "main" if revision is None else revision
    if not REVISION.fullmatch(revision) or ".." in revision:
        return None
    repository = hub_cache(environment) / (PREFIX + name.replace("/", "--"))
    try:
        commit = revision if COMMIT.fullmatch(revision) else (repository / "refs" / revision).read_text().strip()
        found = repository / "snapshots" / commit
        return found if COMMIT.fullmatch(commit) and found.is_dir() else None
    except (OSError, ValueError):
        return None
