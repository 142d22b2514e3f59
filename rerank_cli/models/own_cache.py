"""What this tool keeps in the user's cache, to be shown and removed: graphs, tokenizers, hashes. It is made again."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rerank_cli.models.graph_files import NOTE, cache_folder, discard
from rerank_cli.models.hashes import hashes_folder
from rerank_cli.models.resolved import resolved_folder

OURS = re.compile(r"[0-9a-f]{32}(\.json|\..{8})?")  # the names that we give


@dataclass(frozen=True, slots=True)
class Kept:
    """A file or folder that is kept: its bytes, when it was last used or made (Unix seconds), and what it is."""

    path: Path
    size: int
    used: int
    what: str = ""


def kept_graphs() -> list[Kept]:
    """The graphs, the one used last first."""
    found = [Kept(path, size, used, _description(path)) for path, size, used in _entries(cache_folder())]
    return sorted(found, key=lambda kept: -kept.used)


def kept_answers() -> list[Kept]:
    """The tokenizers and configurations that were read."""
    return [Kept(*entry) for entry in _entries(resolved_folder())]


def kept_hashes() -> list[Kept]:
    """The notes on hashes."""
    return [Kept(*entry) for entry in _entries(hashes_folder())]


def remove(kept: list[Kept]) -> int:
    """Remove what is kept, as far as possible; the bytes that were freed."""
    freed = 0
    for each in kept:
        if each.path.is_dir() and not each.path.is_symlink():
            discard(each.path)
        else:
            with suppress(OSError):
                each.path.unlink()
        if not os.path.lexists(each.path):
            freed += each.size
    return freed


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; a link counts as nothing, and neither does what cannot be read."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _entries(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """What has a name of ours in a folder, with its size and its last use. Other files are not looked at."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for path in (folder / name for name in names if OURS.fullmatch(name)):
        with suppress(OSError):
            status = os.lstat(path)
            used = os.stat(path / NOTE).st_mtime if (path / NOTE).is_file() else status.st_mtime
            yield path, size_of(path) if path.is_dir() else status.st_size, int(used)


def _description(path: Path) -> str:
    """The model of a graph, its format and its dtype; "" where its note does not say so."""
    with suppress(OSError, ValueError, RecursionError):
        match json.loads((path / NOTE).read_bytes()):
            case {"format": str(form), "dtype": str(dtype), **rest}:
                return f"{rest.get('model') or 'a model'}, {form} {dtype}"
    return "not complete"
