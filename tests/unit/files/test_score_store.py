"""The score cache on disk, beyond what is true of every store."""

import sqlite3

import pytest
from support.stores import begun, key

from rerank_cli.core.errors import ConfigError
from rerank_cli.files import network_disks
from rerank_cli.files.network_disks import network_disk_of
from rerank_cli.files.score_store import BYTES_EACH, ScoreStore


def opened(folder):
    return ScoreStore(folder, "--score-cache")


@pytest.fixture
def store(tmp_path):
    made = opened(tmp_path / "cache")
    yield made
    made.close()


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


def test_the_oldest_entries_are_dropped_when_there_are_too_many_and_the_epoch_rises(store):
    model, seen = begun(store)
    for write in range(10):
        store.add(model, [(key(write * 100 + n), 1.0) for n in range(100)])
    assert store.keep_within(1000 * BYTES_EACH, 99)
    assert begun(store)[1].epoch == seen.epoch
    store.add(model, [(key(5000), 1.0)])
    assert store.keep_within(1000 * BYTES_EACH, 99)
    after = begun(store)[1]
    assert (after.epoch, after.entries) == (seen.epoch + 1, 801)
    wanted = [key(0), key(199), key(200), key(5000)]
    assert store.find(wanted, after.number)[0].keys() == {key(200), key(5000)}


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
