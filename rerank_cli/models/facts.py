"""What engines need to know of a model's configuration and tokenizer, with all defaults filled in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The sizes of a model, and the special tokens of its tokenizer.

    `positions` is the number of tokens that the position embeddings cover, `rows` that of token embeddings, `ids` the
    upper limit of token ids, `types` the number of token types (1: the model has none). `special_ids` are those that
    the tokenizer's files declare. `returns_types`: the tokenizer returns token types, so the model was trained with
    them. None stands for what a model does not have.
    """

    positions: int
    rows: int
    ids: int
    types: int
    hidden_size: int | None
    intermediate_size: int | None
    pad_id: int | None
    unknown_id: int | None
    special_ids: tuple[int, ...]
    returns_types: bool


@dataclass(frozen=True, slots=True)
class Resolved:
    """The facts of a model, and its tokenizer without truncation and padding."""

    facts: Facts
    tokenizer: "Tokenizer"
