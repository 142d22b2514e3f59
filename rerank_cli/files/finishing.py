"""The last steps of a file's run: what becomes FILE, whether it is all there, and the renames that make it final."""

import errno
import os
import shutil
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import orjson

from rerank_cli.core.errors import OutputError
from rerank_cli.files.append_only import extent_of, matches
from rerank_cli.files.disk_errors import disk_errors
from rerank_cli.files.durable import content_of, mode_of, replace_file, sync_folder, whole_file
from rerank_cli.files.journal import Commit, Extent, FoundJournal
from rerank_cli.files.ownership import is_errors_file, refuse_foreign_meta
from rerank_cli.files.paths import Paths


def make_ready(paths: Paths, written: Extent) -> Extent:
    """Make the table if FILE is one, and return what FILE will hold; `written` is what the partial holds.

    Raises OutputError if no table can be made.
    """
    if not paths.is_table:
        return written
    partial, table = paths.beside(".partial"), paths.ready
    try:
        import_module("rerank_cli.files.parquet").write_table(partial, table)
    except ValueError as fault:
        raise OutputError(
            f"{paths.final}: the records make no table ({fault})",
            f"They are in {partial.name} as JSON lines: copy it, or run again with -o FILE.jsonl.",
        ) from None
    if (mode := mode_of(partial)) is not None:
        os.chmod(table, mode)
    return extent_of(table)


def errors_to_replace(paths: Paths, failed: bool) -> Extent | None:
    """The errors file that is there now and gives way: to another one, or because nothing failed this time.

    Where nothing failed, one that is not known to be an earlier run's of this FILE stays: FILE.meta.json names it, or
    it has the default name and holds error records.
    """
    if not paths.errors.is_file():
        return None
    found = extent_of(paths.errors)
    if failed or found == _noted_errors(paths) or (paths.has_default_errors and is_errors_file(paths.errors)):
        return found
    return None


def _noted_errors(paths: Paths) -> Extent | None:
    """The errors file of the run that made FILE, if it lies where ours will."""
    try:
        meta = orjson.loads(content_of(paths.beside(".meta.json")))
        named = paths.final.parent / os.fsdecode(unquote_to_bytes(meta["errors_file"]))
        same = os.path.realpath(named) == str(paths.errors)
        return Extent(int(meta["errors_bytes"]), int(meta["errors_crc32"])) if same else None
    except (ValueError, KeyError, TypeError):
        return None


def meta_json(paths: Paths, meta: dict[str, Any], complete: Commit) -> bytes:
    """FILE.meta.json: `meta`, and by what FILE and the errors file are known again."""
    document = {**meta, "output_bytes": complete.output.size, "output_crc32": complete.output.crc}
    if complete.errors.size:
        document["errors_file"] = _errors_path(paths)
        document["errors_bytes"], document["errors_crc32"] = complete.errors.size, complete.errors.crc
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def finishing_line(paths: Paths, complete: Commit, replaces: Extent | None) -> dict[str, Any]:
    """The line of the journal that announces the last renames; `replaces` is the errors file that gives way."""
    known = None if replaces is None else asdict(replaces)
    return {**complete.as_dict("finishing"), "errors_path": _errors_path(paths), "replaces": known}


def _errors_path(paths: Paths) -> str:
    """Where the errors file will be, from FILE's folder if it lies there: the folder may be moved meanwhile."""
    errors, folder = paths.errors, paths.final.parent
    return quote(os.fsencode(errors.name if errors.parent == folder else errors))


def finish_interrupted(paths: Paths, found: FoundJournal | None, resumable: bool) -> bool:
    """Whether there was a run that was complete and then killed between two of its last renames, which are made now.

    Files that are not as that run left them are not touched: they count as a damaged partial output. Raises
    OutputError, and Refused when somebody else's meta data would be replaced.
    """
    if found is None or not found.finishing:
        return False
    if name := os.fsdecode(unquote_to_bytes(found.errors_path)):
        paths = replace(paths, errors=paths.final.parent / name)  # it may have been given another --errors
    with disk_errors(paths, "read"):
        if not is_complete(paths, found.commit, found.replaces):
            return False
        refuse_foreign_meta(paths)
    with disk_errors(paths, "write", resumable):
        finish_renames(paths, found.commit.errors.size > 0, found.replaces)
    return True


def is_complete(paths: Paths, commit: Commit, replaces: Extent | None) -> bool:
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


def finish_renames(paths: Paths, has_errors: bool, replaces: Extent | None) -> None:
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
