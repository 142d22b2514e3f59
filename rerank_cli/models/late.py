"""How a late-interaction model reads texts and what it makes of their tokens, from what its files declare.

Three layouts are read. Stanford's ColBERT has one projection in the root and its settings in artifact.metadata. PyLate
has Dense modules and its settings in config_sentence_transformers.json. sentence-transformers has a MultiVectorMask as
well, and says there and in the settings of the Transformer what PyLate says in one place.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.declared import LATE, LENGTHS, MODULES, SETTINGS, STANFORD, Declaration, Module
from rerank_cli.models.encoding import longest_of
from rerank_cli.models.families import WHAT_RUNS
from rerank_cli.models.head import TOKENS, Layer, layer_of, refuse_other_settings

ENGINE = "late-interaction"
ADVICE = "Those score with --engine late-interaction or auto. They cannot be exported or trained."
EXPANDED = 32  # tokens of a query, if the files do not say
STANFORD_MARKERS = ("[unused0]", "[unused1]")
LONGEST_EXPANSION = 512


@dataclass(frozen=True, slots=True)
class Side:
    """How the texts of one role are read. `prefix` comes first: as one token, if the tokenizer has it. `text` follows.

    `longest` are the most tokens, special ones included; None without a limit.
    """

    prefix: str = ""
    text: str = ""
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class Expansion:
    """Queries are filled up to `length` tokens with `token`, None for the one that masks.

    `attend`: whether other tokens attend to these. `fixed`: whether longer queries are truncated.
    """

    length: int = EXPANDED
    attend: bool = False
    token: str | None = None
    fixed: bool = True


@dataclass(frozen=True, slots=True)
class LateInteraction:
    """What makes scores of the hidden states of two texts. `layers` project each token, in their order.

    `skipped` are tokens of documents that do not count. `files` are those that say all this.
    """

    query: Side
    document: Side
    expansion: Expansion | None
    skipped: tuple[str, ...]
    layers: tuple[Layer, ...]
    files: tuple[Path, ...]

    @property
    def width(self) -> int:
        """The numbers of a vector."""
        return self.layers[-1].width

    @property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors files of the layers, those in the root excepted."""
        return tuple(layer.weights for layer in self.layers if layer.name is None)


def late_of(folder: Path, config: dict[str, Any], declaration: Declaration, options: ModelConfig) -> LateInteraction:
    """What a declaration of the kind LATE describes. Raises ModelError, and ConfigError for options of other kinds."""
    if options.engine not in ("auto", ENGINE):
        raise ConfigError(f"--engine {options.engine}: {options.model} is a {LATE}", ADVICE)
    if options.label is not None:
        raise ConfigError(f"--label {options.label}: a {LATE} has no labels", "Leave --label out.")
    if not declaration.modules:
        return _of_stanford(folder, config, declaration)
    named = declaration.settings.get("similarity_fn_name")
    if not isinstance(named, str | None) or (named or "maxsim").lower() not in ("maxsim", "cosine", "dot"):
        raise ModelError(f"{folder / SETTINGS}: similarity_fn_name {str(named)[:40]!r} is not supported", WHAT_RUNS)
    transformer, *modules = declaration.modules
    kinds = [module.type for module in modules]
    dense, after = kinds.count("Dense"), ["MultiVectorMask", "Normalize"]
    pylate = "MultiVectorMask" not in kinds
    if kinds != ["Dense"] * dense + ([] if pylate else after) or not dense:
        raise ModelError(f"{folder / MODULES}: {', '.join(kinds)} after the Transformer: not supported", WHAT_RUNS)
    layers = tuple(layer_of(module, (TOKENS, TOKENS), TOKENS) for module in modules[:dense])
    if pylate:
        refuse_other_settings(folder / LENGTHS, "Transformer", transformer.settings)
        return _of_pylate(folder, declaration, layers)
    return _of_sentence_transformers(folder, declaration, layers, modules[dense])


def _of_stanford(folder: Path, config: dict[str, Any], declaration: Declaration) -> LateInteraction:
    path, found = folder / STANFORD, declaration.settings
    if (similarity := found.get("similarity", "cosine")) != "cosine":
        raise ModelError(f"{path}: similarity {str(similarity)[:40]!r} is not supported", WHAT_RUNS)
    query, document = (
        _text(path, found, name) or marker
        for name, marker in zip(("query_token_id", "doc_token_id"), STANFORD_MARKERS, strict=True)
    )
    expansion = Expansion(_length(path, found, "query_maxlen") or EXPANDED, bool(found.get("attend_to_mask_tokens")))
    hidden, width = config.get("hidden_size"), found.get("dim")
    if type(hidden) is not int or type(width) is not int:
        raise ModelError(f"{path}: dim cannot be {str(width)[:40]}", FETCH_AGAIN)
    return LateInteraction(
        Side(query, " ", expansion.length),
        Side(document, " ", _length(path, found, "doc_maxlen")),
        expansion,
        tuple(string.punctuation) if found.get("mask_punctuation", True) else (),
        (Layer("Dense", folder / "model.safetensors", width, bias=False, name="linear.weight"),),
        declaration.files,
    )


def _of_pylate(folder: Path, declaration: Declaration, layers: tuple[Layer, ...]) -> LateInteraction:
    path, found = folder / SETTINGS, declaration.settings
    prompts = _prompts(path, found)
    query = _text(path, found, "query_prefix") or "", prompts[0]
    document = _text(path, found, "document_prefix") or "", prompts[1]
    expansion = None
    longest = longest_of(folder / LENGTHS, declaration.modules[0].settings)
    length = _length(path, found, "query_length")
    if "query_expansion" in found:
        expansion = _expansion(path, found["query_expansion"])
    elif found.get("do_query_expansion") is not False:
        attend = bool(found.get("attend_to_expansion_tokens", found.get("attend_to_mask_tokens")))
        expansion = Expansion(length or EXPANDED, attend)
    if expansion is not None and expansion.fixed:
        length = expansion.length
    skipped = found.get("skiplist_words")
    return LateInteraction(
        Side(query[0], query[1].removeprefix(query[0]), length or longest),
        Side(document[0], document[1].removeprefix(document[0]), _length(path, found, "document_length") or longest),
        expansion,
        tuple(string.punctuation) if skipped is None else _words(path, skipped),
        layers,
        declaration.files,
    )


def _of_sentence_transformers(
    folder: Path, declaration: Declaration, layers: tuple[Layer, ...], mask: Module
) -> LateInteraction:
    path, found = folder / LENGTHS, declaration.modules[0].settings
    own = ("query_length", "document_length", "query_expansion")
    refuse_other_settings(path, "Transformer", {name: value for name, value in found.items() if name not in own})
    refuse_other_settings(mask.folder / "config.json", "MultiVectorMask", mask.settings)
    longest = longest_of(path, found)
    query, document = _prompts(folder / SETTINGS, declaration.settings)
    expansion = _expansion(path, found.get("query_expansion"))
    length = _length(path, found, "query_length") or longest
    if expansion is not None and expansion.fixed:
        length = expansion.length
    return LateInteraction(
        Side(query, "", length),
        Side(document, "", _length(path, found, "document_length") or longest),
        expansion,
        _words(mask.folder / "config.json", mask.settings.get("skiplist_words") or []),
        layers,
        declaration.files,
    )


def _expansion(path: Path, found: Any) -> Expansion | None:
    if found is None:
        return None
    match found:
        case {"strategy": "fixed" | "min" as strategy, "length": int(length), **more} if length >= 1:
            token, attend = more.pop("token", None), more.pop("attend", False)
            if not more and isinstance(token, str | None) and isinstance(attend, bool) and length <= LONGEST_EXPANSION:
                return Expansion(length, attend, token, strategy == "fixed")
    raise ModelError(f"{path}: query_expansion {str(found)[:80]} is not supported", WHAT_RUNS)


def _prompts(path: Path, found: Mapping[str, Any]) -> tuple[str, str]:
    """What comes before queries and before documents."""
    prompts = found.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise ModelError(f"{path}: prompts are not an object of strings", FETCH_AGAIN)
    return prompts.get("query") or "", prompts.get("document") or ""


def _text(path: Path, found: Mapping[str, Any], name: str) -> str | None:
    text = found.get(name)
    if not isinstance(text, str | None):
        raise ModelError(f"{path}: {name} is no text", FETCH_AGAIN)
    return text


def _length(path: Path, found: Mapping[str, Any], name: str) -> int | None:
    length = found.get(name)
    if length is not None and (type(length) is not int or length < 8):
        raise ModelError(f"{path}: {name} cannot be {str(length)[:40]}", FETCH_AGAIN)
    return length


def _words(path: Path, words: Any) -> tuple[str, ...]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ModelError(f"{path}: skiplist_words are no list of words", FETCH_AGAIN)
    return tuple(words)
