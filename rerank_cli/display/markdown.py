"""Tables as GitHub-flavoured Markdown, to paste into an issue or a page."""

import re
from collections.abc import Sequence

from rerank_cli.core.printable import printable

ACTING = re.compile(r"[\\`*\[\]|~$]|<(?=[\w/!?])|&(?=[\w#])|(?<![^\W_])_|_(?![^\W_])")  # _ acts at the ends of a word


def escaped(text: str) -> str:
    r"""Text from data in which no character acts on the terminal or on the page.

    >>> print(escaped("bm25_k1|b=*.run"), escaped("_a\n_"))
    bm25_k1\|b=\*.run \_a\\n\_
    """
    return ACTING.sub(lambda found: f"\\{found[0]}", printable(text))


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table with aligned columns, the first to the left and the others to the right.

    >>> print(*grid(["run", "AP"], [["A", "0.5"]]), sep="\\n")
    | run |  AP |
    |:----|----:|
    | A   | 0.5 |
    """
    widths = [max(3, *(len(row[place]) for row in (head, *rows))) for place in range(len(head))]
    lines = [_line(each, widths) for each in (head, *rows)]
    rule = [f":{'-' * (widths[0] + 1)}", *(f"{'-' * (width + 1)}:" for width in widths[1:])]
    return [lines[0], f"|{'|'.join(rule)}|", *lines[1:]]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"
