"""The licence of a model, from its card: the README.md with a header in YAML."""

import re
from pathlib import Path

CARD = "README.md"
LONGEST = 64 * 1024  # characters of a header
HEADER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r"^(license(?:_name)?):[ \t]*(?:\r?\n[ \t]*-[ \t]*|\[[ \t]*)?([^\r\n#]{1,80})", re.MULTILINE)
AROUND = " \t'\"],"


def licence_of(folder: Path) -> str | None:
    """The licence that the card of a model names, as it is written there; None without a card or a name.

    For `license: other` it is the `license_name`.
    """
    if not (folder / CARD).is_file():
        return None
    try:
        with (folder / CARD).open(encoding="utf-8", errors="replace") as file:
            header = HEADER.match(file.read(LONGEST))
    except OSError:
        return None
    found = {name: value.strip(AROUND) for name, value in FIELD.findall(header[1])} if header else {}
    named = found.get("license_name") if found.get("license") == "other" else None
    return named or found.get("license") or None
