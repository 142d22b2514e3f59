"""What the files of a model say in full, for a person: nothing is loaded, and no library but tokenizers is imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.models.card import licence_of
from rerank_cli.models.config_json import check_config, read_json, require_file
from rerank_cli.models.declared import BI_ENCODER, CROSS_ENCODER, LATE, YES_NO, Declaration, declaration_of
from rerank_cli.models.graph_files import NOTE
from rerank_cli.models.lengths import states_positions, usable_positions
from rerank_cli.models.text_model import FOREIGN
from rerank_cli.models.tokens import ADVICE, Template, around_text
from rerank_cli.models.weights import stored_weights, weights_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a model is, by its own files. None stands for what they do not say.

    `positions` are the tokens that the model has positions for, `declared_length` the most that its authors set.
    `dense` are the widths of the vectors that dense layers give. `stored` are the dtypes of the weights, the most
    frequent one first. `prompts` are by name.
    """

    config: dict[str, Any]
    kind: str
    architecture: str
    model_type: str
    modules: tuple[str, ...]
    pooling: str | None
    dense: tuple[int | None, ...]
    activation: str | None
    similarity: str | None
    prompts: dict[str, str]
    positions: int | None
    declared_length: int | None
    parameters: int | None
    stored: tuple[str, ...]
    licence: str | None


def summary_of(path: Path) -> Summary:
    """The summary of the model in a folder, whatever its kind. Raises ModelError for files that cannot be read."""
    config = read_json(path / "config.json")
    check_config(path / "config.json", config)
    declaration = declaration_of(path, config)
    folders = (each.folder for each in declaration.modules if each.folder != path)
    files = (*weights_of(path), *(file for folder in folders for file in _weights_of_module(folder)))
    weights = stored_weights(files) if files else None
    transformer = declaration.module("Transformer")
    prompts = declaration.settings.get("prompts")
    return Summary(
        config=config,
        kind=CROSS_ENCODER
        if (path / NOTE).is_file() and not files
        else declaration.kind,  # an exported graph has a head
        architecture=declaration.architecture,
        model_type=str(config.get("model_type", "")),
        modules=declaration.types,
        pooling=_pooling(declaration),
        dense=tuple(_number(each.settings.get("out_features")) for each in declaration.modules if each.type == "Dense"),
        activation=_activation(declaration, config),
        similarity=_text(declaration.settings.get("similarity_fn_name")),
        prompts={name: text for name, text in prompts.items() if _text(text)} if isinstance(prompts, dict) else {},
        positions=usable_positions(config) if states_positions(config) else None,
        declared_length=_number(transformer.settings.get("max_seq_length")) if transformer else None,
        parameters=weights.parameters if weights else None,
        stored=weights.dtypes if weights else (),
        licence=licence_of(path),
    )


def _weights_of_module(folder: Path) -> tuple[Path, ...]:
    file = folder / "model.safetensors"
    return (file,) if file.is_file() else ()


def _pooling(declaration: Declaration) -> str | None:
    """The pooling mode, in the newer spelling (a name) or the older one (flags)."""
    module = declaration.module("Pooling")
    if module is None:
        return None
    named = _text(module.settings.get("pooling_mode"))
    flags = [name.removeprefix("pooling_mode_") for name, value in module.settings.items() if value is True]
    return named or ", ".join(flag.removesuffix("_tokens").removesuffix("_token") for flag in flags) or None


def _activation(declaration: Declaration, config: dict[str, Any]) -> str | None:
    """The last part of the activation's name. Ranking is by logits, whatever the activation is."""
    saved = config.get("sentence_transformers")
    of_config = saved.get("activation_fn") if isinstance(saved, dict) else None
    named = _text(declaration.settings.get("activation_fn")) or _text(of_config)
    return named.rpartition(".")[2].rstrip("()") if named else None


def template_of(path: Path, kind: str, config: dict[str, Any]) -> str | None:
    """How a model of this kind puts texts together: by the post-processor of its tokenizer.

    None where the files do not say, as for a model that answers yes or no. Raises ModelError for a tokenizer that
    cannot be used, or that has more tokens than the model embeds.
    """
    file = path / "tokenizer.json"
    require_file(file)
    from tokenizers import Tokenizer

    try:
        backend = Tokenizer.from_file(str(file))
        size = 1 + max(backend.get_vocab(with_added_tokens=True).values())
    except Exception as fault:  # the library raises plain exceptions
        raise ModelError(f"{file}: cannot be loaded ({str(fault)[:200]})", ADVICE) from None
    rows = config.get("vocab_size")
    if type(rows) is int and size > rows:
        raise ModelError(f"{file}: {size} tokens, the model embeds {rows} (vocab_size in config.json)", FOREIGN)
    if kind == YES_NO:
        return None
    try:
        if kind in (BI_ENCODER, LATE):
            head, tail = around_text(backend)
            return _shown(backend, head, "text", tail)
        parts = Template.of(backend)
    except ModelError:
        raise
    except Exception as fault:  # a vocabulary that cannot encode a word
        raise ModelError(f"{file}: cannot encode ({str(fault)[:200]})", ADVICE) from None
    return _shown(backend, parts.head, "query", parts.middle, "document", parts.tail)


def _shown(backend: Any, *parts: list[int] | str) -> str:
    """Parts of a template: texts by their names, tokens as they are written."""
    return " ".join(
        part if isinstance(part, str) else "".join(str(backend.id_to_token(number)) for number in part)
        for part in parts
        if part
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    return value if type(value) is int else None
