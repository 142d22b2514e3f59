"""A text model without weights: its files, lengths, tokenizer, the arrays of a batch, and its identity.

An engine has one and adds the device. The tokenizer makes it a cross-encoder or a bi-encoder: `engines/cross_encoder`
and `engines/bi_encoder` construct these. Constructing one reads config.json at most: a run with nothing to do needs no
more. The tokenizer is read when the first text comes, or when the engine opens it.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rerank_cli.core.errors import ModelError
from rerank_cli.core.scorer import Batch, Identity, PreparedPair
from rerank_cli.models.facts import Facts, Resolved
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.lengths import Lengths
from rerank_cli.models.libraries import version_of
from rerank_cli.models.resolved import resolve

if TYPE_CHECKING:
    import numpy as np

FOREIGN = "Put the tokenizer of this model into its folder: this one belongs to another model."
RECIPE = 7  # version of our computation: a new one rebuilds graphs, and older runs are not resumed


class Tokenizer(Protocol):
    """Prepares pairs. Their payload has `ids` (int32), `content`, and `document_at` if the model has token types."""

    pad_id: int | None
    size: int  # upper limit of ids
    typed: bool  # whether pairs have token types

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order."""


T = TypeVar("T", bound=Tokenizer)


class TextModel(Generic[T]):
    """A model's `folder`, its `lengths` and its `tokenizer`, checked against its configuration.

    `notes` are reported to the user once.
    """

    def __init__(
        self, folder: ModelFolder, lengths: Lengths, notes: list[str], make_tokenizer: Callable[[Resolved], T]
    ) -> None:
        """Nothing is read before `open`, or the first use of what needs the tokenizer."""
        self.folder, self.lengths, self.notes = folder, lengths, notes
        self._make_tokenizer = make_tokenizer

    def open(self) -> None:
        """Read the tokenizer. Raises ModelError for a tokenizer of another model, and for unusable files."""
        _ = self._opened

    @cached_property
    def _opened(self) -> tuple[Facts, T]:
        resolved = resolve(self.folder)
        tokenizer = self._make_tokenizer(resolved)
        self._check_vocabulary(resolved.facts, tokenizer)
        return resolved.facts, tokenizer

    @property
    def facts(self) -> Facts:
        """What the configuration says, with all defaults filled in."""
        return self._opened[0]

    @property
    def tokenizer(self) -> T:
        """What prepares pairs."""
        return self._opened[1]

    @property
    def inputs(self) -> list[str]:
        """The names of the model's arrays, with the mask last."""
        types = ["token_type_ids"] if self.tokenizer.typed else []
        return ["input_ids", *types, "attention_mask"]

    def _check_vocabulary(self, facts: Facts, tokenizer: T) -> None:
        path = self.folder.path / "tokenizer.json"
        if tokenizer.size > facts.rows:
            raise ModelError(
                f"{path}: {tokenizer.size} tokens, the model embeds {facts.rows} (vocab_size in config.json)",
                FOREIGN,
            )
        padding = self.folder.config.get("pad_token_id")
        if padding is not None and padding != tokenizer.pad_id:
            raise ModelError(
                f"{path}: pads with {tokenizer.pad_id}, config.json says {padding}",
                FOREIGN,
            )

    def identity(self, engine: str, device: str, dtype: str, threads: int, libraries: Sequence[str]) -> Identity:
        """Who scores: this model, in `engine`, computed by `libraries`."""
        question = self.folder.question
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
            label=self.folder.label,
            prompt=question.prompt.identity if question is not None else None,
            instruction=question.instruction if question is not None else None,
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

    def content(self, pair: PreparedPair) -> bytes:
        """The input of a prepared pair; see Scorer."""
        content: bytes = pair.payload.content
        return content

    def arrays(
        self, batch: Batch, masked: bool, multiple: int = 1
    ) -> "tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]":
        """A batch as one int64 array (inputs × rows × longest), and the names of its inputs, padded on the right.

        Rows are as long as the longest, or the next `multiple` that the model has positions for. The mask comes last,
        and is left out when all rows are equally long, unless `masked`.
        """
        import numpy as np  # here: a run with nothing to do needs none

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
