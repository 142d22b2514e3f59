"""Escape characters that could control a terminal or a page, in the way that each output needs."""

import json
import re

# Controls (C0, DEL, C1), changes of direction, line and paragraph separators, surrogates. Characters that are only
# invisible, such as joiners, are not included: scripts and emoji need them.
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SURROGATES = re.compile("[\ud800-\udfff]")
CAP = 2000  # characters of one message


def is_unicode(text: str) -> bool:
    r"""Whether a text can be written as UTF-8. Bytes of an argument that are no UTF-8 become surrogates.

    >>> is_unicode("é"), is_unicode("\udcff")
    (True, False)
    """
    return SURROGATES.search(text) is None


def printable(text: str) -> str:
    r"""Text as one line of a message: control characters and line ends are escaped as in Python. Cut at CAP.

    >>> printable("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    return ACTING.sub(_python_escape, text[:CAP])


def printable_json(line: str) -> str:
    r"""Lines of JSON or another format for a terminal: control characters are escaped as in JSON, line ends stay.

    JSON without tabs between its values, such as ours, keeps its value: these characters stand in strings only.

    >>> printable_json('{"id": "é\x9b"}')
    '{"id": "é\\u009b"}'
    """
    return ACTING.sub(lambda found: found[0] if found[0] == "\n" else _json_escape(found), line)


def ascii_json(line: bytes) -> bytes:
    r"""The same JSON line in printable ASCII, for standard error, since a descriptor has no encoding.

    >>> ascii_json(b'{"raw":"\xc3\xa9\x7f"}\n')
    b'{"raw": "\\u00e9\\u007f"}\n'
    """
    return ACTING.sub(_json_escape, json.dumps(json.loads(line))).encode("ascii") + b"\n"


def printable_page(text: str) -> str:
    r"""Text of a page, before HTML escaping: U+FFFD for each control character; tabs and line ends stay.

    >>> printable_page("a\tb\x1b")
    'a\tb\ufffd'
    """
    return ACTING.sub(lambda found: found[0] if found[0] in "\t\n" else "\ufffd", text)


def _python_escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
