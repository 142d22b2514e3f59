"""Silence libraries and their telemetry: settings that must be made before they are imported.

The wings `models` and `engines` call `silence_libraries` when they are imported, before any command uses a library.
Some libraries report from native code, at import or seconds later: onnxruntime stores a device id and a database of
events in the user's cache and sends them, even if its Python API is not used.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

NO_REPORTS = {  # set in any case: no telemetry is a guarantee
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DO_NOT_TRACK": "1",  # many
    "WANDB_MODE": "disabled",  # reporters of trainers
    "COMET_MODE": "DISABLED",
    "RAY_USAGE_STATS_ENABLED": "0",
}
QUIET = {  # unless the user's environment sets it
    "HF_HUB_DISABLE_XET": "1",  # a second client, which contacts other servers and has none of our limits
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "true",
}
BARS = "HF_HUB_DISABLE_PROGRESS_BARS"  # "1" disables bars, "0" prevents disabling them
CACHE = "RERANK_CACHE"  # the folder of what this tool keeps
NO_BARS = {BARS: "1", "TQDM_DISABLE": "1"}


def user_cache() -> Path:
    """The folder of what can be made again: RERANK_CACHE, else `rerank` in XDG_CACHE_HOME, by default ~/.cache."""
    if own := os.environ.get(CACHE):
        return Path(os.path.abspath(os.path.expanduser(own)))
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache")) / "rerank"


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Keep what can be made again in another folder meanwhile, in this process and in those that it starts."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE]
        else:
            os.environ[CACHE] = before


def has_architecture(model_type: str) -> bool:
    """Whether the installed transformers names a model type in its tables, seen without importing it.

    True where the tables cannot be seen.
    """
    found = find_spec("transformers")
    folders = list(found.submodule_search_locations or ()) if found else []
    tables = [path for folder in folders for path in Path(folder, "models", "auto").glob("*.py")]
    return not tables or any(f'"{model_type}"' in path.read_text(encoding="utf-8") for path in tables)


def silence_libraries(offline: bool = False) -> None:
    """Silence libraries and their telemetry; with `offline`, keep them off the network. Cheap and repeatable."""
    os.environ.update(NO_REPORTS)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MPLCONFIGDIR", str(user_cache() / "matplotlib"))
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    if not sys.stderr or not sys.stderr.isatty():
        forbid_bars()
    elif os.environ.get(BARS) == "0":
        del os.environ[BARS]
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # openvino and nncf work without it
    if (onnxruntime := sys.modules.get("onnxruntime")) is not None:  # already imported by other code
        with suppress(AttributeError):
            onnxruntime.disable_telemetry_events()
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"


def forbid_bars() -> None:
    """Disable the progress bars of libraries; call this before any of them is imported."""
    os.environ.update(NO_BARS)


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress the output and warnings of exporters: every graph is compared with its model."""
    import logging  # not at the top: it takes 3 ms of every start

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        said = io.StringIO()
        with warnings.catch_warnings(), redirect_stdout(said), redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress progress bars, and warnings of transformers on added special tokens and times of checkpoints."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    hide_weight_bars()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def hide_weight_bars() -> None:
    """Disable the bars of transformers for reading and writing weights; our own progress shows them."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def quiet_nncf() -> None:
    """Suppress messages of nncf below errors."""
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)


def in_short(fault: BaseException) -> str:
    """The type and the first line of a library's exception."""
    return f"{type(fault).__name__}: {fault}".splitlines()[0][:300]


def version_of(library: str) -> str:
    """The version of an installed library, or of its GPU build with another name."""
    for name in (library, f"{library}-gpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    return "unknown"
