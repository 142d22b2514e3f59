"""The memory that a model takes, and the memory that there is.

A run refuses a model whose weights alone are larger than the memory of the machine, before it reads them, or than what
is free on its GPU, before it loads them. What a run takes beyond its weights is an estimate, for `rerank models`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import DeviceError
from rerank_cli.core.sizes import mebibytes
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.weights import stored_weights

BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}  # of a weight
GROUPS = Path("/sys/fs/cgroup")
LIMITS = ("memory.max", "memory.limit_in_bytes")  # in versions 2 and 1 of control groups
SWAP = ("memory.swap.max",)
UNLIMITED = 2**60  # version 1 writes a larger number for no limit


# Peaks of runs on a CPU, by engine and dtype: MiB besides the weights, and the factor of the weights in float32. The
# first two are those of a run whose graph is there, the last two those of a run that makes it. They go through the
# peaks of two models, of 40M and 568M parameters (docs/experiments.md, E39).
MEASURED = {
    ("torch", "fp32"): ((518, 1.45), (518, 1.45)),
    ("openvino", "fp32"): ((229, 1.67), (651, 2.68)),
    ("openvino", "int8"): ((224, 0.48), (667, 1.65)),
    ("onnx", "int8"): ((199, 0.41), (556, 5.19)),
    ("onnx", "fp32"): ((246, 0.68), (706, 1.70)),  # the table of token embeddings is mapped, and read in parts
}


def weights_in_memory(folder: ModelFolder, dtype: str) -> int | None:
    """The bytes of a model's weights in the dtype of the computation; None if they are still on the hub.

    Of an exported graph, the size of its files. Raises ModelError for damaged headers.
    """
    if folder.graph is not None:
        return folder.weight_bytes
    return stored_weights(folder.all_weights).parameters * BYTES[dtype] if folder.weights else None


def estimated_memory(engine: str, dtype: str, parameters: int, *, converts: bool = False) -> int | None:
    """The peak memory of a run on a CPU, in bytes, or of a run that `converts` a model; None where it was not measured.

    Long documents, and batches larger than the default, take more.
    """
    found = MEASURED.get((engine, dtype))
    if found is None:
        return None
    besides, factor = found[converts]
    return int(besides * 2**20 + factor * 4 * parameters)


def machine_memory(
    meminfo: Path = Path("/proc/meminfo"), groups: Path = GROUPS, own: Path = Path("/proc/self/cgroup")
) -> int | None:
    """The bytes of memory that this process may use at most, swap included; None where it cannot be seen.

    That is the memory of the machine, or the limit of a control group, such as that of a container.
    """
    try:
        lines = [line.split() for line in meminfo.read_text().splitlines()]
        sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}
        total, swap = sizes["MemTotal"], sizes.get("SwapTotal", 0)
    except (OSError, ValueError, KeyError):
        return None
    places = _groups(groups, own)
    limit = _limit(places, LIMITS)
    if limit is None or limit >= total:
        return total + swap
    of_group = _limit(places, SWAP)
    return limit + (swap if of_group is None else min(of_group, swap))


def _limit(places: list[Path], names: tuple[str, ...]) -> int | None:
    """The lowest number in these files of control groups; None without one, and where there is no limit."""
    found = []
    for path in (place / name for place in places for name in names):
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no file, or "max"
            continue
    return min((number for number in found if number < UNLIMITED), default=None)


def _groups(root: Path, own: Path) -> list[Path]:
    """The folders of the control group of this process and of those around it, in both versions of control groups.

    In a container its own group is the root.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    found = [root, root / "memory"]
    for _, controllers, name in (words for words in lines if len(words) == 3):
        if controllers and "memory" not in controllers.split(","):
            continue
        base, parts = (root / "memory" if controllers else root), Path(name.strip("/")).parts
        found += [base.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return found


def refuse_what_cannot_fit(folder: ModelFolder, dtype: str) -> None:
    """Raises DeviceError for a model whose weights are larger than the memory that this process may use.

    Only headers are read. onnxruntime maps its files, so a run on its graph needs no such check.
    """
    there, needed = machine_memory(), weights_in_memory(folder, dtype)
    if there is not None and needed is not None and needed > there:
        raise DeviceError(
            f"{folder.name}: its weights in {dtype} take {mebibytes(needed)}, and this process may use "
            f"{mebibytes(there)} of memory, swap included",
            "Use a smaller model, a narrower --dtype, or a machine with more memory.",
        )


def refuse_what_is_not_free(folder: ModelFolder, dtype: str, device: str) -> None:
    """Raises DeviceError for a model whose weights are larger than what is free on a CUDA device."""
    torch: Any = import_module("torch")
    free, needed = int(torch.cuda.mem_get_info(device)[0]), weights_in_memory(folder, dtype)
    if needed is not None and needed > free:
        raise DeviceError(
            f"{folder.name}: its weights in {dtype} take {mebibytes(needed)}, {mebibytes(free)} are free on {device}",
            "Use --dtype fp16, a smaller model, or another device.",
        )
