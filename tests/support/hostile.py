"""Hostile input, written for these tests: naughty strings, and lines drawn by chance (the same for the same seed).

The naughty strings are well-formed text that breaks programs; the lines are records and what is nearly one.
"""

import json
from enum import StrEnum
from random import Random

BOM = b"\xef\xbb\xbf"


class Stricter(StrEnum):
    """Where we differ from what json of the standard library takes for well-formed, after strict UTF-8, and why."""

    BOM = "a byte order mark at the start of a file is no part of its first record"
    LITERAL = "NaN and Infinity are not JSON, and few others would read them back"
    FLOAT = "a float beyond 64 bits would come back as infinity"
    INTEGER = "an integer beyond 64 bits would come back as a float"
    SURROGATE = "half of a surrogate pair names no character and cannot be written as UTF-8"
    DEPTH = "nesting as deep as this could not be written again"


# fmt: off
NAUGHTY = (
    # nothing, or hardly anything
    "", " ", "\t", "\n", "\r\n", "\x0b\x0c", "\u00a0", "\u3000", "\u2003\u2009", "\u1680", "\u180e", "\ufeff",
    # controls and terminal escapes
    "\x00", "a\x00b", "".join(map(chr, range(1, 32))), "\x7f", "".join(map(chr, range(0x80, 0xA0))), "\rover",
    "\x1b[2J\x1b[H", "\x1b]0;mine\x07", "\x1b[31mred", "\x1b[?1049h", "\x1bP1$q\x1b\\", "\x9b31m", "\x08\x08\x08gone",
    "\x1b]8;;file:///\x1b\\link\x1b]8;;\x1b\\", "\x1b[6n", "\x0e\x0f", "bell\x07",
    # what is no end of a line here
    "one\u2028two", "one\u2029two", "one\u0085two", "one\rtwo", "one\ntwo", "one\x1etwo", "one\x1c\x1d\x1ftwo",
    # bidirectional and right to left
    "\u202egnp.exe", "\u2066\u2067\u2068x\u2069", "\u200e\u200f\u061c", "\u202a\u202b\u202c\u202d", "שלום, world",
    "مرحبا 123 abc", "abc \u05d0\u05b8\u05d1\u05bc 456", "\u0640" * 40, "\U00010800\U0001e900",
    # zero width and invisible
    "a\u200bb\u200cc\u200dd\u2060e", "\u200d", "\u034f\u115f\u3164\uffa0", "\U000e0041\U000e0042\U000e007f", "\u00ad",
    "\ufe0f\ufe0e", "\U000e0100", "in\u2063visible", "\u2061\u2062\u2064",
    # combining, normal forms and case
    "e\u0301 \u00e9", "o" + "\u0334\u0321\u0489" * 30, "\u0300first", "\u1100\u1161\u11a8 \uac01",
    "\u212b\u00c5A\u030a", "ﬁﬂﬃ", "ß ẞ ss SS", "\u0130i\u0307I\u0131", "ǆ ǅ Ǆ", "ΐ ΰ ὒ", "ſ K Ω",
    "क्षि ක්\u200dර", "\u0e01\u0e47\u0e47\u0e47",
    # emoji and planes beyond the first
    "👩🏽\u200d🚀", "👨\u200d👩\u200d👧", "🏴\U000e0067\U000e0062\U000e007f", "🇦🇧🇨🇩🇪", "1\ufe0f\u20e3#\ufe0f\u20e3",
    "❤\ufe0f\u200d🔥", "🧑🏻\u200d❤\ufe0f\u200d💋\u200d🧑🏿", "\U0001f1e6", "\U0001f3fb",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯", "𠀀𪛖", "\U0001d173\U0001d17a", "\U000f0000", "\U0010ffff", "\U0001fffe\U0001ffff",
    # code points that a converter leaves behind or eats
    "\ufffd", "a\ufffdb", "\ufffe", "\uffff", "\ufdd0\ufdef", "\ue000\uf8ff", "Ã©â‚¬", "caf\u00e9 caf\u00c3\u00a9",
    # scripts
    "田中さんのお茶", "茶。どうぞ？", "Чай и чашка", "τσάι", "ชา", "चाय", "ᠴᠠᠢ", "ཇ", "ﷺ﷽", "𒀀𒁀", "꧁꧂",
    # quotes, and what a shell, a database, a page or a template takes for code
    '"', "'", "\\", "\\\\", '\\"', '"}', '"]}', "''''", '"""', "`id`", "$(id)", "${HOME}", "$((1/0))", "!!", "; true #",
    "&& echo x", "| tee x", "> /dev/null", "-rf", "--help", "--", "-", "*", "?", "~", "%PATH%",
    "\u2018\u2019\u201c\u201d", "'; DELETE FROM tea; --", "1 OR 1=1", "') UNION SELECT 1 --", 'x" OR ""="', "{$ne: 1}",
    "*)(uid=*", "<b onclick=f()>x</b>", "<script>f('x')</script>", "<!-- x -->", "]]>", "&lt;&#x3c;&nbsp;",
    "<?xml?><!DOCTYPE x>", "javascript:f()", "<svg/onload=f()>", "{{7*7}}", "${7*7}", "<%= 7 %>", "#{7}", "[[x]]",
    "=1+1", "@SUM(A1)", "+1", "-1", "%s%s%n", "%d", "%", "%%", "{}", "{0}", "{x!r:>{y}}", "{", "}", "$1", "\\1",
    "%(x)s", "%00", "%0a%0d", "%c0%af",
    # paths and names
    "../../../tmp/x", "..\\..\\x", "/dev/null", "/proc/self/mem", "C:\\NUL", "con.txt", "file:///tmp", "//x/y", ".",
    # JSON, lines and compressed files inside a string
    '{"query": "x", "candidates": []}', '"}\n{"query": "y"', "[1, 2", "null", "true", "NaN", "undefined", "None",
    "\\u0041", "\\ud800", "\\n", "\\x00", "\x1f\x8b", "\x28\xb5\x2f\xfd", "a,b;c\td", '"a","b"', "id\tquery\ttext",
    # numbers and what looks like one
    "0", "-0", "00", "1e999", "0x1f", "1_000", "1,5", "١٢٣", "１２３", "²³½Ⅷ", "Infinity", "-nan", "1" * 400, "9" * 19,
    "18446744073709551616", "-9223372036854775809", "0.1" + "0" * 300, "1e-400", "∞", "१", "1/0", "1.2.3.4", "2^64",
    # special tokens of models
    "</s>", "<s>", "<pad>", "<mask>", "<unk>", "[SEP]", "[CLS]", "[PAD]", "[MASK]", "[UNK]", "##ing", "▁", "Ġ",
    "<0x0A>", "a</s></s>b", "<s><s><s>", "[CLS] a [SEP] b [SEP]", "<|endoftext|>", "<|im_start|>user", "[INST]",
    "< / s >", "</S>",
    # long ones
    "x" * 70_000, "é" * 40_000, "a b " * 3_000, "\u0301" * 5_000, "🙂" * 20_000, " " * 5_000,
)
# fmt: on
PIECES = [text for text in NAUGHTY if 0 < len(text) < 100]
PLANES = ((0x00, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x10FFFF))


def naughty(chance: Random) -> str:
    """A string of pieces of naughty ones and of characters from everywhere."""
    parts = []
    for _ in range(chance.randint(1, 5)):
        wide = "".join(chr(chance.randint(*chance.choice(PLANES))) for _ in range(chance.randint(1, 4)))
        parts.append(chance.choice((chance.choice(PIECES), wide, "tea ", "word")))
    return "".join(parts)


def naughty_strings(count: int, seed: int = 0) -> list[str]:
    """`count` naughty strings: those above, then drawn ones."""
    chance = Random(seed)
    return [*NAUGHTY, *(naughty(chance) for _ in range(count - len(NAUGHTY)))]


# What a drawn line is made of: each kind of part well-formed, and odd.

# fmt: off
NUMBERS = (
    "0", "-0", "-0.0", "7", "-12", "3.25", "1e5", "1E+2", "5e-324", "1e-400", "1.7976931348623157e308",
    "0.1" + "2" * 50, "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
    "1" * 19,
)
ODD_NUMBERS = (
    "01", "1.", ".5", "+1", "1e", "0x1F", "1_000", "--1", "1.2.3", "- 1", "1e400", "-1E400", "NaN", "Infinity",
    "-Infinity", "18446744073709551616", "-9223372036854775809", "1" * 20, "1" * 40, "9" * 5000, "nan", "１", "1f",
    "1e5.5",
)
VALUES = ("null", "true", "false", '""', "[]", "{}", "[[], {}]", '{"": ""}', '{"": {"": [null]}}', '{"a": 1, "a": 2}')
ODD_VALUES = (
    "True", "None", "nul", "undefined", "", "'x'", "[1,]", "[,1]", "{,}", '{"a"}', '{"a":}', "{1: 2}", "[1 2]",
    "[/* */]",
)
ESCAPES = (rb"\u0000", rb"\ud83d\ude00", rb"\/", rb"\"", rb"\\", rb"\uFEFF", rb"\uffff", rb"\t", rb"\\ud800")
ODD_ESCAPES = (rb"\x41", rb"\u12", rb"\u{41}", rb"\U0001F600", rb"\0", rb"\'", rb"\u00g0", rb"\ ", rb"\a")
HALF_PAIRS = (rb"\ud800", rb"\uDFFF", rb"\ude00\ud83d", rb"\ud83d\u0041", rb"\ud83d\ud83d\ude00", rb"\ud83d ")
CONTROLS = tuple(bytes([code]) for code in range(32) if code != 0x0A)
BROKEN = (  # no UTF-8: stray, overlong, surrogates, cut off, beyond U+10FFFF
    b"\xff", b"\xfe\xff", b"\x80", b"\xbf\xbf", b"\xe9", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80",
)
SPACES = (b"", b" ", b"\t", b"\r", b"  \t")
ODD_SPACES = (
    b"\x0b", b"\x0c", b"\x00", b"\xc2\xa0", b"\xe3\x80\x80", b"\xe2\x80\xa8", BOM, b"/**/", b"//", b"#", b",", b"\xa0",
)
FREE_NAMES = (
    b"x", b"y", b"", b"score", b"index", b"logit", b"truncated", b"a.b", rb"\u0000", b"\xc3\xa9", b"Query", b"text ",
)
# fmt: on
BRACKETS = ((b"[", b"]", 1), (b'{"k":[', b"]}", 2), (b'{"":', b"}", 1))
DEPTHS, ODD_DEPTHS = (2, 20, 200, 240), (260, 500, 1100, 5000)
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "cp1252", "shift-jis", "cp037")


class Writer:
    """Writes values and records by chance; each choice is an odd one with the probability `odd`."""

    def __init__(self, chance: Random, odd: float = 0.0) -> None:
        self.chance = chance
        self.odd = odd

    def is_odd(self) -> bool:
        """Whether the next choice is."""
        return self.chance.random() < self.odd

    def of(self, calm: tuple[bytes, ...], odd: tuple[bytes, ...]) -> bytes:
        """One of these, or oddly one of those."""
        return self.chance.choice(odd if self.is_odd() else calm)

    def number(self) -> bytes:
        """A number, or what looks like one."""
        if self.is_odd():
            drawn = "".join(self.chance.choices("0123456789-+.eE", k=8))
            return self.chance.choice((*ODD_NUMBERS, drawn)).encode()
        drawn, long = repr(self.chance.uniform(-1e9, 1e9)), str(self.chance.getrandbits(63))
        return self.chance.choice((*NUMBERS, drawn, long)).encode()

    def text(self) -> bytes:
        """A string in quotes, as characters or escapes."""
        plain = naughty(self.chance) if self.chance.random() < 0.6 else f"words {self.chance.random():.3f}"
        if self.chance.random() < 0.002:
            plain *= 70_000 // len(plain)
        inside = json.dumps(plain, ensure_ascii=self.chance.random() < 0.3)[1:-1].encode()
        if self.chance.random() < 0.2:
            inside += self.chance.choice(ESCAPES)
        if self.is_odd():
            inside += self.chance.choice(self.chance.choice((ODD_ESCAPES, HALF_PAIRS, CONTROLS, BROKEN)))
        return b'"' + inside + self.of((b'"',), (b"", b"'", b'""'))

    def nested(self) -> bytes:
        """Brackets in brackets."""
        opening, closing, levels = self.chance.choice(BRACKETS)
        times = self.chance.choice(ODD_DEPTHS if self.is_odd() else DEPTHS) // levels
        core = b"0" if opening.endswith(b":") else b""
        ending = self.of((closing * times,), (b"", closing * (times - 1), closing * (times + 1)))
        return opening * times + core + ending

    def value(self) -> bytes:
        """Anything."""
        kind = self.chance.random()
        if kind < 0.4:
            return self.number()
        if kind < 0.7:
            return self.text()
        if kind < 0.75:
            return self.nested()
        return self.chance.choice(ODD_VALUES if self.is_odd() else VALUES).encode()

    def identity(self) -> bytes:
        """A text or an integer, oddly anything."""
        if self.is_odd():
            return self.value()
        return self.chance.choice((self.text(), b"%d" % self.chance.randint(-(2**63), 2**64 - 1)))

    def joined(self, opening: bytes, parts: list[bytes], closing: bytes) -> bytes:
        """Parts between brackets, with commas and space."""
        spaced = [self.of(SPACES, ODD_SPACES) + part + self.of(SPACES, ODD_SPACES) for part in parts]
        return opening + self.of((b",",), (b",,", b"", b";", b":")).join(spaced) + self.of((b"",), (b",",)) + closing

    def object(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """Fields in any order."""
        self.chance.shuffle(fields)
        colon = self.of((b":", b": ", b" :\t"), (b"", b"=", b"::"))
        return self.joined(b"{", [b'"' + name + b'"' + colon + value for name, value in fields], b"}")

    def extras(self) -> list[tuple[bytes, bytes]]:
        """Fields that mean nothing to us, or that we replace."""
        return [(self.chance.choice(FREE_NAMES), self.value()) for _ in range(self.chance.choice((0, 0, 1, 2)))]

    def candidate(self) -> bytes:
        """A text, or an object with one; oddly anything."""
        if self.is_odd():
            return self.value()
        if self.chance.random() < 0.5:
            return self.text()
        fields = [(b"text", self.value() if self.is_odd() else self.text()), *self.extras()]
        if self.chance.random() < 0.5:
            fields.append((b"id", self.identity()))
        return self.object(fields)

    def record(self, wrong: float = 0.0) -> bytes:
        """A record; a field that matters has any value, or is not there, with the probability `wrong`."""
        candidates = self.joined(b"[", [self.candidate() for _ in range(self.chance.choice((0, 1, 2, 3, 5)))], b"]")
        fields = [(b"id", self.identity()), (b"query", self.text()), (b"candidates", candidates)]
        if self.chance.random() < wrong:
            place = self.chance.randrange(3)
            fields[place] = (fields[place][0], self.value())
        if self.chance.random() < wrong / 3:
            del fields[self.chance.randrange(3)]
        if self.chance.random() < 0.1:  # perhaps there a second time
            name, value = self.chance.choice((b"id", b"query", b"x")), self.chance.choice((b'"again"', b"1.5", b"null"))
            fields.append((name, value))
        whole = self.object(fields + self.extras())
        return self.of(SPACES, ODD_SPACES) + whole + self.of(SPACES, ODD_SPACES)


def spoiled(chance: Random) -> bytes:
    """A record with an odd value in a field that means nothing to us."""
    value = Writer(chance, odd=0.5).value()
    return Writer(chance).record().replace(b"{", b'{"spoiled":' + value + b",", 1)


def damaged(chance: Random, line: bytes) -> bytes:
    """A line after one to three accidents: bytes put in, lost, altered or doubled, or all that follows gone."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(line) + 1)
        end = min(len(line), start + chance.randint(1, 6))
        mark = chance.choice((b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" "))
        put_in = chance.choice((b"", mark, line[start:end] * 2, chance.randbytes(1), chance.choice(BROKEN + CONTROLS)))
        line = line[:start] + put_in + line[chance.choice((start, end, end, len(line))) :]
    return line


def stray(chance: Random) -> bytes:
    """What is no record at all, or not one alone."""
    calm, odd = Writer(chance), Writer(chance, 0.3)
    choices = (
        lambda: chance.randbytes(chance.randint(1, 30)),
        lambda: naughty(chance).encode(),
        odd.value,
        lambda: odd.joined(b"[", [odd.value(), odd.value()], b"]"),
        lambda: chance.choice((b"", b" ", b"\t", b"\r", b"\x0c")),
        lambda: BOM + calm.record(),
        lambda: calm.record() * 2,
    )
    return chance.choice(choices)()


def line(chance: Random) -> bytes:
    """One hostile line: often a well-formed record of hostile parts, else one that is odd in a place or two."""
    kind = chance.random()
    if kind < 0.35:
        made = Writer(chance).record()
    elif kind < 0.5:
        made = Writer(chance, odd=0.03).record()
    elif kind < 0.65:
        made = spoiled(chance)
    elif kind < 0.78:
        made = Writer(chance).record(wrong=0.8)
    elif kind < 0.9:
        made = damaged(chance, Writer(chance).record())
    elif kind < 0.92:
        made = Writer(chance).record().decode().encode(chance.choice(ENCODINGS), "replace")
    else:
        made = stray(chance)
    return made.replace(b"\n", b"\r")


def lines(count: int, seed: int) -> list[bytes]:
    """`count` hostile lines without newlines, the same for the same seed."""
    chance = Random(seed)
    return [line(chance) for _ in range(count)]
