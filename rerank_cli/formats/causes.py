"""Why a line is no JSON object: what it looks like, with the way out, behind what the parser says."""

import json
import re

LINES = "makes JSON lines of it"
JQ = f"`jq -c . FILE` {LINES}"
ARRAY = f"a JSON array? `jq -c '.[]' FILE` {LINES}"
CUT = f"a record ends on its line: this one was cut off, or has several ({JQ})"
PYTHON = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nil": "null"}
NO_NUMBER = re.compile(r"[+-]?(NaN|Infinity|nan|inf(?:inity)?)\b", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+")
UTF16 = re.compile(rb"(?:\xff\xfe|\xfe\xff)|\x00?(?:[\t\r -~]\x00){4}|\x00(?:[\t\r -~]\x00){3}|(?:\x00[\t\r -~]){4}")
UTF16_ADVICE = "UTF-16 text? `iconv -f UTF-16 -t UTF-8 FILE` converts it"
START = 64  # characters at the beginning of a line that show what it is


def cause(raw: bytes, message: str, place: int) -> str:
    """What is wrong with the line where the parser stopped, at character `place`; nothing where that is not known."""
    if UTF16.match(raw):
        return UTF16_ADVICE
    text = raw.decode("utf-8", "replace")
    start = text[:START].lstrip()
    if not start.startswith(("{", "[")):
        return _of_other(start)
    if message.startswith("unexpected content"):
        return _behind(text[place:].lstrip())
    if message.startswith("unexpected end"):
        return ARRAY if start.startswith("[") else CUT
    if message.startswith("trailing comma"):
        return "a comma before a closing bracket: leave it out"
    return _at(text, place)


def _of_other(start: str) -> str:
    if start.startswith("<"):
        return "HTML or XML? records are JSON objects, one a line"
    if start.startswith(("}", "]", '"')):
        return f"a part of a record that has several lines? {JQ}"
    if start.startswith("\ufeff"):
        return "a byte order mark in the midst of a file: of files put together?"
    for mark, name in (("\t", "tsv"), (",", "csv")):
        if start.count(mark) > (0 if mark == "\t" else 1) or (mark in start and " " not in start):
            return f"{name}? --format {name} reads a header with query and text, or --columns query,text,id,label"
    if start.count(";") > 1:
        return "CSV with semicolons? --format csv reads commas and --format tsv tabs"
    return ""


def _behind(rest: str) -> str:
    """What stands behind a whole object."""
    if rest.startswith(("{", "[")):
        return f"several records on one line; {JQ}"
    if rest.startswith(","):
        more = rest[1:].strip()
        return f"several records on one line; {ARRAY}" if more else f"a comma behind the record; {ARRAY}"
    if rest.startswith("]"):
        return f"the end of a list; {ARRAY}"
    return "a comment? JSON has none" if rest.startswith(("//", "#", "/*")) else ""


def _at(text: str, place: int) -> str:
    """What stands where a value or a key should."""
    rest = text[place:]
    signed = place - 1 if text[place - 1 : place] == "-" else place
    number = NO_NUMBER.match(text, signed)
    if number:
        return f"{number[0]} is not JSON: write null or leave the field out"
    if rest.startswith("'"):
        return "single quotes, as Python's repr has them: write it with json.dumps"
    word = WORD.match(rest)
    if word and word[0] in PYTHON:
        return f"{word[0]} is not JSON: write {PYTHON[word[0]]}"
    if rest.startswith(("//", "/*", "#")):
        return "a comment? JSON has none"
    if word and re.match(r"\w+\s*:", rest):
        return "a name without double quotes"
    if place < len(text) and ord(text[place]) < ord(" "):
        return f"a control character must be written as {json.dumps(text[place])}"
    return ""
