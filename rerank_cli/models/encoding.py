"""How a bi-encoder encodes a text as a vector: pooling, prompts and the longest text, from what its files declare."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.declared import LENGTHS, MODULES, SETTINGS, Declaration
from rerank_cli.models.families import WHAT_RUNS

MODES = ("mean", "cls", "lasttoken")
KNOWN = ("Transformer", "Pooling", "Normalize")
QUERY_PROMPTS, DOCUMENT_PROMPTS = ("query",), ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a bi-encoder encodes a text: pooling mode, prompts and maximal length.

    `longest` includes special tokens. `files` are the files of these settings; without any, the mean of all tokens is
    used, and `assumed` is set.
    """

    pooling: str
    query_prompt: str = ""
    document_prompt: str = ""
    longest: int | None = None  # tokens of a text, if the files set a limit
    files: tuple[Path, ...] = ()
    assumed: bool = False


def encoding_of(folder: Path, declaration: Declaration) -> Encoding:
    """The encoding of the bi-encoder in `folder`. Raises ModelError for modules that its engine lacks."""
    path = folder / MODULES
    if not declaration.modules:
        return Encoding("mean", assumed=True)
    if foreign := [kind for kind in declaration.types if kind not in KNOWN]:
        raise ModelError(
            f"{path}: the bi-encoder engine does not run the module {foreign[0]}",
            f"It runs {', '.join(KNOWN)}. {WHAT_RUNS}",
        )
    transformer, pooling = declaration.module("Transformer"), declaration.module("Pooling")
    if transformer is None or pooling is None:
        raise ModelError(f"{path}: no Transformer with Pooling", "Fetch the complete bi-encoder.")
    mode = pooling_of(pooling.folder / "config.json", pooling.settings)
    prompts = declaration.settings.get("prompts") or {}
    query, document = (_prompt(folder / SETTINGS, prompts, names) for names in (QUERY_PROMPTS, DOCUMENT_PROMPTS))
    longest = longest_of(folder / LENGTHS, transformer.settings)
    return Encoding(mode, query, document, longest, declaration.files)


def longest_of(path: Path, config: dict[str, Any]) -> int | None:
    """The maximal length of texts. Raises ModelError for unsupported settings."""
    if config.get("do_lower_case"):
        raise ModelError(f"{path}: do_lower_case is not supported", "Set a lowercase normalizer in tokenizer.json.")
    longest = config.get("max_seq_length")
    if longest is not None and (type(longest) is not int or longest < 4):
        raise ModelError(f"{path}: max_seq_length cannot be {str(longest)[:40]}", FETCH_AGAIN)
    return longest


def pooling_of(path: Path, config: dict[str, Any]) -> str:
    """The pooling mode of a configuration, in the older spelling (flags) or the newer one (a name)."""
    flags = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
    old = [mode for mode, flag in flags.items() if config.get(f"pooling_mode_{flag}") is True]
    others = [name for name in config if name.startswith("pooling_mode_") and config[name] is True]
    mode = config.get("pooling_mode", old[0] if len(old) == len(others) == 1 else None)
    if config.get("include_prompt") is False:
        raise ModelError(f"{path}: pooling without the prompt is not supported", "Use another model.")
    if mode not in MODES:
        raise ModelError(f"{path}: unsupported pooling mode", f"Supported modes: {', '.join(MODES)}.")
    return str(mode)


def _prompt(path: Path, prompts: Any, names: tuple[str, ...]) -> str:
    found = next((prompts[name] for name in names if name in prompts), "") if isinstance(prompts, dict) else None
    if not isinstance(found, str):
        raise ModelError(f"{path}: prompts are not an object of strings", FETCH_AGAIN)
    return found
