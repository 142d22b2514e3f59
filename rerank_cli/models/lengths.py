"""How many tokens a pair may have: what the model has positions for, and what was asked for."""

from dataclasses import dataclass, replace
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN

FEWEST = 8  # tokens: with fewer there is no room for a query, a document and the tokens around them
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


def states_positions(config: dict[str, Any]) -> bool:
    """Whether config.json states all that `usable_positions` reads; what it leaves open transformers knows."""
    names = ["max_position_embeddings"]
    if config.get("model_type") in POSITIONS_START_AFTER_PADDING:
        names.append("pad_token_id")
    return all(type(config.get(name)) is int for name in names)


def usable_positions(config: dict[str, Any]) -> int:
    """The number of tokens that the position embeddings cover. The RoBERTa family loses padding_idx + 1 of them."""
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in POSITIONS_START_AFTER_PADDING:
        padding = config.get("pad_token_id")
        positions -= (1 if padding is None else int(padding)) + 1  # 1 is the family's default
    return positions


def lengths_within(positions: int, longest: int | None, config: ModelConfig, notes: list[str]) -> Lengths:
    """The lengths that `config` asks for, lowered to what the model has, and to the `longest` that its files set.

    `notes` gets a sentence for each that the user chose: a default is lowered silently. Raises ModelError for a model
    with hardly any positions.
    """
    if positions < FEWEST:
        raise ModelError(f"config.json: positions for {positions} tokens, too few for a pair", FETCH_AGAIN)
    if longest is not None and longest < config.max_length:
        if "max_length" in config.requested:
            notes.append(f"--max-length lowered from {config.max_length} to {longest}: the model's files say so")
        config = replace(config, max_length=longest)
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
