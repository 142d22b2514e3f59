"""Which fields a conversion drops: those for which the format that is written has no place."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

NAMES_COUNTED = 1000  # distinct names, so that memory stays bounded
EMPTY = (None, "")
SHOWN = 8  # names in a sentence


class Dropped:
    """Counts the fields that a conversion drops, by their paths without indices."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self._kept: set[str] = set()

    def keep(self, path: str) -> None:
        """Do not count what stands at this path: it is kept under another name."""
        self._kept.add(path)

    def note(self, names: Iterable[str], where: str = "") -> None:
        """Count fields that stood at the path `where`, such as "candidates[]."."""
        for name in names:
            path = where + name
            if path in self._kept:
                continue
            self.names[path if path in self.names or len(self.names) < NAMES_COUNTED else "other names"] += 1

    def sentence(self, format_name: str) -> str:
        """How many were dropped from records that became ones of `format_name`, and which."""
        shown = ", ".join(f"{name} ({count:,})" for name, count in self.names.most_common(SHOWN))
        more = f" and {len(self.names) - SHOWN} more names" if len(self.names) > SHOWN else ""
        total = self.names.total()
        fields = "1 field" if total == 1 else f"{total:,} fields"
        return f"dropped {fields} that {format_name} records have no place for: {shown}{more}"


def rest_of(
    body: dict[str, Any],
    moved: Collection[str],
    lost: Collection[str] = (),
    dropped: Dropped | None = None,
    where: str = "",
) -> dict[str, Any]:
    """A copy of `body` without fields that were `moved` elsewhere, and without those that have no place (`lost`).

    The latter are counted in `dropped`, unless they are null or empty text.
    """
    if dropped is not None:
        dropped.note((name for name in lost if name not in moved and body.get(name) not in EMPTY), where)
    return {name: value for name, value in body.items() if name not in moved and name not in lost}


def note_rest(body: dict[str, Any], kept: Collection[str], dropped: Dropped | None, where: str = "") -> None:
    """Count all fields of `body` in `dropped` but those that are `kept`, and those that are null or empty text."""
    if dropped is not None:
        dropped.note((name for name, value in body.items() if name not in kept and value not in EMPTY), where)
