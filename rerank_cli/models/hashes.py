"""The SHA-256 of a model's files. Large files are hashed once: a note in the user's cache remembers the hash.

A note is used only while nothing about the file has changed: its size, both times, its inode and its device. It is not
used if the file was last changed shortly before hashing began, because clocks of file systems are coarse: a second
change could have left the same times. (Git treats its index in the same way, and calls such entries racy.)
"""

import functools
import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.files.durable import whole_file
from rerank_cli.models.libraries import user_cache

LARGE = 8 * 2**20  # bytes; hashing less takes a few milliseconds
COARSEST_CLOCK_NS = 2 * 10**9  # of FAT, the coarsest of file systems in use


def sha256_of(path: Path, verify: bool = False) -> str:
    """The SHA-256 of a file in hex; with `verify`, of its bytes as they are now, whatever a note says.

    Raises ModelError when it cannot be read.
    """
    try:
        return _sha256(path, _state(path), verify)
    except OSError as fault:
        raise ModelError(f"{path}: cannot be read ({fault.strerror})", "Check the file and its disk.") from None


def files_sha256(paths: Iterable[Path], verify: bool = False) -> str:
    """The SHA-256 of one file, or of the list of `name hash` lines of several. Raises ModelError."""
    digests = [(path.name, sha256_of(path, verify)) for path in paths]
    if len(digests) == 1:
        return digests[0][1]
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()


def hashes_folder() -> Path:
    """The folder of the notes."""
    return user_cache() / "hashes"


State = tuple[int, int, int, int, int]


def _state(path: Path) -> State:
    """What changes with a file's content: size, times of change, inode and device."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev


@functools.cache
def _sha256(path: Path, state: State, verify: bool) -> str:
    """The hash of a file with this `state`: of a large one from its note, if there is one that counts."""
    if state[0] < LARGE:
        return _hashed(path)
    place = os.path.realpath(path)
    note = hashes_folder() / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.json"
    if not verify and (noted := _noted(note, place, state)) is not None:
        return noted
    began = time.time_ns()
    digest = _hashed(path)
    if _state(path) == state and max(state[1:3]) < began - COARSEST_CLOCK_NS:
        _write(note, {"path": os.fsencode(place).hex(), "state": state, "sha256": digest})
    return digest


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noted(note: Path, place: str, state: State) -> str | None:
    """The hash in a note about the file at `place` with this `state`; None without one."""
    with suppress(OSError, ValueError, RecursionError):
        match json.loads(note.read_bytes()):
            case {"path": path, "state": then, "sha256": str(digest), **rest} if not rest:
                return digest if (path, then) == (os.fsencode(place).hex(), list(state)) else None
    return None


def _write(note: Path, content: dict[str, Any]) -> None:
    """Write a note whole, or not at all: without one, the file is hashed again."""
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(note) as file:  # which replaces a link, and does not follow it
            file.write(json.dumps(content).encode())
