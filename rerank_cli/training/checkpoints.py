"""Checkpoints of a training: find the newest complete one, and report one that cannot be written."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from rerank_cli.core.errors import OutputError
from rerank_cli.core.protocols import Report
from rerank_cli.files.durable import write_durably

STATE = "trainer_state.json"


def steps_of(checkpoint: str) -> int:
    """The step of a checkpoint, from its name."""
    return int(checkpoint.rpartition("-")[2])


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raises OutputError for a full or broken disk, whatever safetensors or torch raise."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as fault:
        raise OutputError(
            f"{path}: cannot be written: {str(fault).splitlines()[0]}",
            "Check the folder and its disk, then continue with --resume from the last complete checkpoint.",
        ) from None


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint has all its files, and none is truncated."""
    try:
        json.loads((checkpoint / STATE).read_bytes())
        weights = sorted(checkpoint.glob("*.safetensors"))
        for path in weights:
            with safe_open(path, "pt") as file:  # checks the length of the file
                file.keys()
    except Exception:  # damaged files raise any exception
        return False
    archives = [checkpoint / name for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth")]
    return bool(weights) and all(zipfile.is_zipfile(path) for path in archives)


def last_whole_checkpoint(folder: Path, report: Report) -> str | None:
    """The newest complete checkpoint. Later ones, which a kill left incomplete, are removed.

    Raises OutputError.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -steps_of(path.name)):
        with write_errors(checkpoint):
            if is_whole(checkpoint):
                _locate_best(checkpoint / STATE, folder, report)
                return str(checkpoint)
            report(f"{checkpoint.name} is incomplete and is skipped")
            shutil.rmtree(checkpoint)
    return None


def _locate_best(path: Path, folder: Path, report: Report) -> None:
    """Update the path of the best checkpoint in the trainer's state at `path`; remove it if the checkpoint is lost."""
    state = json.loads(path.read_bytes())
    last_known = state.get("best_model_checkpoint")
    if not last_known:
        return
    best = folder / Path(last_known).name
    if is_whole(best):
        corrected: dict[str, str | None] = {"best_model_checkpoint": str(best)}
    else:
        report(f"{best.name}, the best so far, is incomplete: the best later one is used, else the last")
        corrected = dict.fromkeys(("best_model_checkpoint", "best_metric", "best_global_step"))
    write_whole(path, json.dumps({**state, **corrected}, indent=2))


def write_whole(path: Path, text: str) -> None:
    """Replace a file of a training atomically. A kill may leave its `.new`, which the next training recognises."""
    write_durably(path, text.encode(), temporary=".new")
