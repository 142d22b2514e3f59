"""The SHA-256 of a model's files, computed once per file unless it changes."""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from rerank_cli.core.errors import ModelError


@functools.cache
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, computed once unless it changes. Raises ModelError."""
    try:
        status = path.stat()
        return _sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as fault:
        raise ModelError(f"{path}: cannot be read ({fault.strerror})", "Check the file and its disk.") from None


def files_sha256(paths: Iterable[Path]) -> str:
    """The SHA-256 of one file, or of the list of `name hash` lines of several. Raises ModelError."""
    digests = [(path.name, sha256_of(path)) for path in paths]
    if len(digests) == 1:
        return digests[0][1]
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()
