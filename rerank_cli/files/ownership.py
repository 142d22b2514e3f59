"""Recognise our own files next to an output by their content. Files of other programs are left alone.

FILE.journal begins with our header, and identifies FILE.partial, its errors and its table. FILE.meta.json has our keys.
A file written in one step (`.tmp`) may be torn, empty or zeros after a signal, a kill or a power loss; then the lock of
that run is still there. Links and folders are never ours.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from rerank_cli.core.errors import Refused
from rerank_cli.files.journal import decode
from rerank_cli.files.paths import ERRORS, WHOLE, Paths

HEADER, FINGERPRINT = b'"kind":"header"', b'"fingerprint":'  # a journal with a damaged header still has one of them
TORN_HEADER, TORN_META, TABLE = b'{"kind":"header"', b'{\n  "', b"PAR1"
LOOK = 1 << 20  # bytes that are read at most
TAKEN = "{}: was not written by rerank, and the run would replace it"
NOT_OURS = "Move it away, or choose another -o."
OF_AN_ERROR = {"source", "line", "byte_offset", "reason", "path"}


def is_journal(path: Path) -> bool:
    """Whether a file is a journal of ours, possibly damaged. Raises OSError."""
    head = _head(path)
    line = head[: head.find(b"\n") + 1]
    header = decode(line) if line else None
    return (header or {}).get("kind") == "header" or HEADER in head[:64] or FINGERPRINT in head[:128]


def is_meta(path: Path) -> bool:
    """Whether a file is the meta data of a finished FILE. Raises OSError."""
    try:
        meta: dict[str, Any] = orjson.loads(_head(path))
        numbers = (meta["output_bytes"], meta["output_crc32"])
        return all(isinstance(each, int) for each in numbers) and bool(meta.keys() & {"fingerprint", "rerank_version"})
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def is_errors_file(path: Path) -> bool:
    """Whether a file begins with our error record. Raises OSError."""
    head = _head(path)
    try:
        return set(orjson.loads(head[: head.find(b"\n") + 1])) >= OF_AN_ERROR
    except (ValueError, TypeError):
        return False


def refuse_foreign(paths: Paths, inherited: bool) -> None:
    """Raises Refused when a run would write or remove another program's file; OSError.

    `inherited`: the lock of a killed run was found. FILE and ERRORS, which the user named, are refused only if they
    would destroy another unfinished run.
    """
    if (found := first_foreign(paths, inherited)) is not None:
        raise Refused(TAKEN.format(found), NOT_OURS)
    for option, path, itself in (("-o", paths.final, False), ("--errors", paths.errors, True)):
        if is_of_unfinished_run(path, itself):
            raise Refused(f"{path}: an unfinished run needs this name", f"Finish that run, or choose another {option}.")


def refuse_foreign_meta(paths: Paths) -> None:
    """Raises Refused when another program's file has the name of the meta data; OSError."""
    meta = paths.beside(".meta.json")
    if meta.is_file() and not is_meta(meta):
        raise Refused(TAKEN.format(meta), NOT_OURS)


def refuse_what_appeared(paths: Paths, failed: bool, flag: str) -> None:
    """Raises Refused when FILE, or ERRORS if records `failed`, appeared during the run; `flag` continues then."""
    for path in [paths.final, *([paths.errors] if failed else [])]:
        if os.path.lexists(path):
            advice = f"Move it away, then run the same command with {flag}."
            raise Refused(f"{path}: appeared during the run", advice)


def is_of_unfinished_run(path: Path, itself: bool = True) -> bool:
    """Whether `path` is a file of an unfinished run of ours, or (`itself`) its output. Raises OSError."""
    suffixes = (".partial", ".journal", f"{ERRORS}.partial")
    outputs = {path.name.removesuffix(suffix) for suffix in suffixes} - {path.name, ""}
    return any(is_journal(path.with_name(f"{name}.journal")) for name in outputs | ({path.name} if itself else set()))


def first_foreign(paths: Paths, inherited: bool) -> Path | None:
    """The first file of another program that a run would write or remove; None when there is none.

    FILE and ERRORS, which the user named, are not checked here. `inherited`: the lock of a killed run was found. Raises
    OSError.
    """
    known = is_journal(paths.beside(".journal"))
    ours: dict[Path, Callable[[Path], bool]] = {
        paths.beside(".journal"): is_journal,
        paths.beside(".partial"): lambda path: known or (inherited and _holds_nothing(path)),
        paths.errors_partial: lambda path: known or (inherited and _holds_nothing(path)),
        paths.beside(".journal.tmp"): lambda path: inherited and _begins_with(path, TORN_HEADER),
        paths.beside(".meta.json"): is_meta,
        paths.beside(".meta.json.partial"): is_meta,
        paths.beside(".meta.json.partial.tmp"): lambda path: inherited and _begins_with(path, TORN_META),
    }
    if paths.is_table:
        ours[paths.beside(WHOLE)] = lambda path: known and _begins_with(path, TABLE)
    found = (path for path in ours if os.path.lexists(path))
    return next((path for path in found if not (_is_regular(path) and ours[path](path))), None)


def needs_the_lock(paths: Paths) -> bool:
    """Whether a file of ours is so incomplete that only our lock identifies it, or cannot be read."""
    try:
        return first_foreign(paths, inherited=False) is not None and first_foreign(paths, inherited=True) is None
    except OSError:
        return True  # an unneeded lock is harmless: the next run takes it over


def _is_regular(path: Path) -> bool:
    """Whether a path is a regular file, not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _head(path: Path) -> bytes:
    """The first bytes of a file; empty if it is not a file."""
    if not _is_regular(path):
        return b""
    with path.open("rb") as file:
        return file.read(LOOK)


def _begins_with(path: Path, mark: bytes) -> bool:
    """Whether a file begins with `mark`, or is a prefix of it: it may be torn or empty."""
    return mark.startswith(_head(path)[: len(mark)]) or _holds_nothing(path)


def _holds_nothing(path: Path) -> bool:
    """Whether a file is empty, or holds only zeros after a power loss."""
    return not _head(path).strip(b"\0")
