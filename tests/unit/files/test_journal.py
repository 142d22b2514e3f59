"""What is durable, line by line."""

import os
import threading
import tracemalloc
from zlib import crc32

import pytest

from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.durable import sync_folder, write_all, write_durably
from rerank_cli.files.journal import VERSION, Commit, Extent, FoundJournal, Journal, Place, decode, encode, read_journal

HEADER = {"kind": "header", "version": VERSION, "fingerprint": {"a": 1, "b": "é"}, "resolved": {"batch_tokens": 7}}
FIRST = Commit(Counters(records=2, scored=2, busy_s=0.125), Place(0, 2, 20, 20, "aa"), Extent(5, 6), Extent(), ())
SECOND = Commit(Counters(records=4, failed=4), Place(1, 2, 20, 40, "bb"), Extent(9, 7), Extent(1, 2), (Budget(64, 99),))


def journal(tmp_path, *lines):
    path = tmp_path / "out.journal"
    path.write_bytes(b"".join(line if isinstance(line, bytes) else encode(line) for line in lines))
    return path


def test_a_line_reads_back_as_it_was_written():
    for line in (HEADER, {"kind": "finishing"}):
        assert decode(encode(line)) == line


def test_a_line_is_one_line_of_json_that_ends_in_its_crc():
    line = encode({"kind": "x", "text": 'a\n\r\u2028","crc":"00000000"}'})
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert decode(line) == {"kind": "x", "text": 'a\n\r\u2028","crc":"00000000"}'}
    body = line.rpartition(b',"crc":"')[0]
    assert line == body + b',"crc":"%08x"}\n' % crc32(body)


@pytest.mark.parametrize("raw", [b"", b"\n", b"{}\n", b'{"kind":"commit"}\n', b"\xff" * 50])
def test_what_has_no_right_crc_is_no_line(raw):
    assert decode(raw) is None


def test_a_line_that_lost_everything_before_its_crc_is_no_line():
    assert crc32(b"") == 0
    assert decode(b',"crc":"00000000"}\n') is None


def test_a_commit_survives_the_journal():
    for commit in (Commit(), FIRST, SECOND):
        saved = decode(encode(commit.as_dict()))
        assert Commit.from_dict(saved) == commit


def test_a_place_is_a_mark_with_its_digest():
    mark = Mark(1, 2, 3, 4)
    mark.hasher.update(b"x")
    assert Place.of(mark) == Place(1, 2, 3, 4, mark.sha256)
    assert Place.of(Mark()) == Place()


def test_an_extent_knows_the_size_and_crc_of_all_blocks_together():
    assert Extent().plus(b"one").plus(b"").plus(b"two") == Extent(6, crc32(b"onetwo"))


def test_no_journal_is_none(tmp_path):
    assert read_journal(tmp_path / "missing") is None


def test_a_journal_reads_back_to_its_last_commit(tmp_path):
    path = journal(tmp_path, HEADER, FIRST.as_dict(), SECOND.as_dict())
    found = read_journal(path)
    assert (found.commit, found.finishing, found.size) == (SECOND, False, path.stat().st_size)
    assert found.header["fingerprint"] == HEADER["fingerprint"]
    assert found.header["resolved"] == HEADER["resolved"]


def test_a_header_alone_is_a_run_that_committed_nothing(tmp_path):
    found = read_journal(journal(tmp_path, HEADER))
    assert found.commit == Commit()


def test_a_run_that_was_finishing_says_so_and_what_its_complete_files_are(tmp_path):
    found = read_journal(journal(tmp_path, HEADER, FIRST.as_dict(), SECOND.as_dict("finishing")))
    assert found.finishing
    assert found.commit == SECOND


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"\n"],
        [encode(HEADER)[:-1]],
        [FIRST.as_dict()],
        [{**HEADER, "version": VERSION + 1}],
        [{"kind": "header", "fingerprint": {}}],
        [b"x", HEADER],
        [b"\n", HEADER],
    ],
)
def test_without_a_whole_header_of_our_version_there_is_no_journal(tmp_path, lines):
    assert read_journal(journal(tmp_path, *lines)) is None


def test_nothing_after_a_damaged_line_counts_even_if_it_is_whole(tmp_path):
    torn = encode(FIRST.as_dict()).replace(b"records", b"recorbs")
    found = read_journal(journal(tmp_path, HEADER, torn, SECOND.as_dict(), SECOND.as_dict("finishing")))
    assert found == FoundJournal(found.header, Commit(), False, len(encode(HEADER)))


def test_appending_after_a_torn_line_puts_the_next_commit_in_its_place(tmp_path):
    path = journal(tmp_path, HEADER, FIRST.as_dict(), encode(SECOND.as_dict())[:-10])
    opened = Journal(path, read_journal(path).size)
    opened.append(SECOND.as_dict())
    opened.close()
    assert path.read_bytes() == encode(HEADER) + encode(FIRST.as_dict()) + encode(SECOND.as_dict())


def test_a_journal_is_never_made_by_opening_it(tmp_path):
    with pytest.raises(FileNotFoundError):
        Journal(tmp_path / "missing", 0)


def test_writing_durably_replaces_a_file_in_one_step_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old and longer")
    (tmp_path / "f.tmp").write_bytes(b"left over, and longer than the new content")
    before = path.stat().st_ino
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != before
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o400])
def test_a_durable_file_is_no_more_open_to_others_than_the_one_it_is_like_and_can_be_written_again(tmp_path, mode):
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(mode)
    for content in (b"first", b"second"):
        write_durably(tmp_path / "f", content, like=tmp_path / "old")
        assert (tmp_path / "f").read_bytes() == content
        assert (tmp_path / "f").stat().st_mode & 0o777 == mode | 0o600
    write_durably(tmp_path / "g", b"like nothing", like=tmp_path / "missing")
    assert (tmp_path / "g").read_bytes() == b"like nothing"


def test_only_a_folder_can_be_synced_as_one(tmp_path):
    sync_folder(tmp_path)
    with pytest.raises(NotADirectoryError):
        sync_folder(journal(tmp_path, HEADER))


def test_a_pipe_that_does_not_block_is_waited_for():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    content, got = os.urandom(1 << 18), []

    def read_it_all():
        while block := os.read(reader, 1 << 16):
            got.append(block)

    later = threading.Timer(0.05, read_it_all)
    later.start()
    write_all(writer, content)
    os.close(writer)
    later.join()
    os.close(reader)
    assert b"".join(got) == content


@pytest.mark.parametrize("begin", [b"", encode(HEADER) + encode(FIRST.as_dict())])
def test_a_line_without_end_is_read_in_bounded_memory(tmp_path, begin):
    path = journal(tmp_path, begin)
    os.truncate(path, 1 << 30)  # sparse: zeros, which a loss of power leaves too
    tracemalloc.start()
    try:
        found = read_journal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found and found.size) == (len(begin) or None)
    assert peak < 64 << 20
