"""Files that grow by whole blocks, vouched for by size and CRC-32."""

import os
from zlib import crc32

import pytest

from rerank_cli.appended import content_of, matches
from rerank_cli.journal import Written


@pytest.mark.parametrize(
    ("content", "known", "whole", "exactly"),
    [
        (b"abc", Written(3, crc32(b"abc")), True, True),
        (b"abcd", Written(3, crc32(b"abc")), True, False),
        (b"ab", Written(3, crc32(b"abc")), False, False),
        (b"abd", Written(3, crc32(b"abc")), False, False),
        (b"", Written(), True, True),
        (b"x", Written(), True, False),
    ],
)
def test_a_file_matches_when_it_begins_with_the_known_bytes(tmp_path, content, known, whole, exactly):
    path = tmp_path / "f"
    path.write_bytes(content)
    assert matches(path, known) is whole
    assert matches(path, known, exactly=True) is exactly


def test_a_missing_file_matches_nothing_written(tmp_path):
    assert matches(tmp_path / "missing", Written())
    assert not matches(tmp_path / "missing", Written(), exactly=True)
    assert not matches(tmp_path / "missing", Written(1, 2))


def test_the_crc_of_a_large_file_is_taken_over_all_of_it(tmp_path):
    content = os.urandom((1 << 20) + 7)
    (tmp_path / "f").write_bytes(content)
    assert matches(tmp_path / "f", Written(len(content), crc32(content)), exactly=True)


def test_what_is_there_and_cannot_be_read_is_an_error_and_not_a_mismatch(tmp_path):
    with pytest.raises(OSError, match="directory"):
        matches(tmp_path, Written(0, 0).plus(b"x"))


def test_content_that_is_not_there_is_nothing(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert content_of(tmp_path / "f") == b"abc"
    assert content_of(tmp_path / "missing") == b""
    assert content_of(tmp_path) == b""
