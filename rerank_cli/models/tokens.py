"""Encode pairs of texts as token ids, each text once.

A query with fifty candidates is encoded once, not fifty times. Texts are encoded without special tokens, truncated (the
query to its limit, then the document to the remaining length) and joined by the template of the tokenizer's own
post-processor, which is detected by a probe and verified. The result equals `tokenizer(query, document,
truncation="only_second", max_length=…)`; a test pins that by token ids.

    <s> query </s></s> document </s>        head, middle and tail of XLM-R's template

No text can forge a separator. `split_special_tokens` does not prevent it, since a Unigram vocabulary contains `</s>`.
So encoded texts are searched for special ids, and their literals are split. Special tokens are those that the
tokenizer's files declare, and those that its template puts around texts, unless they are ordinary words.

Texts are always encoded with `encode_batch`, even a single one. `encode` holds the interpreter lock, so that signals
would be delayed by a text of tens of megabytes.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from rerank_cli.core.chunking import divided
from rerank_cli.core.errors import ModelError
from rerank_cli.core.scorer import PreparedPair
from rerank_cli.models.facts import Resolved

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Part = tuple[list[int], tuple[int, int]]  # ids of a chunk of a document, and its span in characters
WORD_MARKS = "\u2581\u0120#"  # prefixes of words, or of continuations, in vocabularies
ADVICE = "Put the tokenizer that the model was trained with into its folder."


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A composed pair: its ids (int32), and the position where the document's segment (type 1) begins."""

    ids: "array[int]"
    document_at: int

    @property
    def content(self) -> bytes:
        """All of it, to tell it from others."""
        return b"%d " % self.document_at + self.ids.tobytes()


@dataclass(frozen=True, slots=True)
class Template:
    """The special tokens that a tokenizer puts around two texts."""

    head: list[int]
    middle: list[int]
    tail: list[int]
    typed: bool  # the document's segment has token type 1

    @property
    def num_specials(self) -> int:
        """The number of special tokens of a pair."""
        return len(self.head) + len(self.middle) + len(self.tail)

    @classmethod
    def of(cls, backend: "Tokenizer") -> "Template":
        """Detect the template with a probe. Raises ModelError for a tokenizer that does not separate two texts."""
        query, document = (encoding_of(backend, text) for text in ("query", "some document"))
        pair = backend.post_process(query, document)
        ids, start = pair.ids, _place(pair, 0, query.ids, 0)
        end = start + len(query.ids)
        second = _place(pair, 1, document.ids, end)
        template = cls(ids[:start], ids[end:second], ids[second + len(document.ids) :], pair.type_ids[-1] == 1)
        types = [0] * second + [int(template.typed)] * (len(ids) - second)
        if start < 0 or second < 0 or not template.middle or pair.type_ids != types:
            raise ModelError("tokenizer.json: no template that separates a query from a document", ADVICE)
        return template


def encoding_of(backend: "Tokenizer", text: str) -> "Encoding":
    """Encode a text without special tokens, without blocking other threads."""
    (encoding,) = backend.encode_batch([text], add_special_tokens=False)
    return encoding


def characters_of(encoding: "Encoding", place: int) -> tuple[int, int]:
    """The span of one token. A list of all spans would block the interpreter and take over 100 bytes per token."""
    span: tuple[int, int] = encoding.token_to_chars(place) or (0, 0)
    return span


def around_text(backend: "Tokenizer") -> tuple[list[int], list[int]]:
    """The special tokens before and after a single text. Raises ModelError."""
    try:
        text = encoding_of(backend, "query")
        whole = backend.post_process(text)
    except Exception as fault:  # a vocabulary that cannot encode a word
        raise ModelError(f"tokenizer.json: cannot encode ({fault})", ADVICE) from None
    ids, start = whole.ids, _place(whole, 0, text.ids, 0)
    if start < 0:
        raise ModelError("tokenizer.json: its template omits a text", ADVICE)
    return ids[:start], ids[start + len(text.ids) :]


def _place(whole: "Encoding", sequence: int, part: list[int], start: int) -> int:
    """The position of a text's ids in an encoded pair; -1 if absent. The template may contain the same ids."""
    marked = [place for place, number in enumerate(whole.sequence_ids) if number == sequence]
    if marked and whole.ids[marked[0] : marked[-1] + 1] == part:
        return marked[0]
    return _find(whole.ids, part, start)


def _find(ids: list[int], part: list[int], start: int) -> int:
    """The first position of `part` in `ids` from `start` on; -1 if absent."""
    places = range(start, len(ids) - len(part) + 1)
    return next((at for at in places if part and ids[at : at + len(part)] == part), -1)


def _begins_word(text: str, at: int) -> bool:
    """Whether a word begins at `at`; its token may include the white space before it."""
    return at == 0 or text[at - 1].isspace() or (at < len(text) and text[at].isspace())


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the white space at its ends."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    return start, max(start, end - (len(part) - len(part.rstrip())))


def spans_of(
    backend: "Tokenizer", document: str, room: int, overlap: int, alone: Callable[[int, int], int]
) -> list[tuple[int, int]]:
    """The spans of characters that divide a document into chunks of at most `room` tokens.

    `alone` gives the number of tokens of the characters from a start to an end, encoded as a text of their own.
    """
    encoding = encoding_of(backend, document)
    count = len(encoding)
    while count > 1 and document[slice(*characters_of(encoding, count - 1))].isspace():
        count -= 1  # no chunk for a trailing space
    breaks = [at for at in range(count) if _begins_word(document, characters_of(encoding, at)[0])]

    def span(start: int, end: int) -> tuple[int, int]:
        return trimmed(document, characters_of(encoding, start)[0], characters_of(encoding, end - 1)[1])

    windows = divided(count, room, overlap, breaks, lambda start, end: alone(*span(start, end)))
    return [span(start, end) for start, end in windows]


def looks_special(token: str) -> bool:
    """Whether a token looks special: letters between punctuation, such as `</s>`, `[SEP]` or `<|end|>`.

    >>> [looks_special(token) for token in ("</s>", "[SEP]", "__eos__", "query:", "▁query", ":", "##s")]
    [True, True, True, False, False, False, False]
    """
    bare = token.lstrip(WORD_MARKS)
    return len(bare) > 2 and not bare[0].isalnum() and not bare[-1].isalnum() and any(map(str.isalnum, bare))


class TextTokenizer:
    """Encodes texts without special tokens, each distinct text once. `size` is the upper limit of ids."""

    typed = False  # whether pairs have token types

    def __init__(self, resolved: Resolved) -> None:
        self._backend, facts = resolved.tokenizer, resolved.facts
        self.pad_id, self.size = facts.pad_id, facts.ids
        self._unknown = facts.unknown_id
        self._added = self._backend.get_added_tokens_decoder()
        flagged = (number for number, token in self._added.items() if token.special)
        self._special = frozenset([*facts.special_ids, *flagged]) - {self._unknown}

    def guard(self, template: Iterable[int]) -> None:
        """Treat the tokens of the template as special in texts, unless they are ordinary words."""
        tokens = {number: self._backend.id_to_token(number) or "" for number in template}
        added = {number for number, token in tokens.items() if number in self._added or looks_special(token)}
        self._special = (self._special | added) - {self._unknown}

    def around_one(self) -> tuple[list[int], list[int]]:
        """The special tokens before and after a single text, which are guarded from now on. Raises ModelError."""
        head, tail = around_text(self._backend)
        self.guard([*head, *tail])
        return head, tail

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[int]]:
        """The ids of each distinct text, without special tokens."""
        distinct = list(dict.fromkeys(texts))
        encodings = self._backend.encode_batch_fast(distinct, add_special_tokens=False)
        return {text: self._honest(text, encoding) for text, encoding in zip(distinct, encodings, strict=True)}

    def _honest(self, text: str, encoding: "Encoding") -> list[int]:
        """The ids of a text, without special tokens that the text spells out."""
        ids: list[int] = encoding.ids
        if self._special.isdisjoint(ids):
            return ids
        for _ in range(4):  # splitting one literal can, in theory, create another
            exact = encoding_of(self._backend, text)
            ids = exact.ids
            if self._special.isdisjoint(ids):
                return ids
            forged = [place for place, token in enumerate(ids) if token in self._special]
            cuts = [characters_of(exact, place)[0] + 1 for place in forged]
            text = " ".join(text[start:end] for start, end in pairwise([0, *cuts, len(text)]))
        unknown = [] if self._unknown is None else [self._unknown]
        return [kept for token in ids for kept in (unknown if token in self._special else [token])]


class PairTokenizer(TextTokenizer):
    """Composes pairs of at most `max_length` tokens, with at most `query_max_length` for the query."""

    def __init__(
        self,
        resolved: Resolved,
        max_length: int,
        query_max_length: int,
        chunk_overlap: int | None = None,
    ) -> None:
        """With `chunk_overlap`, a longer document is divided into chunks that share this many tokens."""
        super().__init__(resolved)
        try:
            self.template = Template.of(self._backend)
        except ModelError:
            raise
        except Exception as fault:  # a vocabulary that cannot encode a word
            raise ModelError(f"tokenizer.json: cannot encode ({fault})", ADVICE) from None
        specials = [*self.template.head, *self.template.middle, *self.template.tail]
        self.size = max(self.size, 1 + max(specials))
        self.guard(specials)
        self.typed = self.template.typed and resolved.facts.returns_types and resolved.facts.types > 1
        self._room = max_length - self.template.num_specials
        self._query_room = min(query_max_length, self._room - 1)
        self._chunk_overlap = chunk_overlap

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """One prepared pair each, in the same order. The cost is the length in tokens, special tokens included."""
        queries = self.ids_of(query for query, _ in pairs)
        documents = self.ids_of(document for _, document in pairs)
        parts: dict[tuple[str, int], list[Part]] = {}  # chunks of documents that are too long
        composed = []
        for query, document in pairs:
            room = self._room - min(len(queries[query]), self._query_room)
            if self._chunk_overlap is None or len(documents[document]) <= room:
                composed.append(self.compose(queries[query], documents[document]))
                continue
            key = (document, room)
            if key not in parts:
                parts[key] = self._divide(document, room)
            composed.append(self._in_parts(queries[query], documents[document], parts[key]))
        return composed

    def compose(self, query: list[int], document: list[int]) -> PreparedPair:
        """A pair of two encoded texts: the query truncated to its limit, the document to the remaining length."""
        kept = query[: self._query_room]
        room = self._room - len(kept)
        template = self.template
        start = [*template.head, *kept, *template.middle]
        ids = array("i", [*start, *document[:room], *template.tail])
        truncated = len(query) > len(kept) or len(document) > room
        uncut = len(query) + len(document) + template.num_specials if truncated else None
        return PreparedPair(len(ids), truncated, TokenPair(ids, len(start)), uncut=uncut)

    def _in_parts(self, query: list[int], document: list[int], parts: list[Part]) -> PreparedPair:
        """The first chunk of a pair, with the others in `more`."""
        first, *others = [replace(self.compose(query, ids), span=span, uncut=0) for ids, span in parts]
        uncut = len(query) + len(document) + self.template.num_specials
        return replace(first, more=tuple(others), uncut=uncut)

    def _divide(self, document: str, room: int) -> list[Part]:
        """The chunks of a document with at most `room` tokens: the ids and the characters of each.

        A chunk is encoded again, so that it scores exactly like its text alone.
        """

        def part(start: int, end: int) -> list[int]:
            (ids,) = self.ids_of([document[start:end]]).values()
            return ids

        overlap = min(self._chunk_overlap or 0, room // 2)
        spans = spans_of(self._backend, document, room, overlap, lambda start, end: len(part(start, end)))
        return [(part(*span)[:room], span) for span in spans]
