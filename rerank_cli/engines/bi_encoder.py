"""A bi-encoder but for its arithmetic: query and document are texts apart, each encoded as if it stood alone.

The logit of a pair is the cosine of the two vectors. A query's vector serves all its candidates, so a pair costs the
tokens of its document.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.scorer import PreparedPair
from rerank_cli.engines.cross_encoder import CrossEncoder
from rerank_cli.models.modules_json import Encoding
from rerank_cli.models.tokens import TextTokenizer, load_tokenizer

PROMPTS = "only --query-template and --doc-template put prompts before the texts"


@dataclass(frozen=True, slots=True)
class TextPair:
    """A query and a document as token ids (int32), special tokens included."""

    ids: "array[int]"  # of the document
    query: "array[int]"


class SingleTexts(TextTokenizer):
    """Encodes queries and documents apart, each cut to its own length."""

    def __init__(self, tokenizer: Any, encoding: Encoding, lengths: tuple[int, int]) -> None:
        """`lengths`: tokens a document and tokens a query, special tokens and prompts included."""
        super().__init__(tokenizer)
        self._encoding = encoding
        self._head, self._tail = self.around_one()
        specials = len(self._head) + len(self._tail)
        self._rooms = tuple(length - specials for length in lengths)

    def around(self, ids: list[int], room: int) -> "array[int]":
        """A text's ids, cut to `room`, between the special tokens."""
        return array("i", [*self._head, *ids[:room], *self._tail])

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """See Scorer.prepare."""
        documents = self.encoded(self._encoding.document_prompt + document for _, document in pairs)
        queries = self.encoded(self._encoding.query_prompt + query for query, _ in pairs)
        cut = {text: self.around(ids, self._rooms[1]) for text, ids in queries.items()}
        made = []
        for query, document in pairs:
            asked, text = self._encoding.query_prompt + query, self._encoding.document_prompt + document
            ids = self.around(documents[text], self._rooms[0])
            long, uncut = len(queries[asked]) > self._rooms[1], len(documents[text])
            truncated = long or uncut > self._rooms[0]
            payload = TextPair(ids, cut[asked])
            specials = len(self._head) + len(self._tail)
            made.append(PreparedPair(len(ids), truncated, payload, uncut=uncut + specials if truncated else None))
        return made


class BiEncoder(CrossEncoder):
    """What a bi-encoder is before it computes; files, lengths and identity are as a cross-encoder's."""

    kind = "bi-encoder"

    def _made_tokenizer(self, config: ModelConfig) -> SingleTexts:
        if config.long_docs == "chunk":
            raise ConfigError("--long-docs chunk: not offered by the bi-encoder engine", "Use truncate or error.")
        encoding = self.encoding
        if encoding.assumed:
            self.notes.append(f"no modules.json: the mean of all tokens is taken, and {PROMPTS}")
        elif not (encoding.query_prompt or encoding.document_prompt):
            self.notes.append(f"the model's files name no prompts: {PROMPTS}")
        tokenizer = load_tokenizer(self.folder.path, self.config)
        return SingleTexts(tokenizer, encoding, (self.max_length, self.query_max_length))

    def _lengths(self, config: ModelConfig) -> tuple[int, int]:
        longest = self.encoding.longest
        if longest is not None and longest < config.max_length:
            self.notes.append(f"max-length lowered from {config.max_length} to {longest}: the model's files say so")
            config = replace(config, max_length=longest)
        return super()._lengths(config)

    def _has_types(self) -> bool:
        return False

    @property
    def encoding(self) -> Encoding:
        """How vectors are made."""
        assert self.folder.encoding is not None  # `find_model` was told, or found out
        return self.folder.encoding
