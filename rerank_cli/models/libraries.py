"""Libraries that say nothing and report to nobody: what must be set before the first of them is imported.

The wings `models` and `engines` call `silence_libraries` when they are imported: no command reaches a library before.
Some report from native code, at import or seconds later: onnxruntime keeps a device id and a database of events in the
user's cache and sends them, also where nobody called its Python API.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NO_REPORTS = {  # whatever the user's environment says: none is a promise
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "DO_NOT_TRACK": "1",  # many
    "WANDB_MODE": "disabled",  # reporters that trainers look for
    "COMET_MODE": "DISABLED",
    "RAY_USAGE_STATS_ENABLED": "0",
}
QUIET = {  # unless the user's environment says otherwise
    "HF_HUB_DISABLE_XET": "1",  # a second client, which asks elsewhere and knows none of our limits
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "true",
}
BARS = "HF_HUB_DISABLE_PROGRESS_BARS"  # "1" forbids them, "0" forbids forbidding them
CACHE = "RERANK_CACHE"  # the folder of what this tool keeps
NO_BARS = {BARS: "1", "TQDM_DISABLE": "1"}


def user_cache() -> Path:
    """The folder of what can be made again: RERANK_CACHE, else `rerank` in XDG_CACHE_HOME, by default ~/.cache."""
    if own := os.environ.get(CACHE):
        return Path(os.path.abspath(os.path.expanduser(own)))
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache")) / "rerank"


def silence_libraries(offline: bool = False) -> None:
    """Keep libraries quiet, from reporting, and with `offline` off the network. Cheap; may be called again."""
    os.environ.update(NO_REPORTS)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("MPLCONFIGDIR", str(user_cache() / "matplotlib"))
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    if not sys.stderr or not sys.stderr.isatty():
        forbid_bars()
    elif os.environ.get(BARS) == "0":
        del os.environ[BARS]
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # openvino and nncf do without
    if (onnxruntime := sys.modules.get("onnxruntime")) is not None:  # imported by somebody before us
        with suppress(AttributeError):
            onnxruntime.disable_telemetry_events()
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"


def forbid_bars() -> None:
    """Let no library draw a progress bar; must come before the first of them is imported."""
    os.environ.update(NO_BARS)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep what exporters print and warn of away from the user: every graph is compared with its model."""
    import logging  # three milliseconds of each start

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
    """Without bars, and transformers' warnings of special tokens it adds to a configuration and checkpoints' times."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    hide_weight_bars()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def hide_weight_bars() -> None:
    """Let transformers draw no bar while it reads or writes weights; `progress` shows what there is to see."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def quiet_nncf() -> None:
    """Let nncf report nothing but errors."""
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)


def in_short(fault: BaseException) -> str:
    """The first line of what a library raised, with its type."""
    return f"{type(fault).__name__}: {fault}".splitlines()[0][:300]


def version_of(library: str) -> str:
    """The version of an installed library, also where its build for GPUs goes by another name."""
    for name in (library, f"{library}-gpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    return "unknown"
