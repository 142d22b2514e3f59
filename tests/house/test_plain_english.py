"""Words that readers had to decode are retired: none in messages, help texts, docstrings, comments and pages.

`RETIRED` has the words, each with what to write instead. A word that is right in one place is allowed there, with the
reason (`ALLOWED`). A file that is being rewritten may wait in `LATER`, which is empty when all is done.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.running import ROOT

PACKAGE = ROOT / "rerank_cli"

RETIRED = {  # a pattern, ignoring case: what to write instead
    r"\banew\b": "again, from scratch",
    r"\bmade good\b|\bmend(s|ed|ing)?\b": "repair, fix",
    r"\bsees? to\b": "check, fix, handle",
    r"\bcomes? to hand\b|\b(at|in) hand\b": "arrives, available, current",
    r"\blest\b": "so that … not",
    r"\bproven\b": "tested",
    r"\bin the same breath\b|\bwithout a word\b|\bquietly\b": "silently",
    r"\b(of|by) (it|them)sel(f|ves)\b": "automatically, on its own",
    r"\b(has|have|had) not(?=[.,;:)]| (is|before|and|six)\b)": "lacks, does not have",
    r"\b(tell|say)s? of (it|them)sel(f|ves)\b|\btells? of\b|\btold\b": "report, the message says, distinguish",
    r"\bformer\b": "previous",
    r"\blearnt\b": "learned, trained on",
    r"\bbeside\b": "next to, with, compared with, besides",
    r"\b(this|the) very (?!(beginning|end)\b)": "the same, already up to date",
    r"\b(is|are|was|were|be) (read|written|taken|kept|left) as (it is|they are)\b": "unchanged",
    r"\bstands? alone\b": "single",
    r"\bwhat does not fit is cut\b": "longer input is truncated",
    r"\b(native|record|input|output|same|other|another|detected) shapes?\b": "format",
    r"\bin the midst\b": "in the middle",
    r"\bthe house\b|\bupstairs\b|\bdownstairs\b|\brooms\b": "package, layer, module",
    r"\bof what\?|\bwhat for\?|\bwhat\?": "state it: X needs Y.",
}
ALLOWED = {  # what a file may say all the same
    ("bench/generated.py", "house"): "a word of generated texts",
}
MAY_ASK = {
    "engines/self_test.py": "queries of known pairs",
    "models/weights.py": "regular expressions",
}
LATER: tuple[str, ...] = ()


class Text(NamedTuple):
    """Text that a person reads, and where it begins."""

    path: Path
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def strings_of(path: Path) -> Iterator[Text]:
    """The string literals of a file, docstrings and parts of f-strings included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(path, node.lineno, node.value)


def comments_of(path: Path) -> Iterator[Text]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], token.string)


def pages() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from PACKAGE.rglob("*.md")


def texts() -> Iterator[Text]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from strings_of(path)
        yield from comments_of(path)
    for path in sorted(pages()):
        yield from (Text(path, number, line) for number, line in enumerate(path.read_text().splitlines(), 1))


WORDS = {re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE): instead for pattern, instead in RETIRED.items()}
ANY = re.compile("|".join(f"(?:{word.pattern})" for word in WORDS), re.IGNORECASE)


def retired_in(text: str) -> Iterator[tuple[str, str]]:
    """The retired words of a text, each with what to write instead. A line end is a blank."""
    if ANY.search(text) is None:  # one search instead of one for each word: nearly all texts have none
        return
    for word, instead in WORDS.items():
        for found in word.finditer(text):
            yield found[0], instead


def is_allowed(each: Text, word: str) -> bool:
    name = each.path.relative_to(ROOT).as_posix()
    return name.startswith(LATER) or any(name.endswith(file) and word.lower() == allowed for file, allowed in ALLOWED)


def test_no_text_has_a_retired_word() -> None:
    read = list(texts())
    assert len(read) > 5000
    assert [
        f"{each.place}: {word!r}: {instead}"
        for each in read
        for word, instead in retired_in(each.text)
        if not is_allowed(each, word)
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        "Fetch the file anew.",
        "--lora-rank: of what?",
        "memory-mapping, which a pipe has not and a\nshrinking file turns into a crash",
        "the native shape",
        "it is ranked by itself",
        "TREC runs are read as they are",
    ],
)
def test_a_retired_word_is_found(text: str) -> None:
    assert list(retired_in(text))


@pytest.mark.parametrize(
    "text", ["the pair has not arrived", "the very end", "tensors of one shape", "it is as it was"]
)
def test_plain_words_are_not_found(text: str) -> None:
    assert not list(retired_in(text))


def messages_of(path: Path) -> Iterator[Text]:
    """The string literals of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, owners)}
    yield from (each for each in strings_of(path) if each.text not in docstrings)


def test_no_message_asks() -> None:
    """A message states what is wrong. (A `?` before a bracket or a quote belongs to a pattern or a template.)"""
    asked = [
        f"{each.place}: {each.text!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).as_posix() not in MAY_ASK
        for each in messages_of(path)
        if re.search(r"\w\?(?=[\s;,.)]|$)", each.text)
    ]
    assert asked == []


def test_every_allowance_is_used() -> None:
    named = tuple(file for file, _ in ALLOWED)
    paths = [path for path in PACKAGE.rglob("*.py") if path.as_posix().endswith(named)]
    read = [each for path in paths for each in (*strings_of(path), *comments_of(path))]
    used = {(file, word) for file, word in ALLOWED for each in read if each.path.as_posix().endswith(file)}
    assert used == set(ALLOWED)
