"""Why a line is not a JSON object: what it looks like and how to convert it, added to the parser's message."""

import json
import re

LINES = "converts it to JSON lines"
JQ = f"`jq -c . FILE` {LINES}"
ELEMENTS = f"`jq -c '.[]' FILE` {LINES}"
ARRAY = f"it looks like a JSON array: {ELEMENTS}"
CUT = f"the record is truncated, or has several lines ({JQ})"
ENDS = "the input ends in the middle of this record: what wrote it stopped early"
PYTHON = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nil": "null"}
NO_NUMBER = re.compile(r"[+-]?(NaN|Infinity|nan|inf(?:inity)?)\b", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+")
COMMENT = "it looks like a comment, which JSON does not have"
UTF16 = re.compile(rb"(?:\xff\xfe|\xfe\xff)|\x00?(?:[\t\r -~]\x00){4}|\x00(?:[\t\r -~]\x00){3}|(?:\x00[\t\r -~]){4}")
UTF16_ADVICE = "it looks like UTF-16 text: `iconv -f UTF-16 -t UTF-8 FILE` converts it"
START = 64  # characters of a line that are inspected


def cause(raw: bytes, message: str, place: int) -> str:
    """What is wrong with the line at character `place`, where the parser stopped; "" if unknown."""
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
        return "remove the comma before the closing bracket"
    return _at(text, place)


def _of_other(start: str) -> str:
    if start.startswith("<"):
        return "it looks like HTML or XML; expected one JSON object per line"
    if start.startswith(("}", "]", '"')):
        return f"it looks like part of a record with several lines: {JQ}"
    if start.startswith("\ufeff"):
        return "a byte order mark in the middle of a file, as in joined files"
    for mark, name in (("\t", "tsv"), (",", "csv")):
        if start.count(mark) > (0 if mark == "\t" else 1) or (mark in start and " " not in start):
            return f"it looks like {name}: add --format {name}, without a header also --columns query,text,id,label"
    if start.count(";") > 1:
        return "it looks like CSV with semicolons: --format csv reads commas, --format tsv reads tabs"
    return ""


def _behind(rest: str) -> str:
    """What is wrong after a complete object."""
    if rest.startswith(("{", "[")):
        return f"several records on one line; {JQ}"
    if rest.startswith(","):
        more = rest[1:].strip()
        return f"several records on one line; {ARRAY}" if more else f"a comma after the record; {ARRAY}"
    if rest.startswith("]"):
        return f"the end of a list; {ARRAY}"
    return COMMENT if rest.startswith(("//", "#", "/*")) else ""


def _at(text: str, place: int) -> str:
    """What is wrong in place of a value or a key."""
    rest = text[place:]
    signed = place - 1 if text[place - 1 : place] == "-" else place
    number = NO_NUMBER.match(text, signed)
    if number:
        return f"{number[0]} is not JSON: write null or leave the field out"
    if rest.startswith("'"):
        return "single quotes, as in Python's repr: write it with json.dumps"
    word = WORD.match(rest)
    if word and word[0] in PYTHON:
        return f"{word[0]} is not JSON: write {PYTHON[word[0]]}"
    if rest.startswith(("//", "/*", "#")):
        return COMMENT
    if word and re.match(r"\w+\s*:", rest):
        return "a name without double quotes"
    if place < len(text) and ord(text[place]) < ord(" "):
        return f"a control character must be written as {json.dumps(text[place])}"
    return ""
