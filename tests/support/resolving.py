"""What our tokenizers are made of, from a tokenizer that a test has loaded."""

from transformers import BertConfig, PreTrainedTokenizerFast

from rerank_cli.models.facts import Resolved
from rerank_cli.models.through_transformers import resolved_with


def resolved_of(tokenizer: PreTrainedTokenizerFast) -> Resolved:
    """For a model with two token types, whose configuration says nothing else."""
    return resolved_with(tokenizer, BertConfig())
