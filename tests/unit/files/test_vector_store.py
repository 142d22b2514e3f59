"""The store of vectors, beyond what is true of every store: the files of its numbers."""

import errno
import os
import sqlite3
import subprocess
import sys

import pytest
from support.running import environment
from support.stores import begun, key

from rerank_cli.core.errors import OutputError
from rerank_cli.files.number_files import MOST_EACH, files_in
from rerank_cli.files.vector_store import BYTES_EACH, VectorStore

BLOCK = bytes(range(256)) * 4  # of a document


def opened(folder):
    return VectorStore(folder, "--vectors")


@pytest.fixture
def store(tmp_path):
    made = opened(tmp_path)
    yield made
    made.close()


def block(number):
    return BLOCK[number % 200 :]


def filled(store, numbers):
    """Add a document a write; what a run that begins now sees."""
    model, _ = begun(store)
    for number in numbers:
        store.add(model, [(key(number), block(number))])
    return begun(store)[1]


def found(store, numbers, seen):
    """The numbers of documents that are found, which must be right."""
    kept, _ = store.find([key(number) for number in numbers], seen.number)
    assert all(kept[key(number)] == block(number) for number in numbers if key(number) in kept)
    return [number for number in numbers if key(number) in kept]


def test_the_numbers_lie_one_after_another_and_nothing_else(store, tmp_path):
    filled(store, range(5))
    (path,) = files_in(tmp_path)
    assert path.read_bytes() == b"".join(map(block, range(5)))
    assert store.size_in(tmp_path) == sum(each.stat().st_size for each in tmp_path.iterdir())


def test_no_flipped_byte_gives_wrong_numbers_and_damage_is_replaced(store, tmp_path):
    seen = filled(store, range(4))
    (path,) = files_in(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert len(found(store, range(4), seen)) == 3
    damaged = store.find([key(number) for number in range(4)], seen.number)[1]
    assert damaged == [key(3)]
    store.add(begun(store)[0], [(key(3), block(3))], damaged)
    after = begun(store)[1]
    assert after.epoch == seen.epoch + 1
    assert found(store, range(4), after) == [0, 1, 2, 3]


def cut_off(path):
    with path.open("r+b") as file:
        file.truncate(len(block(0)) + 10)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


def make_a_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("lose", "left"), [(cut_off, [0]), (os.unlink, []), (make_a_folder, []), (make_a_link, [])], ids=lambda each: ""
)
def test_a_file_that_is_cut_off_or_gone_is_damage(store, tmp_path, lose, left):
    seen = filled(store, range(4))
    store.close()
    (path,) = files_in(tmp_path)
    lose(path)
    again = opened(tmp_path)
    assert found(again, range(4), seen) == left
    assert len(again.find([key(number) for number in range(4)], seen.number)[1]) == 4 - len(left)
    again.close()


@pytest.mark.parametrize("column", ["file", "place", "size", "crc"])
@pytest.mark.parametrize("value", [-1, 0, 7, 2**62, "a", b"b", 1.5])
def test_whatever_the_index_says_numbers_are_right_or_damaged(store, column, value):
    seen = filled(store, range(1, 4))
    with sqlite3.connect(store.path) as direct:
        direct.execute(f"UPDATE vectors SET {column} = ? WHERE key = ?", (value, key(2)))
    direct.close()
    assert found(store, range(1, 4), seen) == [1, 3]


def test_what_a_killed_write_left_behind_the_end_is_overwritten(store, tmp_path):
    filled(store, range(3))
    (path,) = files_in(tmp_path)
    path.write_bytes(path.read_bytes() + b"left by a killed process" * 100)
    seen = filled(store, range(3, 6))
    assert found(store, range(6), seen) == list(range(6))


def test_a_write_that_the_disk_has_no_room_for_stores_nothing(store, tmp_path, monkeypatch):
    seen = filled(store, range(3))
    whole = os.pwrite
    left = [100]

    def full(descriptor, content, place):
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(descriptor, bytes(content)[: left.pop()], place)

    model, _ = begun(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OutputError, match="space"):
            store.add(model, [(key(3), block(3))])
    assert store.shares()[0].entries == 3
    after = filled(store, range(3, 5))
    assert after.epoch == seen.epoch
    assert found(store, range(5), after) == list(range(5))


def test_the_oldest_files_are_removed_whole_and_the_rest_stays(store, tmp_path):
    most = 40 * (len(BLOCK) + BYTES_EACH)
    model, before = begun(store)
    dropped = 0
    for number in range(200):
        store.add(model, [(key(number), block(number))])
        epoch = store.epoch
        assert store.keep_within(most, 999)
        dropped += store.epoch - epoch
        assert sum(path.stat().st_size for path in files_in(tmp_path)) + BYTES_EACH * 40 <= most + len(BLOCK)
    seen = begun(store)[1]
    assert dropped > 5
    assert seen.epoch == before.epoch + dropped
    left = found(store, range(200), seen)
    assert left == list(range(200 - len(left), 200))
    assert 30 < len(left) == seen.entries
    assert len(files_in(tmp_path)) > 5


def test_less_than_a_write_may_be_kept(store, tmp_path):
    seen = filled(store, range(3))
    assert store.keep_within(1, 99)
    assert files_in(tmp_path) == []
    after = filled(store, [7])
    assert (after.epoch, found(store, [1, 7], after)) == (seen.epoch + 1, [7])


def test_a_reader_holds_no_file_that_was_removed(store, tmp_path):
    reader = opened(tmp_path)
    seen = filled(store, range(3))
    assert found(reader, range(3), seen) == [0, 1, 2]
    store.keep_within(1, 99)
    after = filled(store, [7])
    assert found(reader, range(8), after) == [7]
    assert [os.fstat(descriptor).st_nlink for descriptor in reader._files._open.values()] == [1]
    reader.close()


def test_a_file_that_a_killed_process_did_not_come_to_remove_is_removed_later(store, tmp_path):
    filled(store, range(3))
    (path,) = files_in(tmp_path)
    kept = path.read_bytes()
    store.keep_within(1, 99)
    path.write_bytes(kept)
    other = tmp_path / path.name.replace("-1", "-99")  # as of a process that adds it just now
    other.write_bytes(b"new")
    foreign = tmp_path / "vectors-00000000-1.f16"
    foreign.write_bytes(b"of another store")
    filled(store, [7])
    store.keep_within(2000, 99)
    assert not path.exists()
    assert other.exists()
    assert foreign.exists()


def test_where_there_is_no_fdatasync_as_on_macos_files_are_synced_as_well(tmp_path):
    program = """if True:
        import os, sys
        del os.fdatasync
        from pathlib import Path
        from rerank_cli.files.vector_store import VectorStore
        store = VectorStore(Path(sys.argv[1]), "")
        model, _ = store.begin({}, "m", 0)
        store.add(model, [(bytes(16), b"some numbers")])
        assert store.find([bytes(16)], 9)[0] == {bytes(16): b"some numbers"}
    """
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment())


def test_what_is_left_without_an_index_is_cleared(store, tmp_path):
    filled(store, range(3))
    store.close()
    for path in VectorStore.paths_in(tmp_path):
        path.unlink(missing_ok=True)
    again = opened(tmp_path)
    filled(again, range(4))
    assert len(files_in(tmp_path)) == 2
    again.clear()
    again.close()
    assert files_in(tmp_path) == []


def test_files_alone_are_what_is_left_of_a_store(store, tmp_path):
    filled(store, range(3))
    store.close()
    for path in VectorStore.paths_in(tmp_path):
        path.unlink(missing_ok=True)
    assert VectorStore.left_in(tmp_path)
    assert VectorStore.remove_from(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not VectorStore.left_in(tmp_path)


def test_a_folder_that_cannot_be_listed_is_an_error_of_ours(store, tmp_path, monkeypatch):
    def refused(_path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    filled(store, range(3))
    monkeypatch.setattr(os, "listdir", refused)
    for work in (lambda: store.keep_within(1, 99), lambda: store.size_in(tmp_path), store.clear):
        with pytest.raises(OutputError):
            work()


def test_an_entry_of_an_impossible_size_is_not_read(store, tmp_path):
    seen = filled(store, range(2))
    (path,) = files_in(tmp_path)
    with path.open("r+b") as file:
        file.truncate(MOST_EACH + 10**6)
    with sqlite3.connect(store.path) as direct:
        direct.execute("UPDATE vectors SET size = ? WHERE key = ?", (MOST_EACH + 1, key(1)))
    direct.close()
    assert found(store, range(2), seen) == [0]
    store.add(begun(store)[0], [(key(5), bytes(MOST_EACH + 1)), (key(6), block(6))])
    assert found(store, [5, 6], begun(store)[1]) == [6]


def test_known_keys_are_those_that_a_run_sees(store):
    seen = filled(store, range(3))
    filled(store, range(3, 5))
    assert store.known([key(number) for number in range(9)], seen.number) == {key(0), key(1), key(2)}
