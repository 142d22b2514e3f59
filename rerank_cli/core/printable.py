"""Text that cannot act on the terminal or page it lands on: one set of characters, replaced as each place needs."""

import json
import re

# Controls (C0, DEL, C1), changes of direction, separators of lines and paragraphs, surrogates. Characters that are only
# invisible, such as joiners, are not among them: scripts and emoji need those.
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
CAP = 2000  # characters of one message


def printable(text: str) -> str:
    r"""One line of a message: what can act, an end of line too, is escaped as in Python. Longer text is cut at CAP.

    >>> printable("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    return ACTING.sub(_python_escape, text[:CAP])


def printable_json(line: str) -> str:
    r"""JSON lines, and lines of other formats, for a terminal: what can act is escaped as in JSON; ends of lines stay.

    JSON without tabs between its values, such as ours, stays the same value: it has these characters in strings only.

    >>> printable_json('{"id": "é\x9b"}')
    '{"id": "é\\u009b"}'
    """
    return ACTING.sub(lambda found: found[0] if found[0] == "\n" else _json_escape(found), line)


def ascii_json(line: bytes) -> bytes:
    r"""The same JSON line in printable ASCII, for standard error, whose encoding a descriptor does not tell.

    >>> ascii_json(b'{"raw":"\xc3\xa9\x7f"}\n')
    b'{"raw": "\\u00e9\\u007f"}\n'
    """
    return ACTING.sub(_json_escape, json.dumps(json.loads(line))).encode("ascii") + b"\n"


def printable_page(text: str) -> str:
    r"""Text of a page, not yet escaped for HTML: U+FFFD for each character that can act; tabs and ends of lines stay.

    >>> printable_page("a\tb\x1b")
    'a\tb\ufffd'
    """
    return ACTING.sub(lambda found: found[0] if found[0] in "\t\n" else "\ufffd", text)


def _python_escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
