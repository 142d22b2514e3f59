"""The last steps of a file's run: what becomes FILE, whether it is all there, and the renames that make it final."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from zlib import crc32

from rerank_cli.appended import matches, replace_file
from rerank_cli.errors import OutputError
from rerank_cli.journal import Commit, Written, mode_of, sync_folder
from rerank_cli.states import Paths


def made_final(paths: Paths, written: Written) -> Written:
    """What FILE will hold, `written` being what the partial holds. Raises OutputError if no table can be made."""
    if not paths.is_table:
        return written
    partial, table = paths.beside(".partial"), paths.ready
    try:
        import_module("rerank_cli.formats.parquet").write_table(partial, table)
    except ValueError as fault:
        raise OutputError(
            f"{paths.final}: the records make no table ({fault})",
            f"They are in {partial.name} as JSON lines: copy it, or run again with -o FILE.jsonl.",
        ) from None
    if (mode := mode_of(partial)) is not None:
        os.chmod(table, mode)
    crc = size = 0
    with table.open("rb") as file:
        while block := file.read(1 << 20):
            crc, size = crc32(block, crc), size + len(block)
    return Written(size, crc)


def is_complete(paths: Paths, commit: Commit) -> bool:
    """Whether the files of a run that was finishing are as it left them, before or after its last rename."""
    if not os.path.exists(paths.ready):
        return matches(paths.final, commit.output, exactly=True)
    errors = (paths.errors_partial, paths.errors)
    whole = not commit.errors.size or any(matches(path, commit.errors, exactly=True) for path in errors)
    return whole and matches(paths.ready, commit.output, exactly=True)


def finish_renames(paths: Paths, has_errors: bool) -> None:
    """Errors, then meta data, then FILE itself; may be called again at any point of it."""
    ready, meta = paths.ready, paths.beside(".meta.json.partial")
    if os.path.exists(ready):
        if has_errors and os.path.exists(paths.errors_partial):
            replace_file(paths.errors_partial, paths.errors)
            sync_folder(paths.errors.parent)
        elif not has_errors and paths.errors.is_file():
            paths.errors.unlink()  # of an earlier run: it would speak of records that are fine now
    if os.path.exists(meta):  # a power loss may keep the later of two renames and not the earlier
        replace_file(meta, paths.beside(".meta.json"))
    if os.path.exists(ready):
        replace_file(ready, paths.final)
    sync_folder(paths.final.parent)
    if paths.is_table:
        paths.beside(".partial").unlink(missing_ok=True)
    paths.errors_partial.unlink(missing_ok=True)
    paths.beside(".journal").unlink(missing_ok=True)


@contextmanager
def whole_file(final: Path) -> Iterator[IO[bytes]]:
    """A file to fill that becomes `final` when the block ends well, and of which nothing is left when it does not.

    For what takes too little time to be resumed. It is on disk before it takes its name, and gets the permissions of
    the file that it replaces; until then nobody else may open it. `final` is no symbolic link. Raises OSError.
    """
    with NamedTemporaryFile("wb", prefix=f".{final.name}.", dir=final.parent, delete=False) as file:
        made = Path(file.name)
        try:
            yield file
            file.flush()
            if mode_of(final) is None:
                os.fchmod(file.fileno(), 0o666 & ~umask())
            os.fsync(file.fileno())
            replace_file(made, final)
            sync_folder(final.parent)
        finally:
            made.unlink(missing_ok=True)


def umask() -> int:
    """What this process takes from the permissions of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
