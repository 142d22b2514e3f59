"""Graphs on disk: a model in the format of OpenVINO or ONNX, with a note on its source.

`rerank export` writes such a folder; a run without one writes it to the user's cache. The note lists the SHA-256 of
each file, so that a damaged or replaced file is refused.
"""

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rerank_cli.core.dtypes import GRAPH_DTYPES
from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import read_json, require_file
from rerank_cli.models.hashes import sha256_of
from rerank_cli.models.libraries import user_cache

NOTE = "rerank_export.json"
MAIN = {"openvino": "openvino_model.xml", "onnx": "model.onnx"}
DAY_S = 24 * 3600
LITTLE = 2**20  # bytes; with less free, a failed write is blamed on the disk
OF_A_DISK = ("iostream error", "No space left", "os error 28", "os error 122", "Disk quota exceeded", "File too large")
MAKE_ROOM = "Free some space there, or set RERANK_CACHE or TMPDIR to a folder on another disk."
EXPORT_AGAIN = "Export the model again with `rerank export`."


class NotMade(ModelError):
    """A library could not write a graph: the model is unsupported, or the disk is full."""


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    """A graph: its `format` ("openvino" or "onnx"), the dtype of its weights ("fp32", "fp16" or "int8"), and its files.

    `main` is the file that the engine opens; the others are in the same folder.
    """

    format: str
    dtype: str
    main: Path
    files: tuple[Path, ...]
    note: dict[str, Any]


def exported_graph(folder: Path, verify: bool = False) -> ExportedGraph | None:
    """The exported graph in a folder; None without our note. With `verify`, its files are hashed again.

    Raises ModelError for a damaged one.
    """
    path = folder / NOTE
    if not os.path.lexists(path):
        return None
    note = read_json(path)
    form, dtype, files = note.get("format"), note.get("dtype"), note.get("files")
    if not isinstance(form, str) or form not in MAIN or not isinstance(dtype, str) or dtype not in GRAPH_DTYPES:
        raise ModelError(f"{path}: not a note of `rerank export`", EXPORT_AGAIN)
    if not isinstance(files, dict):
        raise ModelError(f"{path}: not a note of `rerank export`", EXPORT_AGAIN)
    stem = MAIN[form].partition(".")[0]
    there = {path.name for path in folder.glob(f"{stem}.*")}  # the engine also opens other files in the folder
    if MAIN[form] not in files or there - files.keys() or any(Path(name).name != name for name in files):
        raise ModelError(f"{path}: does not list the files of the graph", EXPORT_AGAIN)
    found = tuple(folder / name for name in sorted(files))
    for file in found:
        require_file(file)
        if sha256_of(file, verify) != files[file.name]:
            raise ModelError(f"{file}: changed since the export (its SHA-256 differs)", EXPORT_AGAIN)
    return ExportedGraph(form, dtype, folder / MAIN[form], found, note)


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Write the note of a new graph: `note`, and the SHA-256 of each file."""
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != NOTE}
    text = json.dumps({**note, "files": files}, indent=2, ensure_ascii=False)
    (folder / NOTE).write_text(text + "\n", encoding="utf-8")


def cache_folder() -> Path:
    """The folder of cached graphs."""
    return user_cache() / "graphs"


def kept_path(note: dict[str, Any]) -> Path:
    """The cache folder of the graph that `note` describes."""
    return cache_folder() / sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()[:32]


def kept_graph(
    note: dict[str, Any], make: Callable[[Path], None], scratch: Path | None, verify: bool = False, model: str = ""
) -> ExportedGraph:
    """The graph that `note` describes, from the cache or written by `make(folder)`; of `model`, for people.

    A folder in the cache is complete: it is written under a temporary name and renamed. With `verify`, its files are
    hashed again. If the cache is not writable or full, the graph is written to `scratch`. Libraries report a full disk
    in different ways, so after any failure in the cache `scratch` is tried. Raises ModelError if that fails too.
    """
    kept = kept_path(note)
    if (graph := _graph_of(kept, note, verify)) is not None:
        with suppress(OSError):
            os.utime(kept / NOTE)  # that it was used
        return graph
    noted = {**note, "model": model}
    folder = _filled_beside(kept, make, noted)
    folder = _filled_scratch(scratch, make, noted) if folder is None else _put_in_place(folder, kept, note)
    graph = exported_graph(folder)
    if graph is None:
        raise ModelError(f"{folder}: the new graph was removed", "Run again. Another program may clean the cache.")
    return graph


def _filled_beside(kept: Path, make: Callable[[Path], None], note: dict[str, Any]) -> Path | None:
    """A new folder next to `kept` with the graph; None if it cannot be written there."""
    folder = _beside(kept)
    if folder is None:
        return None
    try:
        _fill(folder, make, note)
    except (NotMade, OSError):  # possibly a full disk
        return None
    return folder


def _filled_scratch(scratch: Path | None, make: Callable[[Path], None], note: dict[str, Any]) -> Path:
    if scratch is None:
        raise ModelError("neither the cache nor a temporary folder can hold the graph", MAKE_ROOM)
    try:
        _fill(scratch, make, note)
    except OSError as fault:
        raise ModelError(f"{scratch}: cannot be written ({fault.strerror or fault})", MAKE_ROOM) from None
    return scratch


@contextmanager
def scratch_folder() -> Iterator[Path | None]:
    """A temporary folder, removed afterwards; None if it cannot be created (a cached graph does not need one)."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="rerank-"))
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        discard(folder)


def words_of_a_full_disk(fault: BaseException, folder: Path) -> str | None:
    """The disk fault behind a failed write in `folder`, if there is one. Call this before files are removed."""
    chain: list[BaseException] = [fault]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    for each in chain:
        if isinstance(each, OSError) and each.errno is not None:
            return each.strerror
    said = " ".join(map(str, chain))
    with suppress(OSError):
        if shutil.disk_usage(folder).free < LITTLE:
            return os.strerror(errno.ENOSPC)
    return os.strerror(errno.ENOSPC) if any(words in said for words in OF_A_DISK) else None


def _beside(kept: Path) -> Path | None:
    """A new folder next to `kept`; None if that is not possible."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _sweep(kept)
        return Path(tempfile.mkdtemp(prefix=f"{kept.name}.", dir=kept.parent))
    except OSError:
        return None


def _fill(folder: Path, make: Callable[[Path], None], note: dict[str, Any]) -> None:
    """Write the graph and its note, or leave nothing. Raises OSError for disk faults, whatever the library raised."""
    try:
        make(folder)
        write_note(folder, note)
    except BaseException as fault:
        full = words_of_a_full_disk(fault, folder) if isinstance(fault, NotMade) else None
        discard(folder)
        if full is not None:
            raise OSError(errno.ENOSPC, full) from fault
        raise


def _graph_of(kept: Path, note: dict[str, Any], verify: bool = False) -> ExportedGraph | None:
    """The valid graph in `kept` with this `note`; None without one."""
    with suppress(ModelError):
        graph = exported_graph(kept, verify)
        if graph is not None and all(graph.note.get(name) == value for name, value in note.items()):
            return graph
    return None


def _put_in_place(new: Path, kept: Path, note: dict[str, Any]) -> Path:
    """Rename to `kept`. If another run has put the same graph there, use that. A damaged or foreign one is replaced."""
    for _ in range(2):
        try:
            new.rename(kept)
            return kept
        except OSError:
            if _graph_of(kept, note) is not None:
                discard(new)
                return kept
            discard(kept)
    return new


def _sweep(kept: Path) -> None:
    """Remove temporary folders of this graph that killed runs left, once they are a day old."""
    for left in kept.parent.glob(f"{kept.name}.*"):
        with suppress(OSError):  # another run may remove them too
            if left.stat().st_mtime < time.time() - DAY_S:
                discard(left)


def discard(folder: Path) -> None:
    """Remove a folder with its content, as far as possible; of a link, only the link."""
    if folder.is_symlink():
        with suppress(OSError):
            folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
