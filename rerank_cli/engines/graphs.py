"""What engines on graphs share: the note of a graph, the announcement of a conversion, and the dtypes."""

from collections.abc import Mapping
from typing import Any

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.engines.machine import has_vnni
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.graph_files import EXPORT_AGAIN, cache_folder, kept_path
from rerank_cli.models.text_model import RECIPE

WINDOWED = ("modernbert",)  # architectures with local attention that earlier versions exported
SAFE_RECIPE = 7


def graph_note(model: CrossEncoder, form: str, dtype: str, versions: dict[str, str]) -> dict[str, Any]:
    """The source of a graph: everything that can change it."""
    note = {
        "recipe": RECIPE,
        "format": form,
        "dtype": dtype,
        "tokenizer_sha256": model.folder.tokenizer_sha256,
        "weights_sha256": model.folder.weights_sha256,
        "config_sha256": model.folder.config_sha256,
        "versions": versions,
    }
    if model.folder.label is not None:
        note["label"] = model.folder.label
    if (form, dtype) == ("onnx", "int8") and not has_vnni():
        note["weights"] = "uint8"
    return note


def refuse_old_export(folder: ModelFolder) -> None:
    """Raises ModelError for an export of a model with local attention whose logits can be NaN: before recipe 7."""
    if folder.graph is None or folder.config.get("model_type") not in WINDOWED:
        return
    recipe = folder.graph.note.get("recipe")
    if type(recipe) is not int or recipe < SAFE_RECIPE:
        raise ModelError(f"{folder.path}: exported by an earlier version, whose graph can give NaN", EXPORT_AGAIN)


def announce_graph(model: CrossEncoder, note: dict[str, Any]) -> None:
    """Add a note that a large model will be converted once, which takes minutes."""
    if model.folder.graph is None and model.folder.is_large and not kept_path(note).exists():
        model.notes.append(f"converting the model to {note['format']}, once; the graph is kept in {cache_folder()}")


def computed_dtype(folder: ModelFolder, wanted: str, stored: Mapping[str, tuple[str, ...]], default: str) -> str:
    """Resolve `--dtype` for an engine that computes in the keys of `stored`, on graphs with the dtypes of its values.

    `auto` is `default`, or the dtype of an exported folder. Raises ConfigError for another dtype than the folder's.
    """
    exported = None if folder.graph is None else folder.graph.dtype
    if wanted == "auto":
        return default if exported is None else next((each for each in stored if exported in stored[each]), default)
    if wanted not in stored:
        raise ConfigError(f"--dtype {wanted}: not supported by this engine", f"Use {', '.join(stored)} or auto.")
    if exported is not None and exported not in stored[wanted]:
        raise ConfigError(
            f"--dtype {wanted}: {folder.name} was exported as {exported}",
            "Leave --dtype out, or export the model again.",
        )
    return wanted
