"""How many tokens a pair may have: what the model has positions for, and what was asked for."""

from dataclasses import dataclass
from typing import Any

from rerank_cli.core.config import ModelConfig

POSITIONS_START_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "camembert",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "xmod",
}


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token limits: positions of the model, tokens of a pair, tokens of a query."""

    positions: int
    pair: int
    query: int


def usable_positions(config: dict[str, Any]) -> int:
    """The number of tokens that the position embeddings cover. The RoBERTa family loses padding_idx + 1 of them."""
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in POSITIONS_START_AFTER_PADDING:
        positions -= int(config.get("pad_token_id", 1)) + 1  # 1 is the family's default
    return positions


def lengths_within(positions: int, config: ModelConfig, notes: list[str]) -> Lengths:
    """The lengths that `config` asks for, lowered to what the model has.

    `notes` gets a sentence for each that the user chose: a default is lowered silently.
    """
    max_length = min(config.max_length, positions)
    if max_length < config.max_length and "max_length" in config.requested:
        notes.append(f"--max-length lowered from {config.max_length} to {positions}: the model has no more positions")
    query_max_length = min(config.query_max_length, max_length * 3 // 4)
    if query_max_length < config.query_max_length and "query_max_length" in config.requested:
        notes.append(
            f"--query-max-length lowered from {config.query_max_length} to {query_max_length}: "
            "three quarters of --max-length"
        )
    return Lengths(positions, max_length, query_max_length)
