"""A reranker that answers yes or no, without weights: query and document are tokenized together, in a prompt."""

from typing import TypeAlias

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.cross_encoder import chunk_overlap
from rerank_cli.models.declared import YES_NO
from rerank_cli.models.facts import Resolved
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.lengths import lengths_within
from rerank_cli.models.prompt_tokens import PromptTokenizer
from rerank_cli.models.question import Question
from rerank_cli.models.resolved import positions_of
from rerank_cli.models.text_model import TextModel

YesNoModel: TypeAlias = TextModel[PromptTokenizer]


def open_yes_no(config: ModelConfig, folder: ModelFolder | None = None) -> YesNoModel:
    """The reranker that `config` names, in `folder` if that is known; loads no weights.

    Raises ConfigError for a model of another kind. The files are checked against each other when the tokenizer is read.
    """
    folder = find_model(config) if folder is None else folder
    folder.refuse_other_kind(YES_NO)
    notes: list[str] = []
    question = question_in(folder)
    lengths = lengths_within(positions_of(folder), folder.longest, config, notes)
    overlap = chunk_overlap(config, lengths, notes)

    def make_tokenizer(resolved: Resolved) -> PromptTokenizer:
        return PromptTokenizer(resolved, question, lengths, overlap)

    return TextModel(folder, lengths, notes, make_tokenizer)


def question_in(folder: ModelFolder) -> Question:
    """The question for the model in a folder."""
    assert folder.question is not None  # `refuse_other_kind` passed
    return folder.question
