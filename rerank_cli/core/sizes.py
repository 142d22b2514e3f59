"""Sizes of files and of memory, for people."""


def mebibytes(size: float) -> str:
    """Bytes in MiB, with separators.

    >>> [mebibytes(size) for size in (2_271_071_852, 3 * 2**20, 2_500_000, 512, 0)]
    ['2,166 MiB', '3 MiB', '2.4 MiB', 'under 0.1 MiB', '0 MiB']
    """
    value = size / 2**20
    if 0 < value < 0.1:
        return "under 0.1 MiB"
    return f"{value:,.0f} MiB" if value >= 10 else f"{value:.1f}".removesuffix(".0") + " MiB"
