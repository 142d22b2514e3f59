"""Bars drawn in text, for histograms."""

COLUMNS = 40  # of the longest bar


def bar(count: int, most: int, *, show_few: bool = False) -> str:
    """`count` as a bar; `most` fills all columns. Fractions of a column are rounded.

    With `show_few`, fractions are rounded down, and a count below one column is a thin bar; only 0 is empty.

    >>> [len(bar(count, 80)) for count in (0, 1, 3, 80)]
    [0, 0, 2, 40]
    >>> [bar(count, 80, show_few=True) for count in (0, 1, 3)]
    ['', '▏', '█']
    """
    columns = count / (most or 1) * COLUMNS
    if not show_few:
        return "█" * round(columns)
    if 0 < columns < 1:
        return "▏"
    return "█" * int(columns)
