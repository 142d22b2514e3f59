"""Which of the known names a mistyped one was meant to be: close ones, or none."""

from collections.abc import Iterable
from difflib import SequenceMatcher

CLOSE = 0.8  # of 1, by difflib: two neighbouring letters swapped in a word of five
SHORTEST = 3  # letters of a beginning that is taken for the word
MOST = 2  # guesses


def close_to(typed: str, known: Iterable[str]) -> list[str]:
    """Those of the known names that are close to the typed one, the closest first; dashes do not count.

    >>> close_to("--modle", ["--model", "--offline"]), close_to("--topk", ["--dtype", "--top-k"])
    (['--model'], ['--top-k'])
    >>> close_to("--instruction", ["--strict"]), close_to("evaluate", ["eval", "score"])
    ([], ['eval'])
    """
    likeness = {name: _likeness(_letters(typed), _letters(name)) for name in known}
    found = [name for name in likeness if likeness[name] >= CLOSE]
    return sorted(found, key=lambda name: -likeness[name])[:MOST]


def _letters(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _likeness(typed: str, name: str) -> float:
    """How alike two words are, of 1; a word and its beginning are close."""
    like = SequenceMatcher(None, typed, name).ratio()
    shorter, longer = sorted((typed, name), key=len)
    return max(like, CLOSE) if len(shorter) >= SHORTEST and longer.startswith(shorter) else like
