"""A large file of a model is hashed once; a note of what it was is never believed about another."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rerank_cli.core.errors import ModelError
from rerank_cli.models import hashes
from rerank_cli.models.hashes import COARSEST_CLOCK_NS, LARGE, files_sha256, hashes_folder, sha256_of

LONG_AGO = 1_600_000_000 * 10**9


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RERANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hashes"


@pytest.fixture
def weights(tmp_path: Path, later: None) -> Path:
    """A large file that was written well before it is hashed."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"a" * LARGE)
    return path


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of hashing, far enough from the files that the test has just written."""
    clock = time.time_ns
    monkeypatch.setattr(hashes.time, "time_ns", lambda: clock() + 2 * COARSEST_CLOCK_NS)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose bytes are read to be hashed."""
    read: list[Path] = []
    hashed: Callable[[Path], str] = hashes._hashed
    monkeypatch.setattr(hashes, "_hashed", lambda path: (read.append(path), hashed(path))[1])
    return read


def again(path: Path, verify: bool = False) -> str:
    """The hash as another process would find it, without what this one remembers."""
    hashes._sha256.cache_clear()
    return sha256_of(path, verify)


def true_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_large_file_is_read_once_and_its_hash_is_the_same_from_the_note(weights: Path, reads: list[Path]) -> None:
    assert [again(weights) for _ in range(3)] == [true_hash(weights)] * 3
    assert reads == [weights]


def test_verify_reads_the_file_again_and_finds_what_its_times_do_not_show(weights: Path, cache: Path) -> None:
    first = again(weights)
    (note,) = cache.iterdir()
    wrong = json.loads(note.read_text()) | {"sha256": "0" * 64}
    note.write_text(json.dumps(wrong))
    assert (again(weights), again(weights, verify=True)) == ("0" * 64, first)
    assert again(weights) == first, "verifying corrects the note"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(b"b" * LARGE), id="other bytes of the same number"),
        pytest.param(lambda path: path.write_bytes(b"a" * (LARGE + 1)), id="another size"),
        pytest.param(lambda path: os.utime(path, ns=(LONG_AGO, LONG_AGO)), id="another time"),
        pytest.param(
            lambda path: (path.with_name("new").write_bytes(b"b" * LARGE), os.replace(path.with_name("new"), path)),
            id="another file in its place",
        ),
    ],
)
def test_a_file_that_changed_is_read_again(weights: Path, reads: list[Path], change: Callable[[Path], None]) -> None:
    again(weights)
    change(weights)
    assert again(weights) == true_hash(weights)
    assert reads == [weights] * 2


def test_a_change_that_restores_the_time_and_the_size_is_seen(weights: Path) -> None:
    again(weights)
    before = weights.stat()
    weights.write_bytes(b"b" * LARGE)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert again(weights) == true_hash(weights)


def test_no_note_is_made_of_a_file_that_has_just_changed(tmp_path: Path, cache: Path, reads: list[Path]) -> None:
    fresh = tmp_path / "fresh.safetensors"
    fresh.write_bytes(b"a" * LARGE)
    future = time.time_ns() + 3600 * 10**9  # so that no pause between writing and hashing is long enough
    os.utime(fresh, ns=(future, future))
    assert again(fresh) == again(fresh) == true_hash(fresh)
    assert (reads, cache.exists()) == ([fresh, fresh], False)


def test_no_note_is_made_of_a_file_that_changes_while_it_is_read(
    weights: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = hashes._hashed

    def changing(path: Path) -> str:
        found = hashed(path)
        path.write_bytes(b"c" * LARGE)
        return found

    monkeypatch.setattr(hashes, "_hashed", changing)
    again(weights)
    monkeypatch.undo()
    assert not cache.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"sha256": 5}', b"\xff", b'{"sha256": "abc"}'])
def test_a_damaged_note_is_written_anew(weights: Path, cache: Path, reads: list[Path], content: bytes) -> None:
    again(weights)
    (note,) = cache.iterdir()
    note.write_bytes(content)
    assert again(weights) == again(weights) == true_hash(weights)
    assert reads == [weights] * 2


def test_a_note_of_another_file_is_not_believed(weights: Path, cache: Path, tmp_path: Path) -> None:
    again(weights)
    (note,) = cache.iterdir()
    other = tmp_path / "other"
    other.write_bytes(b"b" * LARGE)
    again(other)
    (copied,) = set(cache.iterdir()) - {note}
    copied.write_bytes(note.read_bytes())
    assert again(other) == true_hash(other)


def test_links_to_a_file_share_its_note(weights: Path, tmp_path: Path, reads: list[Path]) -> None:
    link = tmp_path / "link"
    link.symlink_to(weights)
    assert again(weights) == again(link)
    assert reads == [weights]


def test_small_files_have_no_notes(tmp_path: Path, cache: Path, later: None) -> None:
    small = tmp_path / "config.json"
    small.write_text("{}")
    assert again(small) == true_hash(small)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_costs_a_reading(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[Path]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RERANK_CACHE", str(tmp_path / "file" / "below"))
    assert again(weights) == again(weights) == true_hash(weights)
    assert reads == [weights] * 2


def test_a_file_that_is_not_there_is_an_error_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        sha256_of(tmp_path / "missing")


def test_the_hash_of_several_files_depends_on_their_names_and_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    assert files_sha256([one]) == true_hash(one)
    assert files_sha256([one, two]) != files_sha256([two, one])


def test_the_notes_are_in_the_cache_of_the_user(cache: Path) -> None:
    assert hashes_folder() == cache
