"""What a model's own files declare: its kind, and how scores come out of it.

Read from JSON alone: config.json, the modules.json of sentence-transformers with the folder of each module, and the
artifact.metadata of Stanford's ColBERT. The kind follows from the chain of modules. Nothing is guessed and nothing of
the model is run: a module outside the known ones is refused, and so is a chain that means no known kind.

    Transformer                                  a cross-encoder, if config.json has a classification head
    Transformer, LogitScore                      a reranker that answers yes or no
    Transformer, Pooling, Dense, …, Dense        a cross-encoder with a modular head, if the last gives one score
    Transformer, Pooling [, Dense] [, Normalize] a bi-encoder
    Transformer, Dense, …, MultiVectorMask       a late-interaction model; without the mask if its similarity is MaxSim
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN, architecture_of, has_head, is_generator, read_json, require_file
from rerank_cli.models.families import WHAT_RUNS

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
LENGTHS = "sentence_bert_config.json"
STANFORD = "artifact.metadata"
KNOWN = ("Transformer", "Pooling", "Dense", "LayerNorm", "LogitScore", "MultiVectorMask", "Normalize")

PACKAGES = ("sentence_transformers", "pylate", "")  # whose classes these are; "": a name without a package
OPTIONAL = ("Transformer", "Normalize")  # modules that may have no settings
WANTED = (MODULES, SETTINGS, LENGTHS, STANFORD, "[0-9]*_*/config.json")  # files to fetch from a repository

CROSS_ENCODER = "cross-encoder"
MODULAR = "cross-encoder with a modular head"
YES_NO = "reranker that answers yes or no"
LATE = "late-interaction model"
BI_ENCODER = "bi-encoder"
RUNS = frozenset({CROSS_ENCODER, MODULAR, YES_NO, BI_ENCODER, LATE})  # kinds that an engine runs


@dataclass(frozen=True, slots=True)
class Module:
    """A module: its type, its folder, and the settings in it."""

    type: str
    folder: Path
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the files of a model say. `files` are those that were read besides config.json.

    `modules` are in the order of computation; empty without modules.json. `settings` are those of
    sentence-transformers or Stanford's ColBERT, {} without.
    """

    kind: str
    architecture: str
    modules: tuple[Module, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the modules."""
        return tuple(module.type for module in self.modules)

    def module(self, kind: str) -> Module | None:
        """The first module of a type."""
        return next((module for module in self.modules if module.type == kind), None)


def declaration_of(folder: Path, config: dict[str, Any]) -> Declaration:
    """What a model with a checked configuration declares.

    Raises ModelError for unknown modules, and for files that contradict each other.
    """
    architecture = architecture_of(config)
    modules = tuple(_modules(folder))
    files = [folder / MODULES] if modules else []
    settings: dict[str, Any] = {}
    for name in (SETTINGS, STANFORD):
        if (folder / name).is_file():
            files.append(folder / name)
            settings |= read_json(folder / name)
    files += [path for module in modules for path in _settings_files(module)]
    kind = _kind_of_modules(folder, modules, config, settings) if modules else _kind_without(folder, config)
    return Declaration(kind=kind, architecture=architecture, modules=modules, settings=settings, files=tuple(files))


def refuse_kind(folder: Path, declaration: Declaration) -> None:
    """Raises ModelError for a kind that no engine runs."""
    if declaration.kind not in RUNS:
        raise ModelError(f"{folder}: a {declaration.kind}, which this version does not run", WHAT_RUNS)


def _kind_without(folder: Path, config: dict[str, Any]) -> str:
    """The kind of a model without modules.json."""
    if (folder / STANFORD).is_file() or architecture_of(config) == "HF_ColBERT":
        return LATE
    if has_head(config):
        return CROSS_ENCODER
    return YES_NO if is_generator(config) else BI_ENCODER


def _kind_of_modules(
    folder: Path, modules: tuple[Module, ...], config: dict[str, Any], settings: dict[str, Any]
) -> str:
    first, *more = (module.type for module in modules)
    if first != "Transformer" or more.count("Transformer"):
        raise _no_kind(folder, modules)
    if not more and has_head(config):
        return CROSS_ENCODER
    if more == ["LogitScore"]:
        return YES_NO
    if "LogitScore" in more:
        raise _no_kind(folder, modules)
    if "MultiVectorMask" in more or ("Pooling" not in more and "Dense" in more and _is_late(settings)):
        return LATE
    if more[:1] != ["Pooling"] or more.count("Pooling") > 1:
        raise _no_kind(folder, modules)
    if modules[-1].type == "Dense" and modules[-1].settings.get("module_output_name") == "scores":
        return MODULAR
    if "LayerNorm" in more or "Normalize" in more[:-1]:
        raise _no_kind(folder, modules)
    return BI_ENCODER


def _is_late(settings: dict[str, Any]) -> bool:
    """Whether settings are those of PyLate, which wrote cosine as the similarity before it wrote MaxSim."""
    named = settings.get("similarity_fn_name"), settings.get("model_type")
    return named[0] == "MaxSim" or named[1] == "ColBERT" or "query_prefix" in settings or "document_prefix" in settings


def _no_kind(folder: Path, modules: tuple[Module, ...]) -> ModelError:
    chain = ", ".join(module.type for module in modules)
    return ModelError(f"{folder / MODULES}: {chain}: no kind of model that is known", WHAT_RUNS)


def _modules(folder: Path) -> Iterator[Module]:
    """The modules of modules.json, each with its settings. Raises ModelError."""
    path = folder / MODULES
    if not path.is_symlink() and not path.exists():
        return
    require_file(path)
    try:
        listed = [(_known(str(each["type"])), str(each["path"])) for each in json.loads(path.read_bytes())]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{path}: not a list of modules", FETCH_AGAIN) from None
    if not listed:
        raise ModelError(f"{path}: no modules", FETCH_AGAIN)
    for kind, place in listed:
        if kind not in KNOWN:
            raise ModelError(f"{path}: unknown module {kind[:60]!r}", f"Known modules: {', '.join(KNOWN)}. {WHAT_RUNS}")
        if place and (Path(place).name != place or place == ".."):
            raise ModelError(f"{path}: a module lies in {place[:60]!r}, outside the folder", FETCH_AGAIN)
        if kind == "Transformer" and place:
            raise ModelError(f"{path}: the Transformer lies in {place[:60]!r}", "Move its files to the model's folder.")
        module = Module(kind, folder / place, {})
        read = {name: value for each in _settings_files(module) for name, value in read_json(each).items()}
        yield Module(kind, folder / place, read)


def _known(name: str) -> str:
    """The type of a module by the full name of its class; a class of another package keeps its full name."""
    package, _, kind = name.rpartition(".")
    return kind if package.partition(".")[0] in PACKAGES else name


def _settings_files(module: Module) -> list[Path]:
    """The file of a module's settings, if it has one. That of the Transformer and of Normalize may be missing."""
    path = module.folder / (LENGTHS if module.type == "Transformer" else "config.json")
    return [path] if module.type not in OPTIONAL or path.exists() else []
