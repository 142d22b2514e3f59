"""A cross-encoder without weights: query and document are tokenized together."""

from typing import TypeAlias

from rerank_cli.core.config import ModelConfig
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.text_model import TextModel, lengths_within, load_config, usable_positions
from rerank_cli.models.tokens import PairTokenizer, load_tokenizer

CrossEncoder: TypeAlias = TextModel[PairTokenizer]


def open_cross_encoder(config: ModelConfig, folder: ModelFolder | None = None) -> CrossEncoder:
    """The cross-encoder that `config` names, in `folder` if that is known; loads no weights.

    Raises ConfigError for a bi-encoder, ModelError when its files contradict each other.
    """
    folder = find_model(config) if folder is None else folder
    folder.refuse_other_kind("cross-encoder")
    notes: list[str] = []
    model_config = load_config(folder)
    lengths = lengths_within(usable_positions(model_config.to_dict()), config, notes)
    fast_tokenizer = load_tokenizer(folder.path, model_config)
    overlap = config.chunk_overlap if config.long_docs == "chunk" else None
    most = (lengths.pair - lengths.query) // 2
    if overlap is not None and overlap > most:
        notes.append(f"chunk-overlap of {overlap}: chunks share at most half of their tokens, about {most}")
    tokenizer = PairTokenizer(fast_tokenizer, lengths.pair, lengths.query, overlap)
    typed = tokenizer.typed and int(getattr(model_config, "type_vocab_size", 1) or 1) > 1
    return TextModel(folder, model_config, lengths, tokenizer, typed=typed, notes=notes)
