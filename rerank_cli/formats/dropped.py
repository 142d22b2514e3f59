"""Count the fields that a conversion drops, because the output format has no place for them."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

NAMES_COUNTED = 1000  # distinct names, to bound memory
EMPTY = (None, "")
SHOWN = 8  # names in a note


class Dropped:
    """Counts dropped fields by their paths, without indices."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self._kept: set[str] = set()

    def keep(self, path: str) -> None:
        """Do not count this path: its value is kept under another name."""
        self._kept.add(path)

    def note(self, names: Iterable[str], where: str = "") -> None:
        """Count fields at the path `where`, such as "candidates[]."."""
        for name in names:
            path = where + name
            if path in self._kept:
                continue
            self.names[path if path in self.names or len(self.names) < NAMES_COUNTED else "other names"] += 1

    def sentence(self, format_name: str) -> str:
        """A note on the number and the names of the fields that `format_name` dropped."""
        shown = ", ".join(f"{name} ({count:,})" for name, count in self.names.most_common(SHOWN))
        more = f" and {len(self.names) - SHOWN} more names" if len(self.names) > SHOWN else ""
        total = self.names.total()
        fields = "1 field" if total == 1 else f"{total:,} fields"
        return f"dropped {fields} that {format_name} records cannot hold: {shown}{more}"


def rest_of(
    body: dict[str, Any],
    moved: Collection[str],
    lost: Collection[str] = (),
    dropped: Dropped | None = None,
    where: str = "",
) -> dict[str, Any]:
    """A copy of `body` without the fields that were `moved` elsewhere and those that are `lost`.

    Lost fields are counted in `dropped`, unless they are null or empty strings.
    """
    if dropped is not None:
        dropped.note((name for name in lost if name not in moved and body.get(name) not in EMPTY), where)
    return {name: value for name, value in body.items() if name not in moved and name not in lost}


def note_rest(body: dict[str, Any], kept: Collection[str], dropped: Dropped | None, where: str = "") -> None:
    """Count the fields of `body` in `dropped`, except those that are `kept`, null or empty strings."""
    if dropped is not None:
        dropped.note((name for name, value in body.items() if name not in kept and value not in EMPTY), where)
