"""Read the small files of a model through transformers, which is imported here."""

from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN, advice_on_architecture
from rerank_cli.models.facts import Facts, Resolved
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.lengths import usable_positions
from rerank_cli.models.libraries import in_short
from rerank_cli.models.tokens import ADVICE

RANDOM = ("dropout", "alpha", "nbest_size")  # attributes for random tokenization


def resolved(folder: ModelFolder) -> Resolved:
    """The facts and the tokenizer of a model. Raises ModelError where transformers cannot use its files."""
    config = load_config(folder)
    return resolved_with(load_tokenizer(folder.path, config), config)


def resolved_with(tokenizer: PreTrainedTokenizerFast, config: Any) -> Resolved:
    """The facts of a loaded tokenizer and configuration."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # a copy: calls change its state
    backend.no_truncation()
    backend.no_padding()
    facts = Facts(
        positions=usable_positions(config.to_dict()),
        rows=int(getattr(config, "vocab_size", 0)),
        ids=1 + max(backend.get_vocab(with_added_tokens=True).values()),
        types=int(getattr(config, "type_vocab_size", 1) or 1),
        hidden_size=_size(config, "hidden_size"),
        intermediate_size=_size(config, "intermediate_size"),
        pad_id=tokenizer.pad_token_id,
        unknown_id=tokenizer.unk_token_id,
        special_ids=tuple(tokenizer.all_special_ids),
        returns_types="token_type_ids" in tokenizer.model_input_names,
    )
    return Resolved(facts, backend)


def _size(config: Any, name: str) -> int | None:
    size = getattr(config, name, None)
    return size if isinstance(size, int) else None


def load_config(folder: ModelFolder) -> Any:
    """The configuration as an object of transformers.

    Raises ModelError for a model type that transformers does not have (repository code is never run), and for unusable
    values.
    """
    model_type = folder.config.get("model_type")
    if model_type not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"{folder.path / 'config.json'}: transformers {transformers.__version__} has no {model_type!r}",
            advice_on_architecture(model_type),
        )
    try:
        return AutoConfig.from_pretrained(str(folder.path), local_files_only=True, trust_remote_code=False)
    except Exception as fault:  # odd values raise any exception
        raise ModelError(f"{folder.path / 'config.json'}: cannot be used ({in_short(fault)})", FETCH_AGAIN) from None


def load_tokenizer(folder: Path, config: Any = None) -> PreTrainedTokenizerFast:
    """Load the fast tokenizer in `folder`, of a model with `config`. Raises ModelError."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as fault:  # damaged files raise any exception
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0][:300]
        raise ModelError(f"{folder / 'tokenizer.json'}: cannot be loaded ({reason})", ADVICE) from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"{folder / 'tokenizer.json'}: {type(tokenizer).__name__} is not a fast tokenizer", ADVICE)
    return without_chance(tokenizer)


def without_chance(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The tokenizer with random tokenization disabled, whatever its file sets.

    BPE dropout and Unigram sampling are for training, and their generator cannot be seeded.
    """
    model = tokenizer.backend_tokenizer.model
    for setting in RANDOM:
        if getattr(model, setting, None) is not None:
            setattr(model, setting, None)
    return tokenizer
