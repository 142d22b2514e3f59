"""Encode pairs of texts in the prompt of a reranker that answers yes or no.

The frame of the prompt is split at its markers. Each stretch between two markers is encoded as one string, with the
texts in it: what a tokenizer does with the whole string, where markers are cut out first. In stretches no special token
is recognised, so no text can end a turn. A probe verifies that the frame is encoded as the tokenizer encodes it.

    <|im_start|>  user⏎<Query>: {query}⏎<Document>: {document}  <|im_end|>  ⏎  …        markers and stretches

A pair that is too long loses the end of its document, never a part of the frame: the text is cut at the beginning of a
token, and encoded again. Before that, the query is cut to its own limit.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.scorer import PreparedPair
from rerank_cli.models.facts import Resolved
from rerank_cli.models.lengths import FEWEST, Lengths
from rerank_cli.models.prompts import SLOT, Prompt
from rerank_cli.models.question import Question
from rerank_cli.models.tokens import TextTokenizer, TokenPair, around_text, characters_of, encoding_of, spans_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

QUERY, DOCUMENT = "query", "document"
PROBE = {QUERY: "some query", DOCUMENT: "some document", "instruction": "some instruction"}
OTHER_PROMPT = "Choose the --prompt that the model was trained with."
Texts = tuple[str, str]  # a query and a document


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the frame that is encoded as one string: texts and the names of slots, in turn, a text first."""

    pieces: tuple[str, ...]

    def slots(self) -> tuple[str, ...]:
        """The names of the texts in it."""
        return self.pieces[1::2]

    def string(self, texts: Texts) -> str:
        """The string with the texts in it."""
        return "".join(self._filled(texts))

    def span(self, slot: str, texts: Texts) -> tuple[int, int]:
        """The characters of the string that are the text of a slot."""
        place = 1 + 2 * self.slots().index(slot)
        filled = self._filled(texts)
        start = sum(map(len, filled[:place]))
        return start, start + len(filled[place])

    def _filled(self, texts: Texts) -> list[str]:
        by_name = dict(zip((QUERY, DOCUMENT), texts, strict=True))
        return [by_name[piece] if place % 2 else piece for place, piece in enumerate(self.pieces)]


Part = list[int] | Stretch  # of a frame: ids that are always the same, or a stretch with texts in it


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
        markers = _markers(self._backend, prompt)
        self.guard(markers.values())
        self._parts = self._verified(prompt, question.instruction, markers)
        self.answers = _answers(self._backend, question)
        self.size = max(self.size, 1 + max(self.answers, default=0))
        self._longest, self._chunk_overlap = lengths.pair, chunk_overlap
        self._frame = len(self._composed([("", "")])[0])
        if lengths.pair - self._frame < FEWEST:
            raise ConfigError(
                f"--max-length {lengths.pair}: the prompt {prompt.name} takes {self._frame} of the tokens",
                f"Use --max-length {self._frame + 64} or more.",
            )
        self._query_room = min(lengths.query, (lengths.pair - self._frame) * 3 // 4)

    def _verified(self, prompt: Prompt, instruction: str | None, markers: dict[str, int]) -> list[Part]:
        """The parts of the frame, after a comparison of its encoding with that of the tokenizer itself."""
        strings = [SLOT.sub(lambda slot: PROBE[slot[1]], unit) for unit in prompt.frame]
        expected = [encoding_of(self._backend, string).ids for string in strings]
        around = around_text(self._backend) if prompt.special_tokens else ([], [])
        self._backend.encode_special_tokens = True  # as ordinary text: markers are never encoded, texts may spell them
        for unit, ids in zip(prompt.frame, expected, strict=True):
            if self._encoded(_parts(unit, markers, PROBE["instruction"]), [(PROBE[QUERY], PROBE[DOCUMENT])]) != [ids]:
                raise ModelError(
                    f"tokenizer.json: encodes {unit[:40]!r} of the prompt {prompt.name} otherwise as a whole",
                    OTHER_PROMPT,
                )
        chosen = prompt.instruction if instruction is None else instruction
        written = "" if chosen is None else prompt.instruction_as.replace("{instruction}", chosen)
        parts = [part for unit in prompt.frame for part in _parts(unit, markers, written)]
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
        length = whole = len(self._composed([(query, "")])[0])
        while length > self._frame + self._query_room:
            query = self._cut((query, ""), QUERY, length - self._frame - self._query_room)
            length = len(self._composed([(query, "")])[0])
        return Query(query, whole - length, length)

    def _fitting(self, query: Query, document: str, ids: list[int]) -> PreparedPair:
        """A pair within the limit: with its document whole, cut, or in chunks."""
        uncut = len(ids) + query.lost
        if len(ids) > self._longest and self._chunk_overlap is not None:
            return self._in_chunks(query, document, uncut)
        kept = self._shortened(query, document, ids)
        cut = query.lost > 0 or kept is not ids
        return _prepared(kept, truncated=cut, uncut=uncut if cut else None)

    def _shortened(self, query: Query, document: str, ids: list[int]) -> list[int]:
        """The ids of a pair whose document is cut as far as needed."""
        while len(ids) > self._longest:
            document = self._cut((query.text, document), DOCUMENT, len(ids) - self._longest)
            (ids,) = self._composed([(query.text, document)])
        return ids

    def _cut(self, texts: Texts, slot: str, excess: int) -> str:
        """The text of a slot without its last tokens: at least `excess` of them, and at least a character."""
        stretch = next(part for part in self._parts if isinstance(part, Stretch) and slot in part.slots())
        start, end = stretch.span(slot, texts)
        encoding = encoding_of(self._backend, stretch.string(texts))
        first, past = 0, len(encoding)
        while first < past and characters_of(encoding, first)[1] <= start:
            first += 1
        while past > first and characters_of(encoding, past - 1)[0] >= end:
            past -= 1
        place = past - excess
        at = characters_of(encoding, place)[0] if place > first else start
        return texts[(QUERY, DOCUMENT).index(slot)][: max(0, min(at, end - 1) - start)]

    def _in_chunks(self, query: Query, document: str, uncut: int) -> PreparedPair:
        """A pair whose document is divided: the first chunk, with the others in `more`."""

        def chunk(start: int, end: int) -> list[int]:
            return self._composed([(query.text, document[start:end])])[0]

        room = self._longest - query.length
        overlap = min(self._chunk_overlap or 0, room // 2)
        spans = spans_of(
            self._backend, document, room, overlap, lambda start, end: len(chunk(start, end)) - query.length
        )
        first, *others = [
            _prepared(self._shortened(query, document[slice(*span)], chunk(*span)), truncated=query.lost > 0, span=span)
            for span in spans
        ]
        return replace(first, more=tuple(others), uncut=uncut)


def _prepared(
    ids: list[int], *, truncated: bool, uncut: int | None = 0, span: tuple[int, int] | None = None
) -> PreparedPair:
    return PreparedPair(len(ids), truncated, TokenPair(array("i", ids), 0), span=span, uncut=uncut)


def refuse_other_tokenizer(path: Path, question: Question) -> None:
    """Raises ModelError for a tokenizer that lacks a marker of the prompt, or an answer. Needs no transformers."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_file(str(path))
    _markers(backend, question.prompt)
    _answers(backend, question)


def _markers(backend: "Tokenizer", prompt: Prompt) -> dict[str, int]:
    """The ids of the prompt's markers. Raises ModelError for a tokenizer that lacks one."""
    added = {token.content: number for number, token in backend.get_added_tokens_decoder().items()}
    if missing := [marker for marker in prompt.markers if marker not in added]:
        raise ModelError(
            f"tokenizer.json: has no special token {missing[0][:40]!r}, which the prompt {prompt.name} needs",
            OTHER_PROMPT,
        )
    return {marker: added[marker] for marker in prompt.markers}


def _parts(unit: str, markers: dict[str, int], instruction: str) -> Iterator[Part]:
    """The parts of a unit of the frame: markers, and the stretches between them."""
    pieces = [""]
    at_markers = re.compile("|".join(map(re.escape, sorted(markers, key=len, reverse=True))) or r"(?!)")
    for place, piece in enumerate(SLOT.split(unit)):
        if place % 2 and piece != "instruction":
            pieces += [piece, ""]
            continue
        if place % 2:
            pieces[-1] += instruction
            continue
        start = 0
        for marker in at_markers.finditer(piece):
            pieces[-1] += piece[start : marker.start()]
            if pieces != [""]:
                yield Stretch(tuple(pieces))
            yield [markers[marker[0]]]
            pieces, start = [""], marker.end()
        pieces[-1] += piece[start:]
    if pieces != [""]:
        yield Stretch(tuple(pieces))


def _answers(backend: "Tokenizer", question: Question) -> tuple[int, ...]:
    """The ids of the answers, which the model's files may state, too. Raises ModelError where the two differ."""
    if question.converted:
        return ()
    prompt = question.prompt
    named = [answer for answer in (prompt.yes, prompt.no) if answer is not None]
    found = tuple(answer if isinstance(answer, int) else _token(backend, answer, prompt) for answer in named)
    stated = tuple(answer for answer in (question.yes, question.no) if answer is not None)
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
