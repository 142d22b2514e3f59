"""Texts to score, composed from the fields of a record: `--doc-template "{title} {text}"`.

A name in braces is a field (a dotted path): of the candidate for a document, else of the record. `{{` is a brace.
White space that this leaves at either end is removed.
"""

from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from rerank_cli.errors import ConfigError
from rerank_cli.formats.shape import Malformed, kind, value_at


@dataclass(frozen=True, slots=True)
class Template:
    """Literal pieces, each with the field that follows it ("" for none)."""

    option: str
    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, option: str, text: str) -> "Template":
        """Parse a template. Raises ConfigError for one that cannot be, or names no field."""
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as fault:
            raise ConfigError(f"{option} {text!r}: {fault}", "A brace itself is written {{ or }}.") from None
        if any(name == "" or spec or conversion for _, name, spec, conversion in parsed):
            raise ConfigError(f"{option} {text!r}: only plain field names", 'For example "{title} {text}".')
        if not any(name for _, name, _, _ in parsed):
            raise ConfigError(f"{option} {text!r}: names no field", 'For example "{title} {text}".')
        return cls(option, tuple((literal, name or "") for literal, name, _, _ in parsed))

    def renamed(self, old: str, new: str) -> "Template":
        """The same with one field under another name."""
        return replace(self, parts=tuple((literal, new if name == old else name) for literal, name in self.parts))

    def render(
        self, sources: tuple[tuple[dict[str, Any], str], ...], marked: str = ""
    ) -> tuple[str, tuple[int, int] | None]:
        """The text, and where in it the field `marked` stands (None: it does not; the last time, if it does twice).

        `sources` are objects with their JSON paths; a field is taken from the first that has it. Raises Malformed.
        """
        pieces: list[str] = []
        size, span = 0, None
        for literal, name in self.parts:
            value = self._value(name, sources) if name else ""
            if name and name == marked:
                span = (size + len(literal), size + len(literal) + len(value))
            pieces += [literal, value]
            size += len(literal) + len(value)
        text = "".join(pieces)
        kept = text.strip()
        if span is None:
            return kept, None
        before = len(text) - len(text.lstrip())
        return kept, (span[0] - before, span[1] - before)

    def _value(self, name: str, sources: tuple[tuple[dict[str, Any], str], ...]) -> str:
        first = name.partition(".")[0]
        body, place = next((each for each in sources if first in each[0]), sources[0])
        try:
            value = value_at(body, name, place)
        except Malformed as fault:
            raise Malformed(f"{self.option}: {fault.reason}", fault.path) from None
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise Malformed(f"{self.option}: {place}.{name} is {kind(value)}, not a string", f"{place}.{name}")
