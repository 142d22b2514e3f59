"""Divide a document that is too long into overlapping windows of its tokens, cut between words where possible.

    >>> divided(20, room=8, overlap=2, breaks=[0, 3, 5, 7, 10, 12, 15, 18])
    [(0, 7), (5, 12), (10, 18), (15, 20)]

Every token is in a window. No window has more than `room` tokens. Two neighbours share about `overlap` tokens: a few
more or less, so that words stay whole.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence

SLACK = 8  # to end between words, a window may be shorter than `room` by this fraction: 1/8


def divided(
    count: int,
    room: int,
    overlap: int,
    breaks: Sequence[int],
    alone: Callable[[int, int], int] = lambda start, end: end - start,
) -> list[tuple[int, int]]:
    """Windows [start, end) of `count` tokens, in order. `breaks` are the tokens at which a word begins, ascending.

    `alone` gives the number of tokens of a window when its text is encoded as a single text. That is at most `room`
    too, unless the window is one token. Raises ValueError unless `overlap` is smaller than `room`.
    """
    if not 0 <= overlap < room:
        raise ValueError(f"an overlap of {overlap} tokens in windows of {room}")
    windows: list[tuple[int, int]] = []
    start = 0
    while True:
        end = min(start + room, count)
        if end < count:
            end = _between_words(end, start, room // SLACK, breaks)
        while (tokens := alone(start, end)) > room and end > start + 1:
            end = start + max(1, min(end - start - 1, (end - start) * room // tokens))
        windows.append((start, end))
        if end == count:
            return windows
        start = _between_words(max(start + 1, end - overlap), start, room // SLACK, breaks)


def _between_words(at: int, above: int, slack: int, breaks: Sequence[int]) -> int:
    """The last break at most `slack` before `at` and after `above`; `at` itself when there is none."""
    place = bisect_right(breaks, at) - 1
    return breaks[place] if place >= 0 and breaks[place] >= at - slack and breaks[place] > above else at
