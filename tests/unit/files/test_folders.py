"""A folder that is swapped in when it is complete."""

from pathlib import Path

import pytest

from rerank_cli.files.durable import umask
from rerank_cli.files.folders import apply_umask, swap_folder, sync_tree


def filled(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "f").write_text(text)
    return folder


def test_a_new_folder_gets_its_place(tmp_path: Path) -> None:
    swap_folder(filled(tmp_path / "new", "new"), tmp_path / "final", tmp_path / "former")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_the_folder_before_is_moved_away_whole(tmp_path: Path) -> None:
    filled(tmp_path / "final", "old")
    swap_folder(filled(tmp_path / "new", "new"), tmp_path / "final", tmp_path / "former")
    assert (tmp_path / "final" / "f").read_text() == "new"
    assert (tmp_path / "former" / "f").read_text() == "old"
    assert not (tmp_path / "new").exists()


def test_the_folder_before_is_put_back_when_the_new_one_cannot_be_moved(tmp_path: Path) -> None:
    filled(tmp_path / "final", "old")
    with pytest.raises(FileNotFoundError):
        swap_folder(tmp_path / "missing", tmp_path / "final", tmp_path / "former")
    assert (tmp_path / "final" / "f").read_text() == "old"
    assert not (tmp_path / "former").exists()


def test_all_in_a_folder_gets_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    inner = filled(tmp_path / "inner", "text")
    (inner / "f").chmod(0o600)
    inner.chmod(0o700)
    apply_umask(tmp_path)
    sync_tree(tmp_path)
    assert inner.stat().st_mode & 0o777 == 0o777 & ~umask()
    assert (inner / "f").stat().st_mode & 0o777 == 0o666 & ~umask()
