"""Which models the hub cache holds, without the hub's library: a shell asks for them at each press of Tab."""

from collections.abc import Mapping
from pathlib import Path

PREFIX = "models--"


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
