"""The licence of a model, from its card: the README.md with a header in YAML."""

import re
from pathlib import Path

CARD = "README.md"
LONGEST = 64 * 1024  # characters of a header
HEADER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r"^(license(?:_name)?):[ \t]*['\"]?([\w.+-]{1,60})['\"]?[ \t]*\r?$", re.MULTILINE)


def licence_of(folder: Path) -> str | None:
    """The licence that the card of a model names, as it is written there; None without a card or a name.

    For `license: other` it is the `license_name`.
    """
    try:
        with (folder / CARD).open(encoding="utf-8", errors="replace") as file:
            header = HEADER.match(file.read(LONGEST))
    except OSError:
        return None
    found = dict(FIELD.findall(header[1])) if header else {}
    named = found.get("license_name") if found.get("license") == "other" else None
    return named or found.get("license")
