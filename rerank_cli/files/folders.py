"""A folder that is made beside its place and swapped in when it is complete: its permissions, its durability, the swap.

Graphs in the cache (`models.graph_files`) need something else and keep their own: what is there is never put back, and
another run's equal graph is taken instead.
"""

import os
from pathlib import Path

from rerank_cli.files.durable import sync_folder, umask


def swap_folder(new: Path, final: Path, former: Path) -> None:
    """Rename `new` to `final`; a folder that is there is moved to `former`, and back if that fails. Raises OSError.

    A kill between the two renames leaves only `former`: whoever must survive that looks for it.
    """
    if not os.path.lexists(final):
        new.rename(final)
        return
    final.rename(former)
    try:
        new.rename(final)
    except OSError:
        former.rename(final)
        raise


def apply_umask(folder: Path) -> None:
    """Give what is in a folder the permissions that the umask leaves: libraries write weights for their owner alone."""
    mask = umask()
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def sync_tree(folder: Path) -> None:
    """Make the files in a folder durable, and their names."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
