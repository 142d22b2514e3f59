"""Check a model folder by its files alone, before torch is imported."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.config_json import TOKENIZER_FILES, read_json, require_file
from rerank_cli.models.declared import BI_ENCODER, CROSS_ENCODER, LATE, YES_NO
from rerank_cli.models.encoding import Encoding
from rerank_cli.models.graph_files import ExportedGraph, exported_graph
from rerank_cli.models.hashes import files_sha256
from rerank_cli.models.head import ModularHead, require_weights
from rerank_cli.models.kind import read_kind
from rerank_cli.models.late import ADVICE as ADVICE_ON_LATE
from rerank_cli.models.late import LateInteraction
from rerank_cli.models.question import ADVICE, Question
from rerank_cli.models.weights import check_layers, refuse_cut, weights_of

LARGE = 2**28  # bytes of weights; converting more takes minutes
SCORED_BY = {  # what to do with a model of a kind
    CROSS_ENCODER: "Leave --engine out, or choose a model of that kind.",
    BI_ENCODER: "Bi-encoders score with --engine bi-encoder or auto, and serve `rerank mine`.",
    YES_NO: ADVICE,
    LATE: ADVICE_ON_LATE,
}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk whose files were checked; nothing is loaded.

    `graph` is set for a folder of `rerank export`: then `weights` are the files of the graph, not safetensors.
    `encoding` is set for a bi-encoder: how it encodes a text as a vector. `head` is set for a cross-encoder whose head
    is in modules. `question` is set for a reranker that answers yes or no, `late` for a late-interaction model. With
    `verify`, large files are hashed again.
    """

    name: str
    path: Path
    revision: str | None
    config: dict[str, Any]
    weights: tuple[Path, ...]
    graph: ExportedGraph | None = None
    encoding: Encoding | None = None
    head: ModularHead | None = None
    declared_files: tuple[Path, ...] = ()  # that change scores, besides config.json
    longest: int | None = None  # tokens of a text or a pair, if the files set a limit
    label: int | None = None  # that is ranked by, of a classifier with several
    question: Question | None = None
    late: LateInteraction | None = None
    verify: bool = False  # read large files again to hash them
    to_download: int = 0  # bytes of weights that are still on the hub; then `weights` is empty

    @property
    def kind(self) -> str:
        """The kind of the model, which decides the engines that can use it."""
        if self.question is not None:
            return YES_NO
        if self.late is not None:
            return LATE
        return CROSS_ENCODER if self.encoding is None else BI_ENCODER

    @property
    def is_large(self) -> bool:
        """Whether converting the model takes minutes, and its memory matters."""
        return self.weight_bytes > LARGE

    @property
    def weight_bytes(self) -> int:
        """The size of the weights on disk, or on the hub."""
        return self.to_download or sum(path.stat().st_size for path in self.all_weights)

    @property
    def all_weights(self) -> tuple[Path, ...]:
        """The files of the weights, those of modules included."""
        modules = self.late or (self.head if self.graph is None else None)
        return (*self.weights, *(modules.weights if modules is not None else ()))

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file; of several files, of their names and hashes."""
        return files_sha256(self.all_weights, self.verify)

    @property
    def tokenizer_sha256(self) -> str:
        """SHA-256 of the tokenizer's files."""
        return files_sha256(self.tokenizer_files, self.verify)

    @property
    def tokenizer_files(self) -> tuple[Path, ...]:
        """The existing files of the tokenizer, those for single versions of transformers included."""
        usual = (path for name in TOKENIZER_FILES if (path := self.path / name).exists())
        return (*usual, *sorted(self.path.glob("tokenizer.*.json")))

    @property
    def config_sha256(self) -> str:
        """SHA-256 of config.json and, where modules declare how scores come about, of their files."""
        return files_sha256([self.path / "config.json", *self.declared_files], self.verify)

    def refuse_other_kind(self, kind: str) -> None:
        """Raises ConfigError for a model of another kind."""
        if self.kind != kind:
            raise ConfigError(f"{self.name}: is a {self.kind}, not a {kind}", SCORED_BY[self.kind])

    def refuse_graph(self, engine: str) -> None:
        """Raises ConfigError for the graph of another engine than `engine`."""
        if self.graph is not None and self.graph.format != engine:
            raise ConfigError(
                f"--engine {engine}: {self.name} was exported for {self.graph.format}",
                f"Use --engine {self.graph.format}, or leave --engine out.",
            )


def inspect_folder(options: ModelConfig, path: Path, revision: str | None, to_download: int = 0) -> ModelFolder:
    """Check the folder of the model that `options` names, by its files alone.

    With `to_download` its weights, of so many bytes, are still on the hub. Raises ModelError with the file's name, and
    ConfigError for options that the model has no use for.
    """
    kind = read_kind(path, options)
    if os.path.lexists(path / "adapter_config.json"):
        raise ModelError(
            f"{path / 'adapter_config.json'}: an adapter, which peft would apply to the weights",
            "Merge it into the model first, or remove it from the folder.",
        )
    weights, graph = ((), None) if to_download else _weights_or_graph(path, kind.config, options.verify)
    if kind.head is not None and graph is None and not to_download:
        require_weights(kind.head.weights)
    if kind.late is not None and not to_download:
        require_weights(kind.late.weights)
    if not os.path.lexists(path / "tokenizer.json"):
        raise ModelError(f"{path / 'tokenizer.json'}: missing", "Put the model's own fast tokenizer into the folder.")
    require_file(path / "tokenizer.json")
    for beside in TOKENIZER_FILES[1:]:
        if os.path.lexists(path / beside):
            read_json(path / beside)
    return ModelFolder(
        name=options.model,
        path=path,
        revision=revision,
        config=kind.config,
        weights=weights,
        graph=graph,
        encoding=kind.encoding,
        head=kind.head,
        declared_files=kind.files,
        longest=kind.longest,
        label=kind.label,
        question=kind.question,
        late=kind.late,
        verify=options.verify,
        to_download=to_download,
    )


def _weights_or_graph(
    path: Path, config: dict[str, Any], verify: bool
) -> tuple[tuple[Path, ...], ExportedGraph | None]:
    """The safetensors files of a model, or the files of its exported graph with that. Raises ModelError without."""
    if weights := weights_of(path):
        refuse_cut(weights)
        check_layers(path / "config.json", config, weights)
        return weights, None
    if graph := exported_graph(path, verify):
        return graph.files, graph
    pickled = sorted(file.name for file in path.glob("*.bin"))
    found = f"only pickled weights ({', '.join(pickled)})" if pickled else "no model.safetensors"
    raise ModelError(f"{path}: {found}", "Convert the weights to safetensors: pickles can run code.")
