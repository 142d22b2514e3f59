"""Files that grow by whole blocks, vouched for by size and CRC-32."""

import os
from zlib import crc32

import pytest

from rerank_cli.core.errors import OutputBusy, OutputError
from rerank_cli.files.append_only import AppendOnlyFile, matches
from rerank_cli.files.durable import content_of, mode_of
from rerank_cli.files.journal import Extent


@pytest.mark.parametrize(
    ("content", "known", "whole", "exactly"),
    [
        (b"abc", Extent(3, crc32(b"abc")), True, True),
        (b"abcd", Extent(3, crc32(b"abc")), True, False),
        (b"ab", Extent(3, crc32(b"abc")), False, False),
        (b"abd", Extent(3, crc32(b"abc")), False, False),
        (b"", Extent(), True, True),
        (b"x", Extent(), True, False),
    ],
)
def test_a_file_matches_when_it_begins_with_the_known_bytes(tmp_path, content, known, whole, exactly):
    path = tmp_path / "f"
    path.write_bytes(content)
    assert matches(path, known) is whole
    assert matches(path, known, exactly=True) is exactly


def test_a_missing_file_matches_nothing_written(tmp_path):
    assert matches(tmp_path / "missing", Extent())
    assert not matches(tmp_path / "missing", Extent(), exactly=True)
    assert not matches(tmp_path / "missing", Extent(1, 2))


def test_the_crc_of_a_large_file_is_taken_over_all_of_it(tmp_path):
    content = os.urandom((1 << 20) + 7)
    (tmp_path / "f").write_bytes(content)
    assert matches(tmp_path / "f", Extent(len(content), crc32(content)), exactly=True)


def test_what_is_there_and_cannot_be_read_is_an_error_and_not_a_mismatch(tmp_path):
    with pytest.raises(OSError, match="directory"):
        matches(tmp_path, Extent(0, 0).plus(b"x"))


def test_content_that_is_not_there_is_nothing(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert content_of(tmp_path / "f") == b"abc"
    assert content_of(tmp_path / "missing") == b""
    assert content_of(tmp_path) == b""


# one writer


def known(content):
    return Extent(len(content), crc32(content))


def test_a_file_has_one_writer_and_a_second_changes_nothing(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"one\n")
    first = AppendOnlyFile(path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OutputBusy, match="another"):
            AppendOnlyFile(path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert path.read_bytes() == b"one\n"
    first.close()
    AppendOnlyFile(path).close()


def test_opening_it_changes_nothing_and_beginning_cuts_it_to_what_is_known(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"one\ntorn")
    file = AppendOnlyFile(path)
    assert path.read_bytes() == b"one\ntorn"
    file.begin(known(b"one\n"), replaces=tmp_path / "final")
    file.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert file.extent == known(b"one\ntwo\n")
    file.close()


def test_a_file_that_became_shorter_than_is_known_is_an_error_and_is_never_filled_up(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"on")
    file = AppendOnlyFile(path)
    with pytest.raises(OutputError, match="shorter"):
        file.begin(known(b"one\n"), replaces=tmp_path / "final")
    assert path.read_bytes() == b"on"
    file.close()


def test_what_is_not_there_has_no_mode(tmp_path):
    (tmp_path / "f").touch(0o640)
    (tmp_path / "f").chmod(0o640)
    assert mode_of(tmp_path / "f") == 0o640
    assert mode_of(tmp_path / "missing") is None
