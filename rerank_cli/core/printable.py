"""Text that cannot act on the terminal it lands on."""

import re
import unicodedata

BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
CAP = 2000  # characters of one message


def printable(text: str) -> str:
    """`text` with everything escaped that could act on a terminal: controls, line and direction changes, surrogates."""
    if text.isascii() and text.isprintable():
        return text[:CAP]
    return "".join(map(_shown, text[:CAP]))


def _shown(char: str) -> str:
    if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or ord(char) in BIDI:
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return char


# what JSON leaves as it is, and controls, which lines that are not JSON may hold
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(line: bytes) -> bytes:
    """The same JSON line for a terminal: what could act on it is escaped, all other text stays readable."""
    return ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode("utf-8")).encode("utf-8")
