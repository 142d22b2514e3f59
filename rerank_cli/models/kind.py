"""The kind of a model, judged by its small files and by options, before weights are downloaded or read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.config_json import check_config, has_head, read_json, refuse_no_head
from rerank_cli.models.declared import (
    BI_ENCODER,
    LATE,
    LENGTHS,
    MODULAR,
    MODULES,
    Declaration,
    declaration_of,
    refuse_kind,
)
from rerank_cli.models.encoding import Encoding, encoding_of, longest_of
from rerank_cli.models.families import foreign_model
from rerank_cli.models.graph_files import EXPORT_AGAIN, NOTE
from rerank_cli.models.head import ModularHead, head_of
from rerank_cli.models.late import LateInteraction, late_of
from rerank_cli.models.question import Question, question_of, refuse_question
from rerank_cli.models.weights import weights_of


@dataclass(frozen=True, slots=True)
class Kind:
    """What the small files of a model say: its configuration, and its encoding, head, question or interaction, if any.

    `files` are those besides config.json that say how scores come about. `longest` are the most tokens that they set,
    of a text or of a pair.
    """

    config: dict[str, Any]
    encoding: Encoding | None = None
    head: ModularHead | None = None
    files: tuple[Path, ...] = ()
    longest: int | None = None
    label: int | None = None
    question: Question | None = None
    late: LateInteraction | None = None


def read_kind(path: Path, options: ModelConfig) -> Kind:
    """The kind of the model that `options` names, from the small files in its folder.

    A model whose files declare no pooling is a bi-encoder only with --engine bi-encoder. Raises ModelError, with the
    file's name, for a model of a kind that does not run, and ConfigError for options that it has no use for.
    """
    engine, label = options.engine, options.label
    config = read_json(path / "config.json")
    check_config(path / "config.json", config)
    _refuse_own_code(path, config, options)
    declaration = declaration_of(path, config)
    declares_pooling = declaration.kind == BI_ENCODER and bool(declaration.modules)
    if declares_pooling and engine != "bi-encoder" and has_head(config):
        raise ModelError(
            f"{path}: config.json has a classification head, and {MODULES} makes it a bi-encoder",
            f"Add --engine bi-encoder for cosines, or remove {MODULES} to score with the head.",
        )
    if engine == "bi-encoder" or declares_pooling:
        refuse_question(options)
        encoding = encoding_of(path, declaration)
        if label is not None:
            raise ConfigError(f"--label {label}: a bi-encoder has no labels", "Leave --label out.")
        return Kind(config, encoding=encoding, files=encoding.files, longest=encoding.longest)
    refuse_kind(path, declaration)
    if declaration.kind == LATE:
        refuse_question(options)
        late = late_of(path, config, declaration, options)
        return Kind(config, files=late.files, longest=late.document.longest, late=late)
    if (question := question_of(path, config, declaration, options)) is not None:
        return Kind(config, files=declaration.files, longest=question.longest, question=question)
    if declaration.kind == MODULAR:
        head = _head(path, config, declaration, label)
        return Kind(config, head=head, files=declaration.files, longest=head.longest, label=label)
    if (path / NOTE).is_file() and not weights_of(path) and (exported := _exported(path, config, label)) is not None:
        return exported
    refuse_no_head(path / "config.json", config, label)
    return Kind(config, label=label)


def _refuse_own_code(path: Path, config: dict[str, Any], options: ModelConfig) -> None:
    """Raises ModelError for a well-known model whose configuration names code in its repository."""
    foreign = foreign_model(options.model)
    if foreign is not None and "auto_map" in config:
        raise ModelError(
            f"{path / 'config.json'}: auto_map: {foreign.family}, and code of a repository is never run", foreign.advice
        )


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
