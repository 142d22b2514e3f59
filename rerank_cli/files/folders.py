"""Swap in a folder that was written under a temporary name, with its permissions and durably. Sizes of files.

Graphs in the cache (`models.graph_files`) have their own swap: an old folder is never restored, and an equal graph of
another run is used instead.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rerank_cli.files.durable import sync_folder, umask


def swap_folder(new: Path, final: Path, previous: Path) -> None:
    """Rename `new` to `final`. An existing folder is moved to `previous`, and back if that fails. Raises OSError.

    A kill between the two renames leaves only `previous`; the caller restores it if needed.
    """
    if not os.path.lexists(final):
        new.rename(final)
        return
    final.rename(previous)
    try:
        new.rename(final)
    except OSError:
        previous.rename(final)
        raise


def apply_umask(folder: Path) -> None:
    """Give the files of a folder the permissions of the umask: libraries write weights for the owner only."""
    mask = umask()
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def sync_tree(folder: Path) -> None:
    """Sync the files of a folder and their names to disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def size_of(paths: Iterable[Path]) -> int:
    """The bytes of files, without those that were removed meanwhile."""
    size = 0
    for path in paths:
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size
