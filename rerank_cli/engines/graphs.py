"""The graphs that an engine computes on: what one is made from, when it is announced, which precision it allows."""

from collections.abc import Mapping
from typing import Any

from rerank_cli.core.errors import ConfigError
from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.engines.machine import has_vnni
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.graph_files import cache_folder, kept_path
from rerank_cli.models.text_model import RECIPE

LARGE = 2**28  # bytes of weights


def graph_note(model: CrossEncoder, form: str, dtype: str, versions: dict[str, str]) -> dict[str, Any]:
    """What a graph of a model is made from: everything that can change it."""
    note = {
        "recipe": RECIPE,
        "format": form,
        "dtype": dtype,
        "inputs": model.inputs,
        "weights_sha256": model.folder.weights_sha256,
        "config_sha256": model.folder.config_sha256,
        "versions": versions,
    }
    if (form, dtype) == ("onnx", "int8") and not has_vnni():
        note["weights"] = "uint8"
    return note


def announce_graph(model: CrossEncoder, note: dict[str, Any]) -> None:
    """Add to a model's notes that the graph of a large model will be made: it takes minutes, once."""
    size = sum(path.stat().st_size for path in model.folder.weights)
    if model.folder.graph is None and size > LARGE and not kept_path(note).exists():
        model.notes.append(f"making the model's {note['format']} graph, once; it will be kept in {cache_folder()}")


def computed_dtype(folder: ModelFolder, wanted: str, stored: Mapping[str, tuple[str, ...]], default: str) -> str:
    """What `--dtype` means for an engine that computes in the keys of `stored` on graphs that hold its values.

    `auto` is `default`, or what fits an exported folder. Raises ConfigError for what the folder does not hold.
    """
    exported = None if folder.graph is None else folder.graph.dtype
    if wanted == "auto":
        return default if exported is None else next((each for each in stored if exported in stored[each]), default)
    if wanted not in stored:
        raise ConfigError(f"--dtype {wanted}: not offered by this engine", f"Use {', '.join(stored)} or auto.")
    if exported is not None and exported not in stored[wanted]:
        raise ConfigError(
            f"--dtype {wanted}: {folder.name} was exported as {exported}",
            "Leave it out, or export anew.",
        )
    return wanted
