"""What is true of every store that runs share: what is seen, what is never overwritten, what becomes of damage."""

import sqlite3
import subprocess
import sys
import threading

import pytest
from support.running import environment
from support.stores import MADE_BY, VALUES, begun, key, opened, scattered

from rerank_cli.core.errors import ConfigError, OutputError


@pytest.fixture(params=VALUES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def value(kind):
    """What makes a value of a number."""
    return VALUES[kind]


@pytest.fixture
def store(kind, tmp_path):
    made = opened(kind, tmp_path / "cache")
    yield made
    made.close()


def test_a_run_sees_what_was_there_when_it_began_and_nothing_later(store, value):
    model, first = begun(store)
    store.add(model, [(key(1), value(1.5))])
    _, second = begun(store)
    store.add(model, [(key(2), value(2.5))])
    wanted = [key(1), key(2), key(3)]
    assert store.find(wanted, first.number) == ({}, [])
    assert store.find(wanted, second.number) == ({key(1): value(1.5)}, [])
    assert store.find(wanted, begun(store)[1].number) == ({key(1): value(1.5), key(2): value(2.5)}, [])
    assert (first.entries, second.entries) == (0, 1)


def test_the_first_writer_wins(store, value):
    model, _ = begun(store)
    store.add(model, [(key(1), value(1.0))])
    store.add(model, [(key(1), value(2.0)), (key(2), value(3.0)), (key(2), value(3.0))])
    store.add(model, [(key(2), value(4.0))])
    assert store.find([key(1), key(2)], begun(store)[1].number)[0] == {key(1): value(1.0), key(2): value(3.0)}
    assert [share.entries for share in store.shares()] == [2]


def test_many_keys_are_found_in_any_order(store, value):
    model, _ = begun(store)
    entries = [(key(n * 7919 % 5003), value(n / 8)) for n in range(5003)]
    store.add(model, entries)
    found, damaged = store.find([each for each, _ in entries], begun(store)[1].number)
    assert (found, damaged) == (dict(entries), [])


OPENING = """
import sys
from pathlib import Path
from rerank_cli.files.{module} import {kind}
sys.stdin.readline()
for number in range(12):
    {kind}(Path(sys.argv[1]) / str(number), "").close()
"""


def test_processes_that_begin_one_store_at_once_all_get_it(kind, tmp_path):
    program = OPENING.format(module=kind.__module__.rpartition(".")[2], kind=kind.__name__)
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) for _ in range(4)
    ]
    for process in started:
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [(process.communicate()[1], process.returncode) for process in started] == [(b"", 0)] * 4


def test_what_is_noted_is_on_disk_when_it_is_noted(store):
    """The transaction that notes it waits for the disk, and reads what is seen: nothing comes in between."""
    done = []
    store._connection.set_trace_callback(lambda statement: done.append(statement.split()[0:3]))
    begun(store)
    words = [" ".join(each) for each in done]
    full, begin = words.index("PRAGMA synchronous ="), words.index("BEGIN IMMEDIATE")
    read, commit = words.index("SELECT id, epoch,"), words.index("COMMIT")
    assert full < begin < read < commit


def test_no_flipped_byte_of_the_file_gives_a_wrong_value(kind, value, tmp_path):
    """What is damaged is missed, refused, or an error that ends the use of the file; and the rest is right."""
    folder = tmp_path / "store"
    store = opened(kind, folder)
    model, _ = begun(store)
    entries = {each: value(n / 4) for n, each in enumerate(scattered(600))}
    store.add(model, list(entries.items()))
    number = begun(store)[1].number
    store.close()
    whole = store.path.read_bytes()
    others = {path: path.read_bytes() for path in folder.iterdir() if path != store.path}
    outcomes = set()
    for place in range(0, len(whole), 97):
        for leftover in folder.iterdir():
            leftover.unlink()
        store.path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        for path, content in others.items():
            path.write_bytes(content)
        try:
            damaged = opened(kind, folder)
        except (ConfigError, OutputError):
            outcomes.add("refused")
            continue
        try:
            found, _ = damaged.find(list(entries), number)
            assert found.items() <= entries.items()
            damaged.seen(MADE_BY)
            damaged.shares()
            damaged.add(begun(damaged)[0], [(key(1), value(1.0))])
            damaged.keep_within(10**9, 99)
            outcomes.add("all" if len(found) == len(entries) else "some")
        except (ConfigError, OutputError):
            outcomes.add("failed")
        finally:
            damaged.close()
    assert {"refused", "all", "some"} <= outcomes


def test_with_a_damaged_page_other_entries_are_found_and_it_can_be_removed(kind, value, tmp_path):
    store = opened(kind, tmp_path)
    entries = {each: value(n / 4) for n, each in enumerate(scattered(12_000))}
    store.add(begun(store)[0], list(entries.items()))
    store.close()
    with store.path.open("r+b") as file:
        file.seek(60 * 4096)
        file.write(b"\xff" * 4096)
    store = opened(kind, tmp_path)
    found, damaged = store.find(list(entries), 10)
    assert 0 < len(damaged) < 400
    assert len(found) == len(entries) - len(damaged)
    assert found.items() <= entries.items()
    store.close()
    assert kind.remove_from(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_a_file_of_ours_is_removed(kind, tmp_path):
    (tmp_path / kind.name).write_bytes(b"not ours" * 100)
    (tmp_path / "vectors-of-mine.f16").write_bytes(b"not ours, either")
    assert not kind.remove_from(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert not kind.remove_from(tmp_path / "none")


def test_a_cleared_store_is_empty_and_small_and_of_another_epoch(store, value, tmp_path):
    model, seen = begun(store)
    store.add(model, [(key(n), value(1.0)) for n in range(5000)])
    before = store.size_in(tmp_path / "cache")
    store.clear()
    after = begun(store)[1]
    assert (after.entries, after.epoch, after.store) == (0, seen.epoch + 1, seen.store)
    assert store.find([key(1)], after.number) == ({}, [])
    assert store.size_in(tmp_path / "cache") < before / 4
    store.add(model, [(key(1), value(2.0))])
    assert store.find([key(1)], begun(store)[1].number) == ({key(1): value(2.0)}, [])


def test_two_writers_at_once_lose_nothing(kind, value, tmp_path):
    def fill(start):
        store = opened(kind, tmp_path)
        model, _ = begun(store, {"model": str(start)})
        for write in range(20):
            numbers = [start + write * 50 + n for n in range(50)]
            store.add(model, [(key(number), value(float(number))) for number in numbers])
            store.keep_within(10**6, 0)
        store.close()

    threads = [threading.Thread(target=fill, args=(start,)) for start in (0, 10_000, 500)]  # the third meets the first
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = opened(kind, tmp_path)
    number = begun(store)[1].number
    found, damaged = store.find([key(n) for n in range(12_000)], number)
    assert found == {key(n): value(float(n)) for n in (*range(1500), *range(10_000, 11_000))}
    assert damaged == []
    assert sum(share.entries for share in store.shares()) == 2500
    store.close()


def test_the_list_of_models_says_who_was_used_last(store, value):
    begun(store, {"model": "never wrote"})
    for now, name in ((50, "old"), (70, "new"), (60, "middle")):
        model, _ = store.begin({"model": name}, name, now)
        store.add(model, [(key(now), value(1.0))])
    assert [(share.name, share.entries, share.used) for share in store.shares()] == [
        ("new", 1, 70),
        ("middle", 1, 60),
        ("old", 1, 50),
    ]


def test_files_of_others_are_refused_and_left_alone(kind, tmp_path):
    with sqlite3.connect(tmp_path / kind.name) as theirs:
        theirs.execute("CREATE TABLE things (name TEXT)")
    theirs.close()
    before = (tmp_path / kind.name).read_bytes()
    with pytest.raises(ConfigError, match="another"):
        opened(kind, tmp_path)
    assert (tmp_path / kind.name).read_bytes() == before
    (tmp_path / kind.name).write_bytes(b"a text, and no database\n" * 100)
    with pytest.raises(ConfigError, match="database"):
        opened(kind, tmp_path)
    with pytest.raises(ConfigError, match="folder"):
        opened(kind, tmp_path / kind.name)


def test_another_version_of_the_file_is_refused(kind, store, tmp_path):
    with sqlite3.connect(store.path) as direct:
        direct.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="99"):
        opened(kind, tmp_path / "cache")


def test_a_run_drops_older_entries_but_none_of_its_own(store, value):
    model, _ = begun(store)
    store.add(model, [(key(number), value(1.0)) for number in range(50)])
    assert store.keep_within(5000, 0)  # a file is dropped whole: the next write begins another one
    _, seen = begun(store)
    store.add(model, [(key(number), value(1.0)) for number in range(100, 150)])
    assert not store.keep_within(1, seen.number)
    number = begun(store)[1].number
    assert store.known([key(each) for each in range(200)], number) == {key(each) for each in range(100, 150)}
    assert not store.keep_within(1, seen.number)
    assert begun(store)[1].epoch == seen.epoch + 1
