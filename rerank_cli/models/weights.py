"""Read the headers of safetensors files: names, dtypes and layers, without loading tensors.

transformers loads weights by name and ignores the rest: with one layer too few in config.json, it silently scores
without that layer.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN, read_json, require_file

FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # bytes of a number
LARGEST_FILE = 2**50  # bytes
LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.([0-9]+)\.")
SHARD = re.compile(r"[^/\\\0]{1,200}\.safetensors")
COUNT = re.compile("(layers?|n_layer|groups?|group_num|networks|block_sizes|depths?)$")  # keys that count parts
NO_COUNT = ("max_window_layers",)  # the layer from which attention is local, if it is local at all
LAYER_COUNTS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")


def weights_of(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model; empty without any. Raises ModelError if one is missing or foreign."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists() or whole.is_symlink():
        require_file(whole)
        return (whole,)
    if not index.exists() and not index.is_symlink():
        return ()
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(map(_is_shard, names.values())):
        raise ModelError(f"{index}: weight_map does not name .safetensors files in the folder", FETCH_AGAIN)
    shards = tuple(folder / name for name in sorted(set(names.values())))
    for shard in shards:
        require_file(shard)
    return shards


def _is_shard(name: Any) -> bool:
    return isinstance(name, str) and SHARD.fullmatch(name) is not None


def number_types(files: tuple[Path, ...]) -> dict[str, str]:
    """The tensors of these files with their dtypes (`F32`, `I64`, …). Raises ModelError for damage."""
    return {name: str(tensor.get("dtype")) for path in files for name, tensor in _tensors(path)}


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The number of parameters in weights files, and the dtypes that they are stored in, the most frequent one first.

    Only floating-point tensors count: others are buffers.
    """

    parameters: int
    dtypes: tuple[str, ...]


def stored_weights(files: tuple[Path, ...]) -> StoredWeights:
    """What the headers of these safetensors files say. Raises ModelError for damage."""
    by_dtype: dict[str, int] = {}
    for path in files:
        for name, tensor in _tensors(path):
            if (dtype := str(tensor.get("dtype"))) in FLOATS:
                by_dtype[dtype] = by_dtype.get(dtype, 0) + _bytes_of(path, name, tensor) // FLOATS[dtype]
    return StoredWeights(sum(by_dtype.values()), tuple(sorted(by_dtype, key=lambda each: -by_dtype[each])))


def refuse_cut(files: tuple[Path, ...]) -> None:
    """Raises ModelError for a file that is shorter or longer than its header says, as a broken download is."""
    for path in files:
        header, before = _header(path)
        stated = before + sum(_bytes_of(path, name, tensor) for name, tensor in _tensors_of(header))
        if (size := path.stat().st_size) != stated:
            raise ModelError(f"{path}: {size} bytes, and {stated} by its header", "Fetch the file again.")


def _bytes_of(path: Path, name: str, tensor: dict[str, Any]) -> int:
    """The size of a tensor by its offsets, which must agree with its shape. Raises ModelError."""
    shape, offsets, width = tensor.get("shape"), tensor.get("data_offsets"), FLOATS.get(str(tensor.get("dtype")))
    match offsets:
        case [int(start), int(end)] if 0 <= start <= end <= LARGEST_FILE and isinstance(shape, list):
            sizes = [each for each in shape if type(each) is int and 0 <= each <= LARGEST_FILE]
            if len(sizes) == len(shape) and (width is None or math.prod(sizes) * width == end - start):
                return end - start
    raise ModelError(f"{path}: the header gives {name[:60]!r} no possible size", FETCH_AGAIN)


def _tensors(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    return _tensors_of(_header(path)[0])


def _tensors_of(header: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, tensor in header.items():
        if isinstance(tensor, dict) and name != "__metadata__":
            yield name, tensor


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a file, and where the data begins. Raises ModelError."""
    header, size = None, 0
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size <= LARGEST_HEADER else None
    except OSError as fault:
        raise ModelError(f"{path}: cannot be read ({fault.strerror})", "Check the file and its disk.") from None
    except (ValueError, RecursionError):
        pass
    if not isinstance(header, dict):
        raise ModelError(f"{path}: cannot be loaded (invalid safetensors header)", FETCH_AGAIN)
    return header, 8 + size


def check_layers(config_path: Path, config: dict[str, Any], files: tuple[Path, ...]) -> None:
    """Raises ModelError when the layers of config.json differ from those of the weights, or are impossibly many."""
    tensors = number_types(files)
    for key, value in config.items():
        if key not in NO_COUNT and COUNT.search(key) and any(type(n) is int and n > len(tensors) for n in _flat(value)):
            raise ModelError(
                f"{config_path}: {key} {str(value)[:40]}, and {len(tensors)} tensors in {files[0].name}",
                "Fetch config.json and the weights again, from the same source.",
            )
    numbers = [int(match[1]) for name in tensors if (match := LAYER.search(name))]
    stated = next((config[name] for name in LAYER_COUNTS if name in config), None)
    if numbers and stated is not None and stated != max(numbers) + 1:
        raise ModelError(
            f"{config_path}: {stated} layers, but {max(numbers) + 1} in {', '.join(path.name for path in files[:4])}; "
            "scores would be wrong",
            "Fetch config.json and the weights again, from the same source.",
        )


def _flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
