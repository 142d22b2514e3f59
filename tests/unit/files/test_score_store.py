"""The score cache on disk: what is seen of it, what is never overwritten, and what becomes of damage."""

import sqlite3
import struct
import subprocess
import sys
import threading

import pytest
from support.running import environment

from rerank_cli.core.errors import ConfigError, OutputError
from rerank_cli.files import network_disks
from rerank_cli.files.network_disks import network_disk_of
from rerank_cli.files.score_store import BYTES_EACH, ScoreStore

MADE_BY = {"model": "m", "dtype": "fp32"}


def key(number):
    return struct.pack(">QQ", number, number)


def opened(folder):
    return ScoreStore(folder, "--score-cache")


@pytest.fixture
def store(tmp_path):
    made = opened(tmp_path / "cache")
    yield made
    made.close()


def begun(store, made_by=None):
    return store.begin(made_by or MADE_BY, "m", 1_000_000)


def test_a_run_sees_what_was_there_when_it_began_and_nothing_later(store):
    model, first = begun(store)
    store.add(model, [(key(1), 1.5)])
    _, second = begun(store)
    store.add(model, [(key(2), 2.5)])
    wanted = [key(1), key(2), key(3)]
    assert store.find(wanted, first.number) == ({}, [])
    assert store.find(wanted, second.number) == ({key(1): 1.5}, [])
    assert store.find(wanted, begun(store)[1].number) == ({key(1): 1.5, key(2): 2.5}, [])
    assert (first.entries, second.entries) == (0, 1)


def test_the_first_writer_wins(store):
    model, _ = begun(store)
    store.add(model, [(key(1), 1.0)])
    store.add(model, [(key(1), 2.0), (key(2), 3.0)])
    assert store.find([key(1), key(2)], begun(store)[1].number)[0] == {key(1): 1.0, key(2): 3.0}
    assert [share.entries for share in store.shares()] == [2]


def test_many_keys_are_found_in_any_order(store):
    model, _ = begun(store)
    entries = [(key(n * 7919 % 5003), n / 8) for n in range(5003)]
    store.add(model, entries)
    found, damaged = store.find([each for each, _ in entries], begun(store)[1].number)
    assert (found, damaged) == (dict(entries), [])


def test_a_flipped_bit_of_a_value_its_number_or_its_checksum_is_a_miss_and_dropped_as_damage(tmp_path):
    for column, change in [("value", value) for value in range(8)] + [("number", None)]:
        store = opened(tmp_path / f"{column}{change}")
        model, _ = begun(store)
        store.add(model, [(key(1), 1.5), (key(2), 2.5)])
        with sqlite3.connect(store.path) as direct:
            value, number = direct.execute("SELECT value, number FROM scores WHERE key = ?", (key(1),)).fetchone()
            if change is not None:
                value = value[:change] + bytes([value[change] ^ 4]) + value[change + 1 :]
            changed = (value, number + (change is None), key(1))
            direct.execute("UPDATE scores SET value = ?, number = ? WHERE key = ?", changed)
        seen = begun(store)[1]
        assert store.find([key(1), key(2)], seen.number + 10) == ({key(2): 2.5}, [key(1)])
        store.add(model, [(key(1), 1.25)], damaged=[key(1), key(2)])
        after = begun(store)[1]
        assert store.find([key(1), key(2)], after.number) == ({key(1): 1.25, key(2): 2.5}, [])
        assert after.epoch == seen.epoch + 1
        store.close()


def test_no_flipped_byte_of_the_file_gives_a_wrong_logit(tmp_path):
    """What is damaged is missed, refused, or an error that ends the use of the file; and the rest is right."""
    store = opened(tmp_path / "whole")
    model, _ = begun(store)
    entries = {key(n * 2654435761 % 2**40): n / 4 for n in range(600)}
    store.add(model, list(entries.items()))
    number = begun(store)[1].number
    store.close()
    whole = store.path.read_bytes()
    outcomes = set()
    for place in range(0, len(whole), 97):
        folder = tmp_path / "flipped"
        folder.mkdir(exist_ok=True)
        for leftover in folder.iterdir():
            leftover.unlink()
        (folder / ScoreStore.name).write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            damaged = opened(folder)
        except (ConfigError, OutputError):
            outcomes.add("refused")
            continue
        try:
            found, _ = damaged.find(list(entries), number)
            assert found.items() <= entries.items()
            damaged.seen(MADE_BY)
            damaged.shares()
            damaged.add(begun(damaged)[0], [(key(1), 1.0)])
            outcomes.add("all" if len(found) == len(entries) else "some")
        except (ConfigError, OutputError):
            outcomes.add("failed")
        finally:
            damaged.close()
    assert {"refused", "all", "some"} <= outcomes


OPENING = """
import sys
from pathlib import Path
from rerank_cli.files.score_store import ScoreStore
sys.stdin.readline()
for number in range(12):
    ScoreStore(Path(sys.argv[1]) / str(number), "").close()
"""


def test_processes_that_begin_one_store_at_once_all_get_it(tmp_path):
    command = [sys.executable, "-c", OPENING, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) for _ in range(4)
    ]
    for process in started:
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [(process.communicate()[1], process.returncode) for process in started] == [(b"", 0)] * 4


def test_what_is_noted_is_on_disk_when_it_is_noted(store, monkeypatch):
    """The transaction that notes it waits for the disk, and reads what is seen: nothing comes in between."""
    done = []
    store._connection.set_trace_callback(lambda statement: done.append(statement.split()[0:3]))
    begun(store)
    words = [" ".join(each) for each in done]
    full, begin = words.index("PRAGMA synchronous ="), words.index("BEGIN IMMEDIATE")
    read, commit = words.index("SELECT id, epoch,"), words.index("COMMIT")
    assert full < begin < read < commit


def damage_a_leaf(folder):
    """Overwrite a page of the table of entries; a store with many entries, and their keys."""
    store = opened(folder)
    model, _ = begun(store)
    entries = {key(n * 2654435761 % 2**40): n / 4 for n in range(12_000)}
    store.add(model, list(entries.items()))
    store.close()
    with store.path.open("r+b") as file:
        file.seek(60 * 4096)
        file.write(b"\xff" * 4096)
    return entries


def test_with_a_damaged_page_other_entries_are_found_and_it_can_be_removed(tmp_path):
    entries = damage_a_leaf(tmp_path)
    store = opened(tmp_path)
    found, damaged = store.find(list(entries), 10)
    assert 0 < len(damaged) < 400
    assert len(found) == len(entries) - len(damaged)
    assert found.items() <= entries.items()
    store.close()
    assert ScoreStore.remove_from(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_a_file_of_ours_is_removed(tmp_path):
    (tmp_path / ScoreStore.name).write_bytes(b"not ours" * 100)
    assert not ScoreStore.remove_from(tmp_path)
    assert (tmp_path / ScoreStore.name).exists()
    assert not ScoreStore.remove_from(tmp_path / "none")


def test_the_oldest_entries_are_dropped_when_there_are_too_many_and_the_epoch_rises(store):
    model, seen = begun(store)
    for write in range(10):
        store.add(model, [(key(write * 100 + n), 1.0) for n in range(100)])
    assert not store.keep_within(1000 * BYTES_EACH)
    store.add(model, [(key(5000), 1.0)])
    assert store.keep_within(1000 * BYTES_EACH)
    after = begun(store)[1]
    assert (after.epoch, after.entries) == (seen.epoch + 1, 801)
    wanted = [key(0), key(199), key(200), key(5000)]
    assert store.find(wanted, after.number)[0].keys() == {key(200), key(5000)}


def test_a_cleared_store_is_empty_and_small_and_of_another_epoch(store, tmp_path):
    model, seen = begun(store)
    store.add(model, [(key(n), 1.0) for n in range(5000)])
    before = store.size_in(tmp_path / "cache")
    store.clear()
    after = begun(store)[1]
    assert (after.entries, after.epoch, after.store) == (0, seen.epoch + 1, seen.store)
    assert store.find([key(1)], after.number) == ({}, [])
    assert store.size_in(tmp_path / "cache") < before / 4


def test_two_writers_at_once_lose_nothing(tmp_path):
    def fill(start):
        store = opened(tmp_path)
        model, _ = begun(store, {"model": str(start)})
        for write in range(20):
            store.add(model, [(key(start + write * 50 + n), float(start + n)) for n in range(50)])
        store.close()

    threads = [threading.Thread(target=fill, args=(start,)) for start in (0, 10_000, 500)]  # the third meets the first
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = opened(tmp_path)
    number = begun(store)[1].number
    found, damaged = store.find([key(n) for n in range(12_000)], number)
    assert len(found) == 2500
    assert damaged == []
    assert sum(share.entries for share in store.shares()) == 2500
    store.close()


def test_the_list_of_models_says_who_was_used_last(store):
    begun(store, {"model": "never wrote"})
    for now, name in ((50, "old"), (70, "new"), (60, "middle")):
        model, _ = store.begin({"model": name}, name, now)
        store.add(model, [(key(now), 1.0)])
    assert [(share.name, share.entries, share.used) for share in store.shares()] == [
        ("new", 1, 70),
        ("middle", 1, 60),
        ("old", 1, 50),
    ]


def test_files_of_others_are_refused_and_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / ScoreStore.name) as theirs:
        theirs.execute("CREATE TABLE things (name TEXT)")
    theirs.close()
    before = (tmp_path / ScoreStore.name).read_bytes()
    with pytest.raises(ConfigError, match="another"):
        opened(tmp_path)
    assert (tmp_path / ScoreStore.name).read_bytes() == before
    (tmp_path / ScoreStore.name).write_bytes(b"a text, and no database\n" * 100)
    with pytest.raises(ConfigError, match="database"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match="folder"):
        opened(tmp_path / ScoreStore.name)


def test_another_version_of_the_file_is_refused(store, tmp_path):
    with sqlite3.connect(store.path) as direct:
        direct.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="99"):
        opened(tmp_path / "cache")


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("ext4", False),
        ("tmpfs", False),
        ("nfs4", True),
        ("cifs", True),
        ("smb3", True),
        ("fuse.sshfs", True),
        ("fuse.ntfs-3g", False),
        ("fuseblk", False),
        ("lustre", True),
        ("9p", True),
        ("virtiofs", True),
        ("fuse.grpcfuse", True),
    ],
)
def test_network_disks_are_known_by_the_table_of_mounts(tmp_path, monkeypatch, kind, network):
    (tmp_path / "my folder" / "deep").mkdir(parents=True)
    place = str(tmp_path / "my folder").replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / {place} rw,relatime shared:1 - {kind} host:/x rw\n")
    monkeypatch.setattr(network_disks, "MOUNTS", table)
    assert network_disk_of(tmp_path / "my folder" / "deep") == (kind if network else None)
    assert network_disk_of(tmp_path) is None
    if network:
        with pytest.raises(ConfigError, match=kind):
            opened(tmp_path / "my folder" / "cache")


def test_without_a_table_of_mounts_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(network_disks, "MOUNTS", tmp_path / "none")
    assert network_disk_of(tmp_path) is None
