"""Times to come in words."""


def about(seconds: float) -> str:
    """A time to come, as exact as an estimate is.

    >>> [about(seconds) for seconds in (0.2, 7.3, 89, 372, 7000, 400_000)]
    ['less than 1 s', 'about 7 s', 'about 89 s', 'about 6 min', 'about 1.9 h', 'about 4.6 days']
    """
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"about {seconds / 86400:.1f} days"
