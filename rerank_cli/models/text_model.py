"""A text model without weights: its files, lengths, tokenizer, the arrays of a batch, and its identity.

An engine has one and adds the device. The tokenizer makes it a cross-encoder or a bi-encoder: `engines/cross_encoder`
and `engines/bi_encoder` construct these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import transformers
from transformers import AutoConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.core.scorer import Batch, Identity, PreparedPair
from rerank_cli.models.config_json import FETCH_AGAIN
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.libraries import in_short, version_of

RECIPE = 5  # version of our computation: a new one rebuilds graphs, and older runs are not resumed
POSITIONS_START_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "camembert",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "xmod",
}


class Tokenizer(Protocol):
    """Prepares pairs. Their payload has `ids` (int32), and `document_at` if the model has token types."""

    pad_id: int | None
    size: int  # upper limit of ids

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order."""


T = TypeVar("T", bound=Tokenizer)


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


def load_config(folder: ModelFolder) -> Any:
    """The configuration as an object of transformers.

    Raises ModelError for a model type that transformers does not have (repository code is never run), and for unusable
    values.
    """
    model_type = folder.config.get("model_type")
    if model_type not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"{folder.path / 'config.json'}: transformers {transformers.__version__} has no {model_type!r}",
            "Choose a model with a built-in architecture: code from model repositories is never run.",
        )
    try:
        return AutoConfig.from_pretrained(str(folder.path), local_files_only=True, trust_remote_code=False)
    except Exception as fault:  # odd values raise any exception
        raise ModelError(f"{folder.path / 'config.json'}: cannot be used ({in_short(fault)})", FETCH_AGAIN) from None


class TextModel(Generic[T]):
    """A model's `folder`, its transformers `config`, its `lengths` and its `tokenizer`, checked against each other.

    `inputs` are the names of its arrays, with the mask last. `notes` are reported to the user once.
    """

    def __init__(
        self,
        folder: ModelFolder,
        config: Any,
        lengths: Lengths,
        tokenizer: T,
        *,
        typed: bool = False,
        notes: list[str],
    ) -> None:
        """`typed`: the model has token types. Raises ModelError for the tokenizer of another model."""
        self.folder, self.config, self.lengths, self.tokenizer, self.notes = folder, config, lengths, tokenizer, notes
        self._check_vocabulary()
        types = ["token_type_ids"] if typed else []
        self.inputs = ["input_ids", *types, "attention_mask"]

    def _check_vocabulary(self) -> None:
        path = self.folder.path / "tokenizer.json"
        rows = int(getattr(self.config, "vocab_size", 0))
        if self.tokenizer.size > rows:
            raise ModelError(
                f"{path}: {self.tokenizer.size} tokens, the model embeds {rows} (vocab_size in config.json)",
                "Put the tokenizer of this model into its folder: this one belongs to another model.",
            )
        padding = self.folder.config.get("pad_token_id")
        if padding is not None and padding != self.tokenizer.pad_id:
            raise ModelError(
                f"{path}: pads with {self.tokenizer.pad_id}, config.json says {padding}",
                "Put the tokenizer of this model into its folder: this one belongs to another model.",
            )

    def identity(self, engine: str, device: str, dtype: str, threads: int, libraries: Sequence[str]) -> Identity:
        """Who scores: this model, in `engine`, computed by `libraries`."""
        return Identity(
            engine=engine,
            model=self.folder.name,
            revision=self.folder.revision,
            weights_sha256=self.folder.weights_sha256,
            tokenizer_sha256=self.folder.tokenizer_sha256,
            config_sha256=self.folder.config_sha256,
            device=device,
            dtype=dtype,
            max_length=self.lengths.pair,
            query_max_length=self.lengths.query,
            threads=threads,
            versions={name: version_of(name) for name in (*libraries, "transformers", "tokenizers")}
            | {"recipe": str(RECIPE)},
        )

    @property
    def pad_id(self) -> int:
        """What rows are filled up with."""
        return self.tokenizer.pad_id or 0

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order; see Scorer."""
        return self.tokenizer.prepare(pairs)

    def arrays(
        self, batch: Batch, masked: bool, multiple: int = 1
    ) -> "tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]":
        """A batch as one int64 array (inputs × rows × longest), and the names of its inputs, padded on the right.

        Rows are as long as the longest, or the next `multiple` that the model has positions for. The mask comes last,
        and is left out when all rows are equally long, unless `masked`.
        """
        pairs = [pair.payload for pair in batch.pairs]
        lengths = np.array([len(pair.ids) for pair in pairs])
        longest = int(lengths.max())
        longest = max(longest, min(-(-longest // multiple) * multiple, self.lengths.positions))
        masked = masked or int(lengths.min()) < longest
        names = self.inputs if masked else self.inputs[:-1]
        padded = np.zeros((len(names), len(pairs), longest), dtype=np.int64)
        padded[0] = self.pad_id
        for row, pair in zip(padded[0], pairs, strict=True):
            row[: len(pair.ids)] = np.frombuffer(pair.ids, dtype=np.int32)
        columns = np.arange(longest)
        if "token_type_ids" in names:
            starts = np.array([[pair.document_at] for pair in pairs])
            padded[1] = (columns >= starts) & (columns < lengths[:, None])
        if masked:
            padded[-1] = columns < lengths[:, None]
        return names, padded
