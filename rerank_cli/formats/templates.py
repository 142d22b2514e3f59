"""Compose texts to score from the fields of a record: `--doc-template "{title} {text}"`.

A name in braces is a field (a dotted path) of the candidate for a document, else of the record. `{{` is a brace.
`{title?}` is an optional field: if it is missing, null or empty, it is left out with the white space after it. Then
white space at both ends is removed.
"""

from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to
from rerank_cli.core.printable import is_unicode
from rerank_cli.formats.json_values import Malformed, kind, value_at


@dataclass(frozen=True, slots=True)
class Template:
    """Literal pieces, each with the field after it ("" for none), and whether that field is optional."""

    option: str
    parts: tuple[tuple[str, str, bool], ...]

    @classmethod
    def of(cls, option: str, text: str) -> "Template":
        """Parse a template. Raises ConfigError for invalid syntax, or without a field."""
        if not is_unicode(text):
            raise ConfigError(f"{option} {text!r}: no valid UTF-8", "Write it in UTF-8.")
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as fault:
            raise ConfigError(f"{option} {text!r}: {fault}", "Write {{ or }} for a literal brace.") from None
        if any(name in ("", "?") or spec or conversion for _, name, spec, conversion in parsed):
            raise ConfigError(f"{option} {text!r}: only plain field names are allowed", 'Example: "{title} {text}".')
        if not any(name for _, name, _, _ in parsed):
            raise ConfigError(f"{option} {text!r}: it has no field", 'Example: "{title} {text}".')
        fields = [(literal, name or "") for literal, name, _, _ in parsed]
        return cls(option, tuple((literal, name.removesuffix("?"), name.endswith("?")) for literal, name in fields))

    def requires(self, field: str) -> bool:
        """Whether a text cannot be composed without this field."""
        return any(name == field and not optional for _, name, optional in self.parts)

    def renamed(self, old: str, new: str) -> "Template":
        """The template with one field renamed."""
        parts = tuple((literal, new if name == old else name, optional) for literal, name, optional in self.parts)
        return replace(self, parts=parts)

    def render(
        self, sources: tuple[tuple[dict[str, Any], str], ...], marked: str = ""
    ) -> tuple[str, tuple[int, int] | None]:
        """The text, and the span of the field `marked` in it (None: absent; its last one if there are several).

        `sources` are objects with their JSON paths; the first that has a field is used. Raises Malformed.
        """
        pieces: list[str] = []
        size, span, missing = 0, None, False
        for literal, name, optional in self.parts:
            value = self._value(name, optional, sources) if name else ""
            literal = literal.lstrip() if missing else literal
            missing = optional and not value
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

    def _value(self, name: str, optional: bool, sources: tuple[tuple[dict[str, Any], str], ...]) -> str:
        first = name.partition(".")[0]
        body, place = next((each for each in sources if first in each[0]), sources[0])
        try:
            value = value_at(body, name, place)
        except Malformed as fault:
            if optional:
                return ""
            close = close_to(name, (field for body, _ in sources for field in body))
            way = f"; the closest is {{{close[0]}}}" if close else f"; write {{{name}?}} for an optional field"
            raise Malformed(f"{self.option}: {fault.reason}{way}", fault.path, content=True) from None
        if value is None and optional:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        path = f"{place}.{name}"
        raise Malformed(f"{self.option}: {path} is {kind(value)}, not a string", path, content=True)


def composes_without_text(read: ReadConfig, write: WriteConfig, format_name: str) -> bool:
    """Whether candidates may lack the text field: --doc-template composes documents without it.

    Not where the user named the field, or where records are written in another format, which holds the text.
    """
    if read.doc_template is None or read.text_field != ReadConfig().text_field:
        return False
    written = write.format in ("same", "trec", format_name)
    return written and not Template.of("--doc-template", read.doc_template).requires(read.text_field)
