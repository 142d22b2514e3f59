"""The frame of a prompt in parts: its markers, and the stretches of text between them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.prompts import SLOT, Prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

QUERY, DOCUMENT = "query", "document"
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


def markers_of(backend: "Tokenizer", prompt: Prompt) -> dict[str, int]:
    """The ids of the prompt's markers. Raises ModelError for a tokenizer that lacks one."""
    tokens = backend.get_added_tokens_decoder()
    added = {token.content: number for number, token in tokens.items()}
    if missing := [marker for marker in prompt.markers if marker not in added]:
        raise ModelError(
            f"tokenizer.json: has no special token {missing[0][:40]!r}, which the prompt {prompt.name} needs",
            OTHER_PROMPT,
        )
    fixed = [part for unit in prompt.frame for part in SLOT.split(unit)[::2]]
    rest = [piece for part in fixed for piece in at_markers(prompt.markers).split(part)]
    special = [token.content for token in tokens.values() if token.special]
    if forgotten := [text for text in special if any(text in piece for piece in rest)]:
        raise ConfigError(
            f"--prompt {prompt.name}: the frame has the special token {forgotten[0][:40]!r}, and markers do not",
            "Add it to the markers.",
        )
    return {marker: added[marker] for marker in prompt.markers}


def at_markers(markers: Iterable[str]) -> re.Pattern[str]:
    """Matches a marker, the longest one where several begin."""
    return re.compile("|".join(map(re.escape, sorted(markers, key=len, reverse=True))) or r"(?!)")


def parts_of(unit: str, markers: dict[str, int], instruction: str) -> Iterator[Part]:
    """The parts of a unit of the frame: markers, and the stretches between them."""
    pieces = [""]
    pattern = at_markers(markers)
    for place, piece in enumerate(SLOT.split(unit)):
        if place % 2 and piece != "instruction":
            pieces += [piece, ""]
            continue
        if place % 2:
            pieces[-1] += instruction
            continue
        start = 0
        for marker in pattern.finditer(piece):
            pieces[-1] += piece[start : marker.start()]
            if pieces != [""]:
                yield Stretch(tuple(pieces))
            yield [markers[marker[0]]]
            pieces, start = [""], marker.end()
        pieces[-1] += piece[start:]
    if pieces != [""]:
        yield Stretch(tuple(pieces))
