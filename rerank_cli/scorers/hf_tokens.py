"""Pairs of texts as token ids, each text encoded once.

A query with fifty candidates is encoded once, not fifty times: texts are encoded without special tokens, cut (first
the query to its cap, then the document to what is left) and joined by the template of the tokenizer's own
post-processor, which is read off it by a probe and verified. The result equals
`tokenizer(query, document, truncation="only_second", max_length=…)`; a test pins that by token ids.

    <s> query </s></s> document </s>        head, middle and tail of XLM-R's template

No text can forge a separator. `split_special_tokens` would not see to that: a Unigram vocabulary holds `</s>` itself.
So special ids are looked for in the encoded text, and where they stand the literal is broken up.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rerank_cli.chunking import divided
from rerank_cli.errors import ModelError
from rerank_cli.scorers import PreparedPair

Part = tuple[list[int], tuple[int, int]]  # the ids of a part of a document, and its characters
ADVICE = "Put the tokenizer that the model was trained with beside it."


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A composed pair: its ids (int32), and the position at which the document's segment (type 1) begins."""

    ids: "array[int]"
    document_at: int


@dataclass(frozen=True, slots=True)
class Template:
    """What a tokenizer puts around two texts."""

    head: list[int]
    middle: list[int]
    tail: list[int]
    typed: bool  # the document's segment has token type 1

    @property
    def num_specials(self) -> int:
        """Tokens of a pair that are no text."""
        return len(self.head) + len(self.middle) + len(self.tail)

    @classmethod
    def of(cls, backend: Tokenizer) -> "Template":
        """Read the template off a probe. Raises ModelError for a tokenizer that does not separate two texts."""
        query, document = (backend.encode(text, add_special_tokens=False) for text in ("query", "some document"))
        pair = backend.post_process(query, document)
        ids, start = pair.ids, _find(pair.ids, query.ids, 0)
        end = start + len(query.ids)
        second = _find(ids, document.ids, end)
        template = cls(ids[:start], ids[end:second], ids[second + len(document.ids) :], pair.type_ids[-1] == 1)
        types = [0] * second + [int(template.typed)] * (len(ids) - second)
        if start < 0 or second < 0 or not template.middle or pair.type_ids != types:
            raise ModelError("tokenizer.json: no template that separates a query from a document", ADVICE)
        return template


def _find(ids: list[int], part: list[int], start: int) -> int:
    """Where `part` first stands in `ids` from `start` on; -1 if nowhere."""
    places = range(start, len(ids) - len(part) + 1)
    return next((at for at in places if part and ids[at : at + len(part)] == part), -1)


def _begins_word(text: str, at: int) -> bool:
    """Whether a word begins at `at`; the white space before it may belong to its token."""
    return at == 0 or text[at - 1].isspace() or (at < len(text) and text[at].isspace())


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the white space at its ends."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    return start, max(start, end - (len(part) - len(part.rstrip())))


def load_tokenizer(folder: Path, config: Any = None) -> PreTrainedTokenizerFast:
    """The fast tokenizer in `folder` of a model with `config`. Raises ModelError naming what is wrong."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as fault:  # the library raises whatever a damaged file leads it to
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0][:300]
        raise ModelError(f"{folder / 'tokenizer.json'}: cannot be loaded ({reason})", ADVICE) from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(f"{folder / 'tokenizer.json'}: {type(tokenizer).__name__} is not a fast tokenizer", ADVICE)
    return tokenizer


class TextTokenizer:
    """Encodes texts, each distinct one once, without special tokens. `size`: ids are below it."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # our copy: calls leave state behind
        self._backend.no_truncation()
        self._backend.no_padding()
        self.pad_id = tokenizer.pad_token_id
        self.size = 1 + max(self._backend.get_vocab(with_added_tokens=True).values())
        self._unknown = tokenizer.unk_token_id
        self._special = frozenset(tokenizer.all_special_ids) - {self._unknown}

    def around_one(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and after a text that stands alone. Raises ModelError."""
        try:
            text = self._backend.encode("query", add_special_tokens=False)
            ids = self._backend.post_process(text).ids
        except Exception as fault:  # a vocabulary that cannot encode a word
            raise ModelError(f"tokenizer.json: cannot encode ({fault})", ADVICE) from None
        start = _find(ids, text.ids, 0)
        if start < 0:
            raise ModelError("tokenizer.json: its template leaves a text out", ADVICE)
        return ids[:start], ids[start + len(text.ids) :]

    def encoded(self, texts: Iterable[str]) -> dict[str, list[int]]:
        """The ids of each distinct text, without specials."""
        distinct = list(dict.fromkeys(texts))
        encodings = self._backend.encode_batch_fast(distinct, add_special_tokens=False)
        return {text: self._honest(text, encoding) for text, encoding in zip(distinct, encodings, strict=True)}

    def _honest(self, text: str, encoding: Encoding) -> list[int]:
        """The ids of a text, none of them a separator that the text itself spells out."""
        ids: list[int] = encoding.ids
        if self._special.isdisjoint(ids):
            return ids
        for _ in range(4):  # breaking up one literal can, in theory, leave another
            exact = self._backend.encode(text, add_special_tokens=False)
            if self._special.isdisjoint(exact.ids):
                return list(exact.ids)
            spans = [span for token, span in zip(exact.ids, exact.offsets, strict=True) if token in self._special]
            for start, _ in reversed(spans):
                text = f"{text[: start + 1]} {text[start + 1 :]}"
        unknown = [] if self._unknown is None else [self._unknown]
        return [kept for token in exact.ids for kept in (unknown if token in self._special else [token])]


class PairTokenizer(TextTokenizer):
    """Composes pairs of at most `max_length` tokens, of which the query has at most `query_max_length`."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        query_max_length: int,
        chunk_overlap: int | None = None,
    ) -> None:
        """With `chunk_overlap` a document that does not fit is divided into windows that share as many tokens."""
        super().__init__(tokenizer)
        try:
            self.template = Template.of(self._backend)
        except ModelError:
            raise
        except Exception as fault:  # a vocabulary that cannot encode a word
            raise ModelError(f"tokenizer.json: cannot encode ({fault})", ADVICE) from None
        specials = [*self.template.head, *self.template.middle, *self.template.tail]
        self.size = max(self.size, 1 + max(specials))
        self.typed = self.template.typed and "token_type_ids" in tokenizer.model_input_names  # else its calls give none
        self._room = max_length - self.template.num_specials
        self._query_room = min(query_max_length, self._room - 1)
        self._chunk_overlap = chunk_overlap

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order; its cost is its length in tokens, separators included."""
        queries = self.encoded(query for query, _ in pairs)
        documents = self.encoded(document for _, document in pairs)
        parts: dict[tuple[str, int], list[Part]] = {}  # of documents that do not fit beside a query
        composed = []
        for query, document in pairs:
            room = self._room - min(len(queries[query]), self._query_room)
            if self._chunk_overlap is None or len(documents[document]) <= room:
                composed.append(self.composed(queries[query], documents[document]))
                continue
            key = (document, room)
            if key not in parts:
                parts[key] = self._divided(document, room)
            composed.append(self._in_parts(queries[query], documents[document], parts[key]))
        return composed

    def composed(self, query: list[int], document: list[int]) -> PreparedPair:
        """A pair of two encoded texts, the query cut to its cap and the document to what is left."""
        kept = query[: self._query_room]
        room = self._room - len(kept)
        template = self.template
        start = [*template.head, *kept, *template.middle]
        ids = array("i", [*start, *document[:room], *template.tail])
        truncated = len(query) > len(kept) or len(document) > room
        uncut = len(query) + len(document) + template.num_specials if truncated else None
        return PreparedPair(len(ids), truncated, TokenPair(ids, len(start)), uncut=uncut)

    def _in_parts(self, query: list[int], document: list[int], parts: list[Part]) -> PreparedPair:
        """The pair's first part with the others in it."""
        first, *others = [replace(self.composed(query, ids), span=span, uncut=0) for ids, span in parts]
        uncut = len(query) + len(document) + self.template.num_specials
        return replace(first, more=tuple(others), uncut=uncut)

    def _divided(self, document: str, room: int) -> list[Part]:
        """Windows of a document of at most `room` tokens: the ids of each as a text of its own, and its characters.

        A window is encoded anew, so that it scores exactly as its text does alone.
        """
        offsets = self._backend.encode(document, add_special_tokens=False).offsets
        while len(offsets) > 1 and document[slice(*offsets[-1])].isspace():  # no window for a space at the end
            offsets.pop()
        breaks = [at for at, (start, _) in enumerate(offsets) if _begins_word(document, start)]

        def part(start: int, end: int) -> Part:
            first, last = trimmed(document, offsets[start][0], offsets[end - 1][1])
            (ids,) = self.encoded([document[first:last]]).values()
            return ids, (first, last)

        overlap = min(self._chunk_overlap or 0, room // 2)
        windows = divided(len(offsets), room, overlap, breaks, lambda start, end: len(part(start, end)[0]))
        return [(ids[:room], span) for ids, span in (part(start, end) for start, end in windows)]
