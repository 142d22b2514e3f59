"""Check a model folder by its files alone, before torch is imported."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.config_json import (
    TOKENIZER_FILES,
    check_config,
    has_head,
    is_generator,
    read_json,
    refuse_no_head,
    require_file,
)
from rerank_cli.models.declared import BI_ENCODER, LENGTHS, MODULAR, MODULES, Declaration, declaration_of, refuse_kind
from rerank_cli.models.encoding import Encoding, encoding_of, longest_of
from rerank_cli.models.graph_files import EXPORT_AGAIN, NOTE, ExportedGraph, exported_graph
from rerank_cli.models.hashes import files_sha256
from rerank_cli.models.head import ModularHead, head_of, require_weights
from rerank_cli.models.weights import check_layers, refuse_cut, weights_of

LARGE = 2**28  # bytes of weights; converting more takes minutes


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk whose files were checked; nothing is loaded.

    `graph` is set for a folder of `rerank export`: then `weights` are the files of the graph, not safetensors.
    `encoding` is set for a bi-encoder: how it encodes a text as a vector. `head` is set for a cross-encoder whose head
    is in modules. With `verify`, large files are hashed again.
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
    verify: bool = False  # read large files again to hash them
    to_download: int = 0  # bytes of weights that are still on the hub; then `weights` is empty

    @property
    def kind(self) -> str:
        """The kind of engine that can use the model."""
        return "cross-encoder" if self.encoding is None else "bi-encoder"

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
        """The files of the weights, those of a head in modules included."""
        return (*self.weights, *(self.head.weights if self.head is not None and self.graph is None else ()))

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
            raise ConfigError(
                f"{self.name}: is a {self.kind}, not a {kind}",
                "Bi-encoders score with --engine bi-encoder or auto, and serve `rerank mine`.",
            )

    def refuse_graph(self, engine: str) -> None:
        """Raises ConfigError for the graph of another engine than `engine`."""
        if self.graph is not None and self.graph.format != engine:
            raise ConfigError(
                f"--engine {engine}: {self.name} was exported for {self.graph.format}",
                f"Use --engine {self.graph.format}, or leave --engine out.",
            )


@dataclass(frozen=True, slots=True)
class Kind:
    """What the small files of a model say: its configuration, and its encoding or its head in modules, if it has one.

    `files` are those besides config.json that say how scores come about. `longest` are the most tokens that they set,
    of a text or of a pair.
    """

    config: dict[str, Any]
    encoding: Encoding | None = None
    head: ModularHead | None = None
    files: tuple[Path, ...] = ()
    longest: int | None = None
    label: int | None = None


def read_kind(path: Path, engine: str, label: int | None = None) -> Kind:
    """The kind of a model, from its small files.

    A model whose files declare no pooling is a bi-encoder only if `engine` is bi-encoder. `label` is ranked by, of
    several. Raises ModelError, with the file's name, for a model of a kind that does not run, and ConfigError for a
    label that it lacks.
    """
    config = read_json(path / "config.json")
    check_config(path / "config.json", config)
    declaration = declaration_of(path, config)
    declares_pooling = declaration.kind == BI_ENCODER and bool(declaration.modules)
    if declares_pooling and engine != "bi-encoder" and has_head(config):
        raise ModelError(
            f"{path}: config.json has a classification head, and {MODULES} makes it a bi-encoder",
            f"Add --engine bi-encoder for cosines, or remove {MODULES} to score with the head.",
        )
    if engine == "bi-encoder" or declares_pooling:
        encoding = encoding_of(path, declaration)
        if label is not None:
            raise ConfigError(f"--label {label}: a bi-encoder has no labels", "Leave --label out.")
        return Kind(config, encoding=encoding, files=encoding.files, longest=encoding.longest)
    if declaration.modules or not is_generator(config):
        refuse_kind(path, declaration)
    if declaration.kind == MODULAR:
        head = _head(path, config, declaration, label)
        return Kind(config, head=head, files=declaration.files, longest=head.longest, label=label)
    if (path / NOTE).is_file() and not weights_of(path) and (exported := _exported(path, config, label)) is not None:
        return exported
    refuse_no_head(path / "config.json", config, label)
    return Kind(config, label=label)


def _exported(path: Path, config: dict[str, Any], label: int | None) -> Kind | None:
    """The kind of an exported model whose graph has a head that config.json does not describe; None for another."""
    exported = read_json(path / NOTE).get("label")
    if exported is not None and type(exported) is not int:
        raise ModelError(f"{path / NOTE}: label cannot be {str(exported)[:40]}", EXPORT_AGAIN)
    if label is not None and label != exported:
        was = "without --label" if exported is None else f"with --label {exported}"
        raise ConfigError(
            f"--label {label}: {path} was exported {was}", "Leave --label out, or export the model again."
        )
    if exported is None and has_head(config):
        return None
    lengths = path / LENGTHS
    longest = longest_of(lengths, read_json(lengths)) if lengths.exists() else None
    return Kind(config, longest=longest, label=exported)


def _head(path: Path, config: dict[str, Any], declaration: Declaration, label: int | None) -> ModularHead:
    if has_head(config):
        raise ModelError(
            f"{path}: config.json has a classification head, and {MODULES} has another one",
            f"Remove {MODULES} to score with the head of config.json, or fetch the model's files again.",
        )
    return head_of(path, declaration, label)


def inspect_folder(
    name: str,
    path: Path,
    revision: str | None,
    engine: str = "auto",
    verify: bool = False,
    *,
    label: int | None = None,
    to_download: int = 0,
) -> ModelFolder:
    """Check a model folder by its files alone; `verify`: hash large files again. `label` is ranked by, of several.

    With `to_download` its weights, of so many bytes, are still on the hub. Raises ModelError with the file's name, and
    ConfigError for a label that the model lacks.
    """
    kind = read_kind(path, engine, label)
    if os.path.lexists(path / "adapter_config.json"):
        raise ModelError(
            f"{path / 'adapter_config.json'}: an adapter, which peft would apply to the weights",
            "Merge it into the model first, or remove it from the folder.",
        )
    weights, graph = ((), None) if to_download else _weights_or_graph(path, kind.config, verify)
    if kind.head is not None and graph is None and not to_download:
        require_weights(kind.head)
    if not os.path.lexists(path / "tokenizer.json"):
        raise ModelError(f"{path / 'tokenizer.json'}: missing", "Put the model's own fast tokenizer into the folder.")
    require_file(path / "tokenizer.json")
    for beside in TOKENIZER_FILES[1:]:
        if os.path.lexists(path / beside):
            read_json(path / beside)
    return ModelFolder(
        name=name,
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
        verify=verify,
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
