"""Turn a model into a folder that another engine loads: its graph, its configuration, its tokenizer."""

import shutil
from importlib import import_module
from pathlib import Path

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.models.graph_files import write_note
from rerank_cli.models.libraries import version_of

MAKERS = {
    "openvino": ("rerank_cli.engines.openvino_graph", ("openvino", "nncf", "torch", "transformers")),
    "onnx": ("rerank_cli.engines.onnx_graph", ("onnxruntime", "onnx", "torch", "transformers")),
}


def export_graph(model: ModelConfig, form: str, dtype: str, target: Path) -> None:
    """Fill the empty folder `target`. `form` is a key of MAKERS, `dtype` "fp32", "fp16" or "int8".

    Raises ModelError when the model cannot be loaded, ConfigError when it is an exported one.
    """
    module, libraries = MAKERS[form]
    make = import_module(module).make_graph
    encoder = CrossEncoder(model)
    folder = encoder.folder
    if folder.graph is not None:
        raise ConfigError(f"{folder.name}: was exported already", "Export the model it was made from.")
    make(encoder, dtype, target)
    note = encoder.graph_note(form, dtype, {name: version_of(name) for name in libraries})
    write_note(target, {**note, "model": folder.name, "revision": folder.revision})
    for path in (folder.path / "config.json", *folder.tokenizer_files):
        shutil.copyfile(path, target / path.name)
