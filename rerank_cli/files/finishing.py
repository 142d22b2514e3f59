"""The last steps of a run into a file: prepare FILE, check that it is complete, and make the renames."""

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
    """Write the table if FILE is parquet, and return the extent of FILE; `written` is that of the partial.

    Raises OutputError if the records make no table.
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
    """The existing errors file that is replaced, or removed because no record failed this time.

    If no record failed, only the errors file of an earlier run of this FILE is removed: FILE.meta.json names it, or it
    has the default name and holds error records.
    """
    if not paths.errors.is_file():
        return None
    found = extent_of(paths.errors)
    if failed or found == _noted_errors(paths) or (paths.has_default_errors and is_errors_file(paths.errors)):
        return found
    return None


def _noted_errors(paths: Paths) -> Extent | None:
    """The errors file of the run that wrote FILE, if it has the path of ours."""
    try:
        meta = orjson.loads(content_of(paths.beside(".meta.json")))
        named = paths.final.parent / os.fsdecode(unquote_to_bytes(meta["errors_file"]))
        same = os.path.realpath(named) == str(paths.errors)
        return Extent(int(meta["errors_bytes"]), int(meta["errors_crc32"])) if same else None
    except (ValueError, KeyError, TypeError):
        return None


def meta_json(paths: Paths, meta: dict[str, Any], complete: Commit) -> bytes:
    """FILE.meta.json: `meta`, and the sizes and CRCs by which FILE and the errors file are recognised."""
    document = {**meta, "output_bytes": complete.output.size, "output_crc32": complete.output.crc}
    if complete.errors.size:
        document["errors_file"] = _errors_path(paths)
        document["errors_bytes"], document["errors_crc32"] = complete.errors.size, complete.errors.crc
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def finishing_line(paths: Paths, complete: Commit, replaces: Extent | None) -> dict[str, Any]:
    """The journal line that announces the last renames; `replaces` is the errors file that is replaced or removed."""
    known = None if replaces is None else asdict(replaces)
    return {**complete.as_dict("finishing"), "errors_path": _errors_path(paths), "replaces": known}


def _errors_path(paths: Paths) -> str:
    """The path of the errors file, relative to FILE's folder if it is there: the folder may be moved meanwhile."""
    errors, folder = paths.errors, paths.final.parent
    return quote(os.fsencode(errors.name if errors.parent == folder else errors))


def complete_killed_run(paths: Paths, found: FoundJournal | None, resumable: bool) -> bool:
    """Make the last renames of a complete run that was killed between two of them. Returns whether there was one.

    Files that changed since are not touched: they count as a damaged partial output. Raises OutputError, and Refused
    when another program's file would be replaced by the meta data.
    """
    if found is None or not found.finishing:
        return False
    if name := os.fsdecode(unquote_to_bytes(found.errors_path)):
        paths = replace(paths, errors=paths.final.parent / name)  # that run may have had another --errors
    with disk_errors(paths, "read"):
        if not is_complete(paths, found.commit, found.replaces):
            return False
        refuse_foreign_meta(paths)
    with disk_errors(paths, "write", resumable):
        finish_renames(paths, found.commit.errors.size > 0, found.replaces)
    return True


def is_complete(paths: Paths, commit: Commit, replaces: Extent | None) -> bool:
    """Whether the files of a finishing run are unchanged, before or after its last rename.

    `replaces` is the errors file that it found: a different one is another run's.
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
    """Rename errors, then meta data, then FILE. Can be repeated from any point."""
    ready, meta = paths.ready, paths.beside(".meta.json.partial")
    if os.path.exists(ready):
        if has_errors and os.path.exists(paths.errors_partial):
            _move(paths.errors_partial, paths.errors)
            sync_folder(paths.errors.parent)
        elif not has_errors and replaces is not None and matches(paths.errors, replaces, exactly=True):
            paths.errors.unlink()  # of an earlier run: its records are scored now
            sync_folder(paths.errors.parent)
    if os.path.exists(meta):  # after a power loss, the later of two renames may exist without the earlier
        replace_file(meta, paths.beside(".meta.json"))
    if os.path.exists(ready):
        replace_file(ready, paths.final)
    sync_folder(paths.final.parent)
    if paths.is_table:
        paths.beside(".partial").unlink(missing_ok=True)
    paths.errors_partial.unlink(missing_ok=True)
    sync_folder(paths.final.parent)  # the journal is removed last: without it the files are not recognised as ours
    paths.beside(".journal").unlink(missing_ok=True)


def _move(partial: Path, final: Path) -> None:
    """Rename; to another file system, copy and then remove. Can be repeated."""
    try:
        replace_file(partial, final)
    except OSError as fault:
        if fault.errno != errno.EXDEV:
            raise
        with whole_file(final) as file, partial.open("rb") as source:
            shutil.copyfileobj(source, file)
        partial.unlink()
