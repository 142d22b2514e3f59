"""Hostile lines made by hand, each with what must become of it, and the JSON path that its error names."""

import json
from dataclasses import dataclass
from typing import Literal

from support.hostile import BOM, Stricter

Verdict = Literal["good", "bad", "blank"]


@dataclass(frozen=True, slots=True)
class Case:
    """A line without a newline. `differs`: why we refuse what json of the standard library takes."""

    kind: str
    verdict: Verdict
    raw: bytes
    path: str = "$"
    differs: Stricter | None = None


def good(kind: str, line: str | bytes) -> Case:
    """A line that must be scored."""
    return Case(kind, "good", line.encode() if isinstance(line, str) else line)


def bad(kind: str, line: str | bytes, path: str = "$", differs: Stricter | None = None) -> Case:
    """A line that must become an error record."""
    return Case(kind, "bad", line.encode() if isinstance(line, str) else line, path, differs)


def record(extra: str = '"x": 0', query: str = '"q"', candidates: str = '["a", "b"]') -> str:
    """A record with these bits of JSON in their places."""
    return f'{{"query": {query}, "candidates": {candidates}, {extra}}}'


def x(value: str | bytes) -> bytes:
    """A record with these bytes as the value of a field that means nothing to us."""
    value = value.encode() if isinstance(value, str) else value
    return b'{"query": "q", "candidates": ["a", {"text": "b"}], "x": %s}' % value


ODD_SPACES = "\x0b\x0c\x00\u00a0\u2028\ufeff\u200b"
DEEP = "[" * 400 + "]" * 400
LONG = json.dumps("é " * 40_000, ensure_ascii=False)
MANY = json.dumps([f"text {number}" for number in range(1100)])
OUR_FIELDS = '"score": null, "index": "x", "logit": [], "truncated": 0, "previous_score": {}, "chunk": 1.5'

NUMBERS = (
    good("zeros", x("[1e-400, 0, -0, 0.0, -0.0, 0e5, 0E-5]")),
    good("the largest and the smallest doubles", x("[1.7976931348623157e308, 5e-324, -2.2250738585072014e-308]")),
    good("the largest and the smallest integers", x("[18446744073709551615, -9223372036854775808]")),
    good("many digits in a fraction", x("[0.1234567890123456789012345678901234567890, 1.00000000000000000000001e0]")),
    good("many digits in a text and in a key", record('"12345678901234567890123": "12345678901234567890123"')),
    bad("one above 64 bits", x("18446744073709551616"), "$", Stricter.INTEGER),
    bad("one below 64 bits", x("-9223372036854775809"), "$", Stricter.INTEGER),
    bad("an integer of 400 digits", x('[1, {"y": -' + "7" * 400 + "}]"), "$", Stricter.INTEGER),
    bad("an integer of 5000 digits", x("3" * 5000)),
    bad("an id above 64 bits", record('"id": 99999999999999999999'), "$", Stricter.INTEGER),
    bad("a float that overflows", x("-1e400"), "$", Stricter.FLOAT),
    bad("NaN", x("NaN"), "$", Stricter.LITERAL),
    bad("Infinity as a score", record(candidates='[{"text": "a", "score": -Infinity}]'), "$", Stricter.LITERAL),
    *(bad(f"the number {number}", x(number)) for number in ("01", "-01", "1.", ".5", "+1", "1e", "0x10", "1_0", "١")),
)
STRINGS = (
    good("every good escape", x(r'"\" \\ \/ \b \f \n \r \t \u0000 \u001F \u00e9 \uFFFF \uFEFF"')),
    good("an escaped pair", record(query=r'"\ud83d\ude00"', candidates=r'["\uDBFF\uDFFF"]')),
    good("noncharacters, and DEL", record(query='"\uffff\ufdd0\U0010ffff\x7f"')),
    good("a replacement character of the user's own", record(candidates='["\ufffd", "a\ufffdb"]')),
    good("a byte order mark inside a text", record(query='"\ufeffq"')),
    good("line separators", record(query='"a\u2028b\u2029c\u0085d"', candidates='["\u2028", {"text": "\u0085"}]')),
    good("a record inside a text", record(query=json.dumps(record()))),
    good("special tokens", record(candidates='["</s><s>", "[SEP]", {"text": "<mask><pad>", "id": "</s>"}]')),
    bad("the first half of a pair", x(r'"\ud800"'), "$", Stricter.SURROGATE),
    bad("the second half of a pair", x(r'"\uDFFF"'), "$", Stricter.SURROGATE),
    bad("a pair the wrong way round", x(r'"\ude00\ud83d"'), "$", Stricter.SURROGATE),
    bad("half a pair in a key", record(r'"\ud83dx": 1'), "$", Stricter.SURROGATE),
    bad("half a pair before a whole one", record(candidates=r'["\ud83d\ud83d\ude00"]'), "$", Stricter.SURROGATE),
    *(bad(f"the escape {escape}", x(f'"{escape}"')) for escape in (r"\x41", r"\u12", r"\u{1F600}", r"\0", r"\'", "\\")),
    *(bad(f"a raw {code:#04x} in a text", x(b'"a%cb"' % code)) for code in (0x00, 0x08, 0x09, 0x0D, 0x1B, 0x1F)),
)
BYTES = (
    bad("a byte that is never UTF-8", x(b'"\xff"')),
    bad("a byte that only continues", x(b'"\x80"')),
    bad("Latin-1", x('"é"'.encode("latin-1"))),
    bad("an overlong slash", x(b'"\xc0\xaf"')),
    bad("a slash in four bytes", x(b'"\xf0\x80\x80\xaf"')),
    bad("a surrogate's bytes", x(b'"\xed\xa0\x80"')),
    bad("a pair of surrogates' bytes", x(b'"\xed\xa0\xbd\xed\xb8\x80"')),
    bad("a character cut off", x(b'"\xf0\x9f\x98"')),
    bad("above U+10FFFF", x(b'"\xf4\x90\x80\x80"')),
    bad("five bytes", x(b'"\xf8\x88\x80\x80\x80"')),
    bad("a broken byte in a key", b'{"query": "q", "candidates": [], "\xfe": 1}'),
    bad("a broken byte outside of strings", record().encode() + b"\xa0"),
    bad("UTF-16", record().encode("utf-16")),
    bad("UTF-16 without a mark", record().encode("utf-16-be")),
    bad("UTF-32", record().encode("utf-32")),
    bad("a byte order mark twice", BOM + BOM + record().encode()),
    bad("NUL after a record", record().encode() + b"\x00"),
)
PUNCTUATION = (
    good("carriage returns and tabs for space", record().replace(" ", "\r\t")),
    good("space at both ends", " \t" + record() + " \r"),
    *(bad(f"{ord(space):#06x} for a space", record().replace(" ", space)) for space in ODD_SPACES),
    *(Case(f"nothing but {space!r}", "blank", space) for space in (b"", b" ", b"\t\r ", b"\x0b\x0c")),
    bad("nothing but a no-break space", "\u00a0"),
    bad("nothing but NULs", b"\x00\x00"),
    bad("a comma too many in an object", record('"x": 1,')),
    bad("a comma too many in a list", record(candidates='["a",]')),
    bad("two commas", record(candidates='["a",,"b"]')),
    bad("no comma", record(candidates='["a" "b"]')),
    bad("no colon", record('"x" 1')),
    bad("no value", record('"x":')),
    bad("single quotes", record().replace('"', "'")),
    bad("a key without quotes", record("x: 1")),
    bad("a number for a key", record("1: 1")),
    bad("a comment", record('"x": 1 /* one */')),
    bad("a comment at the end", record() + " // one"),
    bad("Python's words", record('"x": [True, None]')),
    bad("two records on a line", record() + record()),
    bad("a brace too many", record() + "}"),
    bad("a record cut short", record()[:-9]),
    bad("a separator of text sequences", "\x1e" + record()),
)
SIZES = (
    good("200 levels", x("[" * 200 + "]" * 200)),
    bad("300 levels", x('{"y":' * 300 + "0" + "}" * 300), "$", Stricter.DEPTH),
    bad("400 levels in a candidate", record(candidates=f'[{{"text": "", "y": {DEEP}}}]'), "$", Stricter.DEPTH),
    bad("100,000 open lists", "[" * 100_000),
    bad("50,000 open objects", '{"query":' * 50_000),
    good("a text longer than an error record holds", record(query=LONG)),
    good("a key longer than an error record holds", record(f'"{"k" * 70_000}": 1')),
    bad("a bad record longer than an error record holds", record(query=LONG) + "!"),
    bad("as long as an error record holds, ending within a character", b"x" * (64 * 1024 - 1) + b"\xc3"),
    bad(
        "a byte longer than an error record holds, within a character",
        b"x" * (64 * 1024 - 1) + b"\xc3\xa9",
    ),
    good("very many candidates", record(candidates=MANY)),
)
KEYS = (
    good("empty keys", record('"": {"": {"": ""}}')),
    good("the last of two queries", record('"query": "the last"')),
    good("the last of two lists", record('"candidates": [{"text": "last"}]', candidates="null")),
    good("the last of two ids", record('"id": 1.5, "id": "last"')),
    bad("a bad id after a good one", record('"id": "first", "id": 1.5'), "$.id"),
    good("our own fields, of odd types", record(candidates=f'[{{"text": "a", {OUR_FIELDS}}}]')),
    good("our own fields, on the record", record(OUR_FIELDS)),
    good("a key written with escapes", record().replace("query", r"\u0071uery")),
    bad("a key in capitals", record().replace("query", "Query"), "$.query"),
    bad("a key that looks the same", record().replace("query", "qu\u0435ry"), "$.query"),
    bad("a key with a NUL", record().replace("query", r"query\u0000"), "$.query"),
)
TYPES = (
    *(bad(f"{value} alone", value) for value in ("[]", "[{}]", '"q"', "0", "null", "true", '["query"]')),
    bad("an empty object", "{}", "$.query"),
    *(bad(f"the query {value}", record(query=value), "$.query") for value in ("null", "1", "true", '["q"]', "{}")),
    *(bad(f"the candidates {value}", record(candidates=value), "$.candidates") for value in ("null", "1", '"a"', "{}")),
    *(
        bad(f"the candidate {value}", record(candidates=f'["", {value}]'), "$.candidates[1]")
        for value in ("null", "1", "[]")
    ),
    *(
        bad(f"the text {value}", record(candidates=f'[{{"text": {value}}}, ""]'), "$.candidates[0].text")
        for value in ("null", "1.5", "[]", "{}")
    ),
    bad("a candidate without a text", record(candidates='["a", "b", {"id": 1}]'), "$.candidates[2].text"),
    *(bad(f"the id {value}", record(f'"id": {value}'), "$.id") for value in ("1.5", "true", "[]", "{}", "1e2")),
    *(
        good(f"the id {value}", record(f'"id": {value}'))
        for value in ("null", '""', "0", "-1", str(2**64 - 1), r'"\u0000"')
    ),
    *(
        bad(f"the candidate's id {value}", record(candidates=f'[{{"text": "", "id": {value}}}]'), "$.candidates[0].id")
        for value in ("0.5", "[1]")
    ),
    good("a candidate's id null", record(candidates='[{"text": "", "id": null}]')),
    good(
        "ids and texts that are the same",
        record(candidates='["a", "a", {"text": "a", "id": 1}, {"text": "", "id": 1}]'),
    ),
    good("no candidates", record(candidates="[]")),
    good("nothing in query and texts", record(query='""', candidates='["", {"text": ""}]')),
)
OTHER_FORMATS = (
    bad("comma-separated values", "id,query,text"),
    bad("mark-up", "<record><query>q</query></record>"),
    bad("another tool's format", '{"query": "q", "passages": ["a"]}', "$.candidates"),
)
CASES = (*NUMBERS, *STRINGS, *BYTES, *PUNCTUATION, *SIZES, *KEYS, *TYPES, *OTHER_FORMATS)
