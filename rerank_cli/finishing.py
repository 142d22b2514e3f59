"""The last steps of a file's run: what becomes FILE, whether it is all there, and the renames that make it final."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import unquote_to_bytes

import orjson

from rerank_cli.appended import content_of, matches, replace_file, written_of
from rerank_cli.core.errors import OutputError
from rerank_cli.journal import Commit, Written, mode_of, sync_folder, write_all
from rerank_cli.ownership import is_errors_file
from rerank_cli.states import Paths

PREFIX = 48  # characters of a name that a temporary one keeps
BY_NUMBER = ("/dev/fd/", "/dev/std", "/proc/")


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
    return written_of(table)


def replaced_errors(paths: Paths, failed: bool) -> Written | None:
    """The errors file that is there now and gives way: to another one, or because nothing failed this time.

    Where nothing failed, one that is not known to be an earlier run's of this FILE stays: FILE.meta.json names it, or
    it has the default name and holds error records.
    """
    if not paths.errors.is_file():
        return None
    found = written_of(paths.errors)
    if failed or found == _noted_errors(paths) or (paths.has_default_errors and is_errors_file(paths.errors)):
        return found
    return None


def _noted_errors(paths: Paths) -> Written | None:
    """The errors file of the run that made FILE, if it lies where ours will."""
    try:
        meta = orjson.loads(content_of(paths.beside(".meta.json")))
        named = paths.final.parent / os.fsdecode(unquote_to_bytes(meta["errors_file"]))
        same = os.path.realpath(named) == str(paths.errors)
        return Written(int(meta["errors_bytes"]), int(meta["errors_crc32"])) if same else None
    except (ValueError, KeyError, TypeError):
        return None


def is_complete(paths: Paths, commit: Commit, replaces: Written | None) -> bool:
    """Whether the files of a run that was finishing are as it left them, before or after its last rename.

    `replaces` is the errors file that it found: another one that is there now is another run's.
    """
    if not os.path.exists(paths.ready):
        return matches(paths.final, commit.output, exactly=True)
    whole = matches(paths.ready, commit.output, exactly=True)
    if not commit.errors.size or not whole:
        return whole
    if not matches(paths.errors_partial, commit.errors, exactly=True):
        return matches(paths.errors, commit.errors, exactly=True)
    known = [each for each in (commit.errors, replaces) if each is not None]
    return not os.path.lexists(paths.errors) or any(matches(paths.errors, each, exactly=True) for each in known)


def finish_renames(paths: Paths, has_errors: bool, replaces: Written | None) -> None:
    """Errors, then meta data, then FILE itself; may be called again at any point of it."""
    ready, meta = paths.ready, paths.beside(".meta.json.partial")
    if os.path.exists(ready):
        if has_errors and os.path.exists(paths.errors_partial):
            _move(paths.errors_partial, paths.errors)
            sync_folder(paths.errors.parent)
        elif not has_errors and replaces is not None and matches(paths.errors, replaces, exactly=True):
            paths.errors.unlink()  # of an earlier run: it would speak of records that are fine now
            sync_folder(paths.errors.parent)
    if os.path.exists(meta):  # a power loss may keep the later of two renames and not the earlier
        replace_file(meta, paths.beside(".meta.json"))
    if os.path.exists(ready):
        replace_file(ready, paths.final)
    sync_folder(paths.final.parent)
    if paths.is_table:
        paths.beside(".partial").unlink(missing_ok=True)
    paths.errors_partial.unlink(missing_ok=True)
    sync_folder(paths.final.parent)  # the journal goes last: without it nothing tells that they are ours
    paths.beside(".journal").unlink(missing_ok=True)


def _move(partial: Path, final: Path) -> None:
    """Rename; to another file system, copy whole, then remove. May be repeated."""
    try:
        replace_file(partial, final)
    except OSError as fault:
        if fault.errno != errno.EXDEV:
            raise
        with whole_file(final) as file, partial.open("rb") as source:
            shutil.copyfileobj(source, file)
        partial.unlink()


@contextmanager
def whole_file(final: Path, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file to fill that becomes `final` when the block ends well, and of which nothing is left when it does not.

    For what takes too little time to be resumed. It is on disk before it takes its name, and gets the permissions of
    the file that it replaces; until then nobody else may open it. `final` is no symbolic link. Raises OSError, also
    (FileExistsError) when `final` is there by then and may not be replaced.
    """
    with NamedTemporaryFile("wb", prefix=f".{final.name[:PREFIX]}.", dir=final.parent, delete=False) as file:
        made = Path(file.name)
        try:
            yield file
            file.flush()
            if mode_of(final) is None:
                os.fchmod(file.fileno(), 0o666 & ~umask())
            os.fsync(file.fileno())
            if replace:
                replace_file(made, final)
            else:
                _name(made, final)
            with suppress(PermissionError):  # of a folder that may be written and not be read
                sync_folder(final.parent)
        finally:
            made.unlink(missing_ok=True)


def _name(made: Path, final: Path) -> None:
    """Give a file a name that nobody has. Raises FileExistsError."""
    try:
        os.link(made, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
        os.replace(made, final)


def put_file(path: str | Path, content: bytes) -> None:
    """Write what the user named a file for: whole and swapped in, where a link leads too. Raises OSError.

    A device, a FIFO and a file that is open already by a number (/dev/stdout) are written in place.
    """
    if _is_written_in_place(path):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            write_all(fd, content)
        finally:
            os.close(fd)
        return
    with whole_file(Path(os.path.realpath(path))) as file:
        file.write(content)


def _is_written_in_place(path: str | Path) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return not stat.S_ISREG(status.st_mode) or str(os.path.abspath(path)).startswith(BY_NUMBER)


def umask() -> int:
    """What this process takes from the permissions of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
