"""Encode pairs of texts in the prompt of a reranker that answers yes or no.

The frame of the prompt is split at its markers. Each stretch between two markers is encoded as one string, with the
texts in it: what a tokenizer does with the whole string, where markers are cut out first. In stretches no special token
is recognised, so no text can end a turn. A probe verifies that the frame is encoded as the tokenizer encodes it.

    <|im_start|>  user⏎<Query>: {query}⏎<Document>: {document}  <|im_end|>  ⏎  …        markers and stretches

A pair that is too long loses the end of its document, never a part of the frame: the text is cut at the beginning of a
token, and encoded again. Before that, the query is cut to its own limit.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.scorer import PreparedPair
from rerank_cli.models.facts import Facts, Resolved
from rerank_cli.models.frame import DOCUMENT, OTHER_PROMPT, QUERY, Part, Stretch, Texts, markers_of, parts_of
from rerank_cli.models.lengths import FEWEST, Lengths
from rerank_cli.models.prompts import SLOT, Prompt
from rerank_cli.models.question import Question
from rerank_cli.models.tokens import TextTokenizer, TokenPair, around_text, characters_of, encoding_of, spans_of

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PROBE = {QUERY: "some query", DOCUMENT: "some document", "instruction": "some instruction"}
ROOM = 64  # tokens for a short query and document


@dataclass(frozen=True, slots=True)
class Query:
    """A query as far as it is kept, the tokens that were cut, and the length of the frame with it alone."""

    text: str
    lost: int
    length: int


class PromptTokenizer(TextTokenizer):
    """Composes pairs in a prompt. `answers` are the ids of the answers: yes, and no if there is one."""

    def __init__(
        self, resolved: Resolved, question: Question, lengths: Lengths, chunk_overlap: int | None = None
    ) -> None:
        """With `chunk_overlap`, a longer document is divided into chunks that share this many tokens.

        Raises ModelError for a prompt that does not suit the tokenizer, ConfigError where the frame leaves no room.
        """
        super().__init__(resolved)
        prompt = question.prompt
        markers = markers_of(self._backend, prompt)
        self.answers = _answers(self._backend, question)
        self.guard(markers.values())
        self._strip = prompt.strip
        self._parts = self._verified(prompt, question.instruction, markers)
        self._longest, self._chunk_overlap = lengths.pair, chunk_overlap
        self._frame = len(self._composed([("", "")])[0])
        if lengths.pair - self._frame < FEWEST:
            raise _no_room(self._frame, lengths, question)
        self._query_room = min(lengths.query, (lengths.pair - self._frame) * 3 // 4)

    def _verified(self, prompt: Prompt, instruction: str | None, markers: dict[str, int]) -> list[Part]:
        """The parts of the frame, after a comparison of its encoding with that of the tokenizer itself."""
        strings = [SLOT.sub(lambda slot: PROBE[slot[1]], unit) for unit in prompt.frame]
        expected = [encoding_of(self._backend, string).ids for string in strings]
        around = around_text(self._backend) if prompt.special_tokens else ([], [])
        self._backend.encode_special_tokens = True  # as ordinary text: markers are never encoded, texts may spell them
        for unit, ids in zip(prompt.frame, expected, strict=True):
            if self._encoded(parts_of(unit, markers, PROBE["instruction"]), [(PROBE[QUERY], PROBE[DOCUMENT])]) != [ids]:
                raise ModelError(
                    f"tokenizer.json: encodes {unit[:40]!r} of the prompt {prompt.name} otherwise as a whole",
                    OTHER_PROMPT,
                )
        chosen = prompt.instruction if instruction is None else instruction
        written = "" if chosen is None else prompt.instruction_as.replace("{instruction}", chosen)
        parts = [part for unit in prompt.frame for part in parts_of(unit, markers, written)]
        return list(self._fixed([around[0], *parts, around[1]]))

    def _fixed(self, parts: Iterable[Part]) -> Iterator[Part]:
        """The parts, with stretches that have no texts in them encoded."""
        for part in parts:
            if isinstance(part, Stretch) and not part.slots():
                (ids,) = self.ids_of([part.string(("", ""))]).values()
                yield ids
            else:
                yield part

    def prepare(self, pairs: Sequence[Texts]) -> list[PreparedPair]:
        """One prepared pair each, in the same order. The cost is the length in tokens, the frame included."""
        queries = {query: self._kept(query) for query in dict.fromkeys(query for query, _ in pairs)}
        composed = self._composed([(queries[query].text, document) for query, document in pairs])
        return [
            self._fitting(queries[query], document, ids) for (query, document), ids in zip(pairs, composed, strict=True)
        ]

    def _composed(self, pairs: Sequence[Texts]) -> list[list[int]]:
        """The ids of the frame with each pair of texts in it, of any length."""
        if self._strip:
            pairs = [(query.strip(), document.strip()) for query, document in pairs]
        return self._encoded(self._parts, pairs)

    def _encoded(self, parts: Iterable[Part], pairs: Sequence[Texts]) -> list[list[int]]:
        composed: list[list[int]] = [[] for _ in pairs]
        for part in parts:
            if isinstance(part, Stretch):
                strings = [part.string(texts) for texts in pairs]
                found = self.ids_of(strings)
                for ids, string in zip(composed, strings, strict=True):
                    ids += found[string]
            else:
                for ids in composed:
                    ids += part
        return composed

    def _kept(self, query: str) -> Query:
        """A query, cut to its limit."""
        most = self._frame + self._query_room
        (ids,) = self._composed([(query, "")])
        if len(ids) <= most:
            return Query(query, 0, len(ids))
        text, kept = self._cut((query, ""), QUERY, len(ids), most)
        return Query(text, len(ids) - len(kept), len(kept))

    def _fitting(self, query: Query, document: str, ids: list[int]) -> PreparedPair:
        """A pair within the limit: with its document whole, cut, or in chunks."""
        uncut = len(ids) + query.lost
        if len(ids) > self._longest and self._chunk_overlap is not None:
            return self._in_chunks(query, document, uncut)
        kept = self._shortened(query, document, ids)
        cut = query.lost > 0 or kept is not ids
        return _prepared(kept, truncated=cut, uncut=uncut if cut else None)

    def _shortened(self, query: Query, document: str, ids: list[int]) -> list[int]:
        """The ids of a pair, with its document cut if it is too long."""
        if len(ids) <= self._longest:
            return ids
        _, kept = self._cut((query.text, document), DOCUMENT, len(ids), self._longest)
        return kept

    def _cut(self, texts: Texts, slot: str, length: int, most: int) -> tuple[str, list[int]]:
        """The longest beginning of a text with which a pair of `length` tokens has at most `most`, and the pair's ids.

        It ends at the beginning of a token. As many tokens are dropped as are too many, and more while that does not
        suffice. Markers that a text spells are encoded as several tokens, and are one here: then less may suffice, and
        the place is searched.
        """
        if self._strip:
            texts = (texts[0].strip(), texts[1].strip())
        stretch = next(part for part in self._parts if isinstance(part, Stretch) and slot in part.slots())
        start, end = stretch.span(slot, texts)
        string = stretch.string(texts)
        encoding = encoding_of(self._backend, string)
        first, past = _tokens_within(encoding, start, end)

        def until(place: int) -> tuple[str, list[int]]:
            """The text before a token, and the ids of the pair with it."""
            at = characters_of(encoding, place)[0] if place > first else start
            text = texts[(QUERY, DOCUMENT).index(slot)][: max(0, at - start)]
            return text, self._composed([(text, texts[1]) if slot == QUERY else (texts[0], text)])[0]

        place = max(first, past - (length - most))
        found = until(place)
        while len(found[1]) > most and place > first:
            place = max(first, place - (len(found[1]) - most))
            found = until(place)
        over = past if len(self.ids_of([string])[string]) != len(encoding) else place  # beyond what may be kept
        while over - place > 1:
            middle = (place + over) // 2
            tried = until(middle)
            place, over, found = (middle, over, tried) if len(tried[1]) <= most else (place, middle, found)
        return found

    def _in_chunks(self, query: Query, document: str, uncut: int) -> PreparedPair:
        """A pair whose document is divided: the first chunk, with the others in `more`."""

        def chunk(start: int, end: int) -> list[int]:
            return self._composed([(query.text, document[start:end])])[0]

        chunks, room = [], self._longest - query.length
        overlap = min(self._chunk_overlap or 0, room // 2)
        for span in spans_of(
            self._backend, document, room, overlap, lambda start, end: len(chunk(start, end)) - query.length
        ):
            whole = chunk(*span)  # longer than the limit only if a single token is
            kept = self._shortened(query, document[slice(*span)], whole)
            chunks.append(_prepared(kept, truncated=query.lost > 0 or kept is not whole, span=span))
        first, *others = chunks
        return replace(first, more=tuple(others), uncut=uncut)


def _tokens_within(encoding: "Encoding", start: int, end: int) -> tuple[int, int]:
    """The first token that has a character of a span, and the one after the last."""
    first, past = 0, len(encoding)
    while first < past and characters_of(encoding, first)[1] <= start:
        first += 1
    while past > first and characters_of(encoding, past - 1)[0] >= end:
        past -= 1
    return first, past


def _prepared(
    ids: list[int], *, truncated: bool, uncut: int | None = 0, span: tuple[int, int] | None = None
) -> PreparedPair:
    return PreparedPair(len(ids), truncated, TokenPair(array("i", ids), 0), span=span, uncut=uncut)


def refuse_other_tokenizer(path: Path, question: Question, lengths: Lengths) -> None:
    """Raises what `PromptTokenizer` raises for a prompt that does not suit a tokenizer.json, or leaves no room.

    Needs no transformers.
    """
    from tokenizers import Tokenizer

    backend = Tokenizer.from_file(str(path))
    facts = Facts(
        positions=lengths.positions,
        rows=0,
        ids=0,
        types=1,
        hidden_size=None,
        intermediate_size=None,
        pad_id=None,
        unknown_id=None,
        special_ids=(),
        returns_types=False,
    )
    PromptTokenizer(Resolved(facts, backend), question, lengths)


def _no_room(frame: int, lengths: Lengths, question: Question) -> ConfigError:
    """The error for a frame that takes all tokens of a pair."""
    own = question.instruction is not None
    needed = frame + ROOM
    return ConfigError(
        f"--max-length {lengths.pair}: the prompt {question.prompt.name}{' with the instruction' if own else ''} "
        f"takes {frame} of the tokens",
        f"Use --max-length {needed} or more."
        if needed <= lengths.positions
        else f"Shorten the {'--instruction' if own else 'prompt'}: the model takes {lengths.positions} tokens.",
    )


def _answers(backend: "Tokenizer", question: Question) -> tuple[int, ...]:
    """The ids of the answers, which the model's files may state, too. Raises ModelError where the two differ."""
    if question.converted:
        return ()
    prompt = question.prompt
    named = [answer for answer in (prompt.yes, prompt.no) if answer is not None]
    found = tuple(answer if isinstance(answer, int) else _token(backend, answer, prompt) for answer in named)
    stated = tuple(answer for answer in (question.yes, question.no) if answer is not None)
    if len(found) != len(set(found)):
        raise ModelError(f"tokenizer.json: yes and no of the prompt {prompt.name} are the same token", OTHER_PROMPT)
    if question.yes is not None and stated != found:
        raise ModelError(
            f"the model's LogitScore reads the tokens {_listed(stated)}, the prompt {prompt.name} asks for "
            f"{_listed(found)}",
            OTHER_PROMPT,
        )
    return found


def _token(backend: "Tokenizer", text: str, prompt: Prompt) -> int:
    ids: list[int] = encoding_of(backend, text).ids
    if len(ids) != 1:
        raise ModelError(f"tokenizer.json: {text!r}, an answer to the prompt {prompt.name}, is no token", OTHER_PROMPT)
    return ids[0]


def _listed(ids: tuple[int, ...]) -> str:
    return " and ".join(map(str, ids))
