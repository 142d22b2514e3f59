"""How a bi-encoder encodes a text as a vector: the small files that sentence-transformers writes with it.

modules.json lists the steps, the folder of the pooling step has the pooling mode, and config_sentence_transformers.json
the prompts of queries and documents.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN, read_json, require_file
from rerank_cli.models.families import WHAT_RUNS

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
LENGTHS = "sentence_bert_config.json"
MODES = ("mean", "cls", "lasttoken")
KNOWN = ("Transformer", "Pooling", "Normalize")
QUERY_PROMPTS, DOCUMENT_PROMPTS = ("query",), ("document", "passage", "corpus")
WANTED = (MODULES, PROMPTS, LENGTHS, "*_Pooling/config.json")  # files to fetch from a repository


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


def read_encoding(folder: Path) -> Encoding:
    """Read the encoding of the model in `folder`. Raises ModelError for unknown steps."""
    path = folder / MODULES
    if not path.exists():
        return Encoding("mean", assumed=True)
    steps = dict(_steps(path))
    if foreign := [kind for kind in steps if kind not in KNOWN]:
        raise ModelError(
            f"{path}: unsupported step {foreign[0]!r}", f"Supported steps: {', '.join(KNOWN)}. {WHAT_RUNS}"
        )
    if "Pooling" not in steps:
        raise ModelError(f"{path}: no Pooling step", "Fetch the complete bi-encoder.")
    pooling_path = folder / steps["Pooling"] / "config.json"
    files = [path, pooling_path]
    pooling = _pooling(pooling_path, read_json(pooling_path))
    prompts: dict[str, Any] = {}
    if (folder / PROMPTS).exists():
        files.append(folder / PROMPTS)
        prompts = read_json(folder / PROMPTS).get("prompts") or {}
    query, document = (_prompt(folder / PROMPTS, prompts, names) for names in (QUERY_PROMPTS, DOCUMENT_PROMPTS))
    longest = None
    if (folder / LENGTHS).exists():
        files.append(folder / LENGTHS)
        longest = _longest(folder / LENGTHS, read_json(folder / LENGTHS))
    return Encoding(pooling, query, document, longest, tuple(files))


def _longest(path: Path, config: dict[str, Any]) -> int | None:
    """The maximal length of texts. Raises ModelError for unsupported settings."""
    if config.get("do_lower_case"):
        raise ModelError(f"{path}: do_lower_case is not supported", "Set a lowercase normalizer in tokenizer.json.")
    longest = config.get("max_seq_length")
    if longest is not None and (type(longest) is not int or longest < 4):
        raise ModelError(f"{path}: max_seq_length cannot be {str(longest)[:40]}", FETCH_AGAIN)
    return longest


def _steps(path: Path) -> list[tuple[str, str]]:
    """The steps as (kind, folder). Raises ModelError for invalid content, or a folder elsewhere."""
    require_file(path)
    try:
        steps = json.loads(path.read_bytes())
        found = [(str(step["type"]).rpartition(".")[2], str(step["path"])) for step in steps]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{path}: not a list of steps", FETCH_AGAIN) from None
    for _, place in found:
        if place and (Path(place).name != place or place == ".."):
            raise ModelError(f"{path}: a step lies in {place[:60]!r}, outside the folder", FETCH_AGAIN)
    return found


def _pooling(path: Path, config: dict[str, Any]) -> str:
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
