"""Graphs on disk: a model as OpenVINO or ONNX reads it, with a note of what it was made from.

`rerank export` makes such a folder for keeps; a run that finds none makes one in the user's cache. The note lists the
SHA-256 of each file, so that a damaged or exchanged one is refused and never scores.
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
LITTLE = 2**20  # bytes; a disk with less was the reason why something could not be written
OF_A_DISK = ("iostream error", "No space left", "os error 28", "os error 122", "Disk quota exceeded", "File too large")
MAKE_ROOM = "Make room there, or set RERANK_CACHE or TMPDIR to a folder on another disk."
ANEW = "Export the model anew with `rerank export`."


class NotMade(ModelError):
    """A library failed to make a graph: the model is none that it can take, or the disk is full."""


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    """A graph's `format` ("openvino" or "onnx"), the numbers it holds ("fp32", "fp16" or "int8"), and its files.

    `main` is the file that the engine opens; the others lie beside it.
    """

    format: str
    dtype: str
    main: Path
    files: tuple[Path, ...]
    note: dict[str, Any]


def exported_graph(folder: Path) -> ExportedGraph | None:
    """The graph in a folder that we made; None without our note. Raises ModelError for one that is damaged."""
    path = folder / NOTE
    if not os.path.lexists(path):
        return None
    note = read_json(path)
    form, dtype, files = note.get("format"), note.get("dtype"), note.get("files")
    if not isinstance(form, str) or form not in MAIN or not isinstance(dtype, str) or dtype not in GRAPH_DTYPES:
        raise ModelError(f"{path}: not a note of `rerank export`", ANEW)
    if not isinstance(files, dict):
        raise ModelError(f"{path}: not a note of `rerank export`", ANEW)
    stem = MAIN[form].partition(".")[0]
    there = {path.name for path in folder.glob(f"{stem}.*")}  # the engine opens files beside the one it is given
    if MAIN[form] not in files or there - files.keys() or any(Path(name).name != name for name in files):
        raise ModelError(f"{path}: does not name the files of a graph beside it", ANEW)
    found = tuple(folder / name for name in sorted(files))
    for file in found:
        require_file(file)
        if sha256_of(file) != files[file.name]:
            raise ModelError(f"{file}: is not what was exported (its SHA-256 differs)", ANEW)
    return ExportedGraph(form, dtype, folder / MAIN[form], found, note)


def write_note(folder: Path, note: dict[str, Any]) -> None:
    """Note beside a new graph what it is: `note`, and the SHA-256 of each file."""
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != NOTE}
    text = json.dumps({**note, "files": files}, indent=2, ensure_ascii=False)
    (folder / NOTE).write_text(text + "\n", encoding="utf-8")


def cache_folder() -> Path:
    """Where made graphs are kept."""
    return user_cache() / "graphs"


def kept_path(note: dict[str, Any]) -> Path:
    """The folder in the cache for the graph that `note` describes."""
    return cache_folder() / sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()[:32]


def kept_graph(note: dict[str, Any], make: Callable[[Path], None], scratch: Path | None) -> ExportedGraph:
    """The graph that `note` describes, from the cache or made now by `make(folder)`.

    A folder that appears in the cache is whole: it is made beside and renamed. Without a cache that can be written, or
    without room there, it is made in `scratch`. Libraries have no one way to say that a disk is full, so whatever fails
    in the cache is tried again in `scratch`. Raises ModelError when not even that is possible.
    """
    kept = kept_path(note)
    if (graph := _graph_of(kept, note)) is not None:
        return graph
    made = _filled_beside(kept, make, note)
    made = _filled_scratch(scratch, make, note) if made is None else _put_in_place(made, kept, note)
    graph = exported_graph(made)
    if graph is None:
        raise ModelError(f"{made}: the graph just made is gone", "Is something cleaning the cache? Run again.")
    return graph


def _filled_beside(kept: Path, make: Callable[[Path], None], note: dict[str, Any]) -> Path | None:
    """A new folder beside `kept` with the graph in it; None where it could not be made there."""
    made = _beside(kept)
    if made is None:
        return None
    try:
        _fill(made, make, note)
    except (NotMade, OSError):  # no room there, perhaps
        return None
    return made


def _filled_scratch(scratch: Path | None, make: Callable[[Path], None], note: dict[str, Any]) -> Path:
    if scratch is None:
        raise ModelError("no temporary folder can be written, and no room for the graph in the cache", MAKE_ROOM)
    try:
        _fill(scratch, make, note)
    except OSError as fault:
        raise ModelError(f"{scratch}: cannot be written ({fault.strerror or fault})", MAKE_ROOM) from None
    return scratch


@contextmanager
def scratch_folder() -> Iterator[Path | None]:
    """A temporary folder, removed afterwards; None where there is no room for one, which a kept graph does without."""
    try:
        made = Path(tempfile.mkdtemp(prefix="rerank-"))
    except OSError:
        yield None
        return
    try:
        yield made
    finally:
        discard(made)


def words_of_a_full_disk(fault: BaseException, folder: Path) -> str | None:
    """What a failure to write in `folder` says of the disk, if it is the disk's; to be asked before room is made."""
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
    """A new folder beside `kept`; None where that is not possible."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _sweep(kept)
        return Path(tempfile.mkdtemp(prefix=f"{kept.name}.", dir=kept.parent))
    except OSError:
        return None


def _fill(folder: Path, make: Callable[[Path], None], note: dict[str, Any]) -> None:
    """Make the graph and its note, or leave nothing. Raises OSError for the disk, whatever the library raised."""
    try:
        make(folder)
        write_note(folder, note)
    except BaseException as fault:
        full = words_of_a_full_disk(fault, folder) if isinstance(fault, NotMade) else None
        discard(folder)
        if full is not None:
            raise OSError(errno.ENOSPC, full) from fault
        raise


def _graph_of(kept: Path, note: dict[str, Any]) -> ExportedGraph | None:
    """The whole graph in `kept` that was made from what `note` says."""
    with suppress(ModelError):
        graph = exported_graph(kept)
        if graph is not None and all(graph.note.get(name) == value for name, value in note.items()):
            return graph
    return None


def _put_in_place(made: Path, kept: Path, note: dict[str, Any]) -> Path:
    """Rename; where another run put the same graph meanwhile, take that; what is damaged or foreign gives way."""
    for _ in range(2):
        try:
            made.rename(kept)
            return kept
        except OSError:
            if _graph_of(kept, note) is not None:
                discard(made)
                return kept
            discard(kept)
    return made


def _sweep(kept: Path) -> None:
    """Remove what runs that were killed while they made this graph left behind, once it is a day old."""
    for left in kept.parent.glob(f"{kept.name}.*"):
        with suppress(OSError):  # another run sweeps, too
            if left.stat().st_mtime < time.time() - DAY_S:
                discard(left)


def discard(folder: Path) -> None:
    """Remove a folder and what is in it, as far as that is possible; of a link, the link."""
    if folder.is_symlink():
        with suppress(OSError):
            folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
