"""Export a model to a folder for another engine: its graph, configuration and tokenizer."""

import shutil
from importlib import import_module
from pathlib import Path

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.graphs import graph_note
from rerank_cli.engines.registry import GRAPHS
from rerank_cli.models.declared import LENGTHS
from rerank_cli.models.graph_files import write_note
from rerank_cli.models.libraries import version_of
from rerank_cli.models.resolved import write_resolved


def export_graph(model: ModelConfig, form: str, dtype: str, target: Path) -> None:
    """Write the export to the empty folder `target`. `form` is a key of GRAPHS, `dtype` one of GRAPH_DTYPES.

    Raises ModelError when the model cannot be loaded, ConfigError when it was exported already.
    """
    graphs = GRAPHS[form]
    make_graph = import_module(graphs.maker).make_graph
    encoder = open_cross_encoder(model)
    folder = encoder.folder
    if folder.graph is not None:
        raise ConfigError(f"{folder.name}: is an exported model", "Export the original model instead.")
    encoder.open()
    make_graph(encoder, dtype, target)
    write_resolved(folder, target)
    note = graph_note(encoder, form, dtype, {name: version_of(name) for name in graphs.noted})
    write_note(target, {**note, "model": folder.name, "revision": folder.revision})
    lengths = [folder.path / LENGTHS] if folder.longest is not None else []
    for path in (folder.path / "config.json", *lengths, *folder.tokenizer_files):
        shutil.copyfile(path, target / path.name)
