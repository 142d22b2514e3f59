"""A cross-encoder without weights: query and document are tokenized together."""

from typing import TypeAlias

from rerank_cli.core.config import ModelConfig
from rerank_cli.models.facts import Resolved
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.lengths import Lengths, lengths_within
from rerank_cli.models.resolved import positions_of
from rerank_cli.models.text_model import TextModel
from rerank_cli.models.tokens import PairTokenizer

CrossEncoder: TypeAlias = TextModel[PairTokenizer]


def open_cross_encoder(config: ModelConfig, folder: ModelFolder | None = None) -> CrossEncoder:
    """The cross-encoder that `config` names, in `folder` if that is known; loads no weights.

    Raises ConfigError for a bi-encoder. The files are checked against each other when the tokenizer is read.
    """
    folder = find_model(config) if folder is None else folder
    folder.refuse_other_kind("cross-encoder")
    notes: list[str] = []
    lengths = lengths_within(positions_of(folder), folder.longest, config, notes)
    overlap = chunk_overlap(config, lengths, notes)

    def make_tokenizer(resolved: Resolved) -> PairTokenizer:
        return PairTokenizer(resolved, lengths.pair, lengths.query, overlap)

    return TextModel(folder, lengths, notes, make_tokenizer)


def chunk_overlap(config: ModelConfig, lengths: Lengths, notes: list[str]) -> int | None:
    """The tokens that chunks of a long document share; None where it is truncated. `notes` gets what is lowered."""
    if config.long_docs != "chunk":
        return None
    most = (lengths.pair - lengths.query) // 2
    if config.chunk_overlap > most:
        notes.append(
            f"chunk-overlap of {config.chunk_overlap}: chunks share at most half of their tokens, about {most}"
        )
    return config.chunk_overlap
