"""Graphs on disk: whole or refused, made once."""

import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.running import HANG_S

from rerank_cli.core.errors import ModelError
from rerank_cli.models import hashes
from rerank_cli.models.graph_files import NOTE, cache_folder, exported_graph, kept_graph, kept_path, write_note

MADE = {"format": "onnx", "dtype": "fp32"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rerank" / "graphs"


def make(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"graph")
    (folder / "model.onnx.data").write_bytes(b"weights")


def exported(folder: Path, **changes: Any) -> Path:
    folder.mkdir()
    make(folder)
    write_note(folder, MADE)
    note = json.loads((folder / NOTE).read_text())
    (folder / NOTE).write_text(json.dumps({**note, **changes}))
    return folder


def test_a_folder_that_was_exported_is_known_with_all_its_files(tmp_path: Path) -> None:
    graph = exported_graph(exported(tmp_path / "g"))
    assert graph is not None
    assert (graph.format, graph.dtype, graph.main) == ("onnx", "fp32", tmp_path / "g" / "model.onnx")
    assert [path.name for path in graph.files] == ["model.onnx", "model.onnx.data"]


def test_any_other_folder_is_none(tmp_path: Path) -> None:
    make(tmp_path)
    assert exported_graph(tmp_path) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "pickle"},
        {"format": ["onnx"]},
        {"dtype": "fp64"},
        {"dtype": None},
        {"files": None},
        {"files": []},
        {"files": {}},
        {"files": {"model.onnx": None}},
    ],
)
def test_a_note_that_is_damaged_or_hostile_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        exported_graph(exported(tmp_path / "g", **changes))


@pytest.mark.parametrize("name", ["../model.onnx", "{folder}/model.onnx", "gone", "", ".."])
def test_a_note_that_lists_a_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """All else in it is true."""
    folder = exported(tmp_path / "g")
    note = json.loads((folder / NOTE).read_text())
    (tmp_path / "model.onnx").write_bytes(b"graph")
    note["files"][name.format(folder=folder)] = note["files"]["model.onnx"]
    (folder / NOTE).write_text(json.dumps(note))
    with pytest.raises(ModelError):
        exported_graph(folder)


def test_a_graph_kept_under_the_name_of_another_is_made_anew(tmp_path: Path) -> None:
    first = kept_graph(MADE, make, tmp_path)
    other = {**MADE, "weights_sha256": "other"}
    kept_path(other).symlink_to(first.main.parent)
    graph = kept_graph(other, make, tmp_path)
    assert graph.note["weights_sha256"] == "other"


def test_a_file_beside_the_graph_that_the_note_does_not_list_is_refused(tmp_path: Path) -> None:
    folder = exported(tmp_path / "g")
    note = json.loads((folder / NOTE).read_text())
    del note["files"]["model.onnx.data"]
    (folder / NOTE).write_text(json.dumps(note))
    with pytest.raises(ModelError, match=r"rerank_export\.json"):
        exported_graph(folder)


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
@pytest.mark.parametrize("content", [b"", b"Graph", b"weightz"])
def test_a_file_with_other_bytes_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    folder = exported(tmp_path / "g")
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        exported_graph(folder)


def test_a_graph_is_made_once_and_kept_under_what_it_was_made_from(tmp_path: Path, cache: Path) -> None:
    made: list[Path] = []

    def counted(folder: Path) -> None:
        made.append(folder)
        make(folder)

    first = kept_graph(MADE, counted, tmp_path)
    assert kept_graph(MADE, counted, tmp_path) == first
    kept_graph({**MADE, "weights_sha256": "other"}, counted, tmp_path)
    assert len(made) == 2
    assert len(list(cache.iterdir())) == 2
    assert cache == cache_folder()


def test_a_graph_that_could_not_be_made_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    def fail(folder: Path) -> None:
        make(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_graph(MADE, fail, tmp_path / "scratch")
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_a_model_error(tmp_path: Path) -> None:
    def fail(_folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="scratch"):
        kept_graph(MADE, fail, tmp_path / "scratch")


def test_runs_that_make_the_same_graph_at_once_all_get_a_whole_one(tmp_path: Path, cache: Path) -> None:
    together = threading.Barrier(4)
    found = []

    def slowly(folder: Path) -> None:
        make(folder)
        together.wait(timeout=HANG_S)

    def run() -> None:
        found.append(kept_graph(MADE, slowly, tmp_path))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({graph.main for graph in found}) == 1
    assert len(list(cache.iterdir())) == 1


def test_what_a_killed_run_left_is_removed_after_a_day(tmp_path: Path, cache: Path) -> None:
    graph = kept_graph(MADE, make, tmp_path)
    name = graph.main.parent.name
    (graph.main).write_bytes(b"damaged")
    old, new = cache / f"{name}.old", cache / f"{name}.new"
    for folder in (old, new):
        folder.mkdir()
        make(folder)
    os.utime(old, (time.time() - 90_000,) * 2)
    kept_graph(MADE, make, tmp_path)
    assert sorted(path.name for path in cache.iterdir()) == sorted([name, new.name])


def test_a_relative_cache_folder_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/rerank/graphs")


@pytest.mark.parametrize(
    ("value", "folder"),
    [("/var/cache/of-us", "/var/cache/of-us"), ("~/ours", "/home/me/ours"), ("", "/elsewhere/rerank")],
)
def test_the_cache_is_where_our_variable_says(monkeypatch: pytest.MonkeyPatch, value: str, folder: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("RERANK_CACHE", value)
    assert cache_folder() == Path(folder) / "graphs"


def test_a_cache_without_room_is_left_as_it_was_and_the_graph_made_elsewhere(cache: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def make_where_there_is_room(folder: Path) -> None:
        make(folder)
        if folder != scratch:
            raise OSError(errno.ENOSPC, "No space left on device")

    assert kept_graph(MADE, make_where_there_is_room, scratch).main == scratch / "model.onnx"
    assert list(cache.iterdir()) == []


def test_without_room_anywhere_it_is_told(cache: Path, tmp_path: Path) -> None:
    def make_nowhere(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelError, match="scratch"):
        kept_graph(MADE, make_nowhere, tmp_path / "scratch")
    assert list(cache.iterdir()) == []


def test_verify_finds_a_kept_graph_that_its_notes_call_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a flipped bit on the disk, which changes no time."""
    clock = time.time_ns
    monkeypatch.setattr(hashes.time, "time_ns", lambda: clock() + 2 * hashes.COARSEST_CLOCK_NS)
    made: list[Path] = []

    def make_large(folder: Path) -> None:
        made.append(folder)
        (folder / "model.onnx").write_bytes(b"g" * hashes.LARGE)

    graph = kept_graph(MADE, make_large, tmp_path)
    state = hashes._state(graph.main)
    content = bytearray(graph.main.read_bytes())
    hashes._sha256.cache_clear()
    kept_graph(MADE, make_large, tmp_path)
    content[7] ^= 1
    graph.main.write_bytes(content)
    with monkeypatch.context() as frozen:
        frozen.setattr(hashes, "_state", lambda path: state)
        hashes._sha256.cache_clear()
        kept_graph(MADE, make_large, tmp_path)
        assert len(made) == 1, "the note is believed"
        with pytest.raises(ModelError):
            exported_graph(graph.main.parent, verify=True)
    kept_graph(MADE, make_large, tmp_path, verify=True)
    assert len(made) == 2
