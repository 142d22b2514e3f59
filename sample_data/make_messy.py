"""Write messy.jsonl: one line of every kind of input that a reranker must refuse, among lines that it must score.

Real files are cut off, glued together, exported from spreadsheets and written by other programs. This table is the
short list of what goes wrong, and of what only looks wrong. It is code and not a data file, because an editor would
silently repair half of these bytes. Tests import LINES; people read the remarks.

    python sample_data/make_messy.py            # writes messy.jsonl beside this script
    python sample_data/make_messy.py other.jsonl
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["good", "bad", "blank"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: what it shows, what must become of it, its bytes without the newline that ends it."""

    kind: str
    verdict: Verdict
    raw: bytes


Q = '"query": "What is tea?"'
C = '"candidates": ["A hot drink made from leaves.", "A board for cutting bread."]'


def good(kind: str, fields: str) -> Line:
    """A line that must be scored: a record whose id is its kind, then these fields as JSON."""
    return Line("good-" + kind, "good", f'{{"id": "good-{kind}", {fields}}}'.encode())


def bad(kind: str, fields: str) -> Line:
    """A line that must become an error record: a record whose id is its kind, then these fields as JSON."""
    return Line("bad-" + kind, "bad", f'{{"id": "bad-{kind}", {fields}}}'.encode())


def bad_raw(kind: str, raw: str | bytes) -> Line:
    """A line that must become an error record: exactly these bytes."""
    return Line("bad-" + kind, "bad", raw.encode() if isinstance(raw, str) else raw)


def edited(line: Line, old: bytes, new: bytes) -> Line:
    """The same line after an edit that JSON text cannot express."""
    if line.raw.count(old) != 1:
        raise ValueError(f"{line.kind}: {old!r} must occur once. This is a bug.")
    return Line(line.kind, line.verdict, line.raw.replace(old, new))


# fmt: off
LINES: list[Line] = [
    edited(good("bom", f"{Q}, {C}"), b'{"id"', b'\xef\xbb\xbf{"id"'),  # a UTF-8 BOM: allowed here, at the file's start
    good("plain", f'{Q}, "candidates": [{{"id": "d1", "text": "A hot drink.", "score": 7.5}}, {{"text": "A tree."}}]'),
    # Lines that are not JSON.
    bad_raw("not-json", "id;query;candidates"),                         # a line of CSV that strayed in
    bad_raw("truncated", '{"id": "bad-truncated", ' + Q + ', "candidates": ["A hot dr'),  # the disk was full
    edited(bad("raw-nul", f'{Q}, "candidates": ["A hot@drink."]'), b"@", b"\x00"),        # JSON wants \u0000
    edited(bad("invalid-utf8", f'{Q}, "candidates": ["A hot@drink."]'), b"@", b"\xff"),   # no UTF-8 text has 0xff
    bad("lone-surrogate", f'{Q}, "candidates": ["half an emoji: \\ud83d"]'),              # names no character
    bad("nan", f'{Q}, {C}, "weight": NaN'),                             # Python writes it, JSON does not have it
    bad_raw("utf16", ("\ufeff" + f'{{"id": "bad-utf16", {Q}, {C}}}').encode("utf-16-le")),  # saved as "Unicode"
    bad("deep-nesting", f'{Q}, {C}, "tree": {"[" * 1100}{"]" * 1100}'),  # deeper than the 1024 levels we follow
    Line("blank-empty", "blank", b""),                                  # blank: counted, neither scored nor an error
    edited(good("crlf", f"{Q}, {C}@"), b"@}", b"}\r"),                   # a Windows line end
    # JSON, but not a record.
    bad_raw("array", '["What is tea?", ["A hot drink."]]'),
    bad_raw("number", "42"),
    bad("missing-query", C),
    bad("null-query", f'"query": null, {C}'),
    bad("number-query", f'"query": 7, {C}'),
    bad("missing-candidates", Q),
    bad("other-shape", f'{Q}, "documents": ["A hot drink."]'),          # another tool's shape: all lines must agree
    bad("null-candidates", f'{Q}, "candidates": null'),
    bad("object-candidates", f'{Q}, "candidates": {{"d1": "A hot drink."}}'),
    good("empty-candidates", f'{Q}, "candidates": []'),                 # the first stage found nothing
    good("empty-text", f'{Q}, "candidates": ["A hot drink.", {{"id": "d2", "text": ""}}]'),  # scored as it is
    bad("number-candidate", f'{Q}, "candidates": ["A hot drink.", 7]'),
    bad("missing-text", f'{Q}, "candidates": ["A hot drink.", {{"id": "d2"}}]'),
    bad("null-text", f'{Q}, "candidates": [{{"id": "d1", "text": null}}]'),
    bad("list-text", f'{Q}, "candidates": [{{"id": "d1", "text": ["A hot", "drink."]}}]'),
    Line("blank-spaces", "blank", b" \t "),                             # only white space is blank, too
    # Ids and numbers that cannot be echoed exactly.
    bad_raw("float-id", f'{{"id": 1.5, {Q}, {C}}}'),
    bad_raw("true-id", f'{{"id": true, {Q}, {C}}}'),
    bad("object-candidate-id", f'{Q}, "candidates": [{{"id": {{"page": 3}}, "text": "A hot drink."}}]'),
    bad("big-integer", f'{Q}, {C}, "views": 123456789012345678901234567890'),  # a parser would round it to a float
    good("long-digits", f'{Q}, {C}, "serial": "123456789012345678901234567890"'),  # in a string they are just text
    Line("good-integer-id", "good", f'{{"id": 9223372036854775807, {Q}, {C}}}'.encode()),  # the largest signed one
    # Lines that only look dangerous.
    good("bare-strings", f'{Q}, "candidates": ["A hot drink.", "A tall tree.", "A kind of cup."]'),
    good("line-separators", f'{Q}, "candidates": ["one\u2028record", "and still\u0085one"]'),  # only \n ends a line
    edited(good("lone-cr", f"{Q},@{C}"), b"@", b"\r"),                  # JSON counts a carriage return as white space
    good("duplicate-keys", f'"query": "Which of the two?", {Q}, {C}'),  # the last one wins
    good("duplicate-ids", f'{Q}, "candidates": [{{"id": "d1", "text": "A drink."}}, {{"id": "d1", "text": "A tree."}}]'),
    good("special-tokens", f'{Q}, "candidates": ["A drink.</s></s>A hot one.", "[SEP] A tree. [CLS]"]'),  # mere text
    good("emoji", f'{Q}, "candidates": ["\U0001f375 is hot.", "\\ud83c\\udf33 is tall."]'),  # raw, and escaped in two
    good("terminal-escape", f'{Q}, "candidates": ["\\u001b[31mA red drink.\\u001b[0m", "A tree."]'),  # never print raw
    good("nested-field", f'{Q}, {C}, "user": {{"lang": "en", "tags": ["a", {{"b": [1, 2.5, null]}}]}}'),  # kept as is
]
# fmt: on


def main() -> None:
    """Write the table, one line each, with nothing but a newline byte between them."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("messy.jsonl")
    path.write_bytes(b"".join(line.raw + b"\n" for line in LINES))


if __name__ == "__main__":
    main()
