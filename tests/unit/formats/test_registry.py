"""What all record formats share."""

import base64
import itertools
import json
import os

import pytest
from support.making import entries_of, jsonl, lines_of, native_format

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.core.records import RAW_CAP, Blank, Failure, Mark, Origin, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.registry import failure_line, open_format, read_entries

GOOD = {"query": "q", "candidates": ["a"]}


def failure(raw, **other):
    return Failure(Origin(other.pop("source", "in.jsonl"), 3, 40), Mark(), raw, "why", "$.query")


@pytest.mark.parametrize("name", ["auto", "native"])
def test_the_native_format_is_found_by_name_and_by_default(name):
    assert open_format(ReadConfig(format=name), WriteConfig()).name == "native"


def test_an_unknown_format_is_refused_by_the_name_of_its_option():
    with pytest.raises(ConfigError, match=r"^--format xml: "):
        open_format(ReadConfig(format="xml"), WriteConfig())
    with pytest.raises(ConfigError, match=r"^--output-format xml: "):
        open_format(ReadConfig(), WriteConfig(format="xml"))


def test_same_is_a_format_to_write_and_not_to_read():
    assert open_format(ReadConfig(), WriteConfig(format="same")).name == "native"
    with pytest.raises(ConfigError, match="--format"):
        open_format(ReadConfig(format="same"), WriteConfig())


def entries(tmp_path, limit, skip=0, start=None):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(GOOD, b"", b"{", b"", GOOD, GOOD, b""))
    config = ReadConfig(limit=limit)
    return list(read_entries(native_format(config), Inputs((str(path),)), config, start, skip))


@pytest.mark.parametrize(("limit", "lines"), [(None, 7), (0, 0), (1, 1), (2, 3), (3, 5), (4, 6), (5, 7)])
def test_a_limit_counts_good_and_bad_records_but_no_blank_lines(tmp_path, limit, lines):
    assert len(entries(tmp_path, limit)) == lines


def test_a_limit_counts_what_was_read_before(tmp_path):
    whole = entries(tmp_path, 3)
    for number in range(1, len(whole) + 1):
        seen = sum(not isinstance(entry, Blank) for entry in whole[:number])
        assert entries(tmp_path, 3, seen, whole[number - 1].end) == whole[number:]


def test_a_line_of_the_errors_file_says_where_why_and_what():
    line = failure_line(failure("é{".encode()))
    assert list(json.loads(line).items()) == [
        ("source", "in.jsonl"),
        ("line", 3),
        ("byte_offset", 40),
        ("reason", "why"),
        ("path", "$.query"),
        ("raw", "é{"),
    ]


def test_bytes_that_are_not_utf8_are_given_as_base64():
    error = json.loads(failure_line(failure(b"\xff\x00{")))
    assert base64.b64decode(error["raw_base64"]) == b"\xff\x00{"
    assert "raw" not in error


def test_a_line_of_the_errors_file_is_one_line():
    assert failure_line(failure("a\nb\r\u2028\u0085".encode())).count(b"\n") == 1


def test_the_name_of_an_input_need_not_be_utf8():
    assert json.loads(failure_line(failure(b"", source="caf\udce9.jsonl")))["source"] == "caf\\xe9.jsonl"


@pytest.mark.parametrize("shift", range(4))
def test_a_long_record_in_utf8_is_given_as_text_wherever_it_is_cut(shift):
    (bad,) = entries_of(b"x" * shift + "é漢🙂".encode() * RAW_CAP)
    error = json.loads(failure_line(bad))
    assert "raw" in error
    text = "x" * shift + "é漢🙂" * RAW_CAP
    assert text.startswith(error["raw"])
    assert RAW_CAP - 4 < len(error["raw"].encode()) <= RAW_CAP


def test_a_line_that_is_too_long_is_a_bad_record_and_the_next_is_read(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(GOOD, {"query": "q" * 100, "candidates": []}, b" " * 200, GOOD))
    config = ReadConfig(max_line_bytes=90)
    found = list(read_entries(native_format(config), Inputs((str(path),)), config, None))
    assert [type(entry) for entry in found] == [Request, Failure, Failure, Request]
    assert found[1].reason == "the line is longer than --max-line-bytes (90)"


def test_a_line_is_read_only_when_its_entry_is_asked_for():
    drawn = []
    lines = lines_of(jsonl(GOOD, GOOD, GOOD))
    entries = native_format().read(drawn.append(line) or line for line in lines)
    assert list(itertools.islice(entries, 2))
    assert drawn == lines[:2]


def test_an_input_rewritten_while_it_is_read_is_an_error_also_when_the_limit_ends_the_reading(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"query": "q", "candidates": ["a"]}\n' * 3)
    entries = read_entries(native_format(), Inputs((str(path),)), ReadConfig(limit=2), None)
    next(entries)
    path.write_bytes(b'{"query": "Q", "candidates": ["A"]}\n' * 3)
    os.utime(path, (0, 0))
    with pytest.raises(InputError, match="rewritten"):
        list(entries)
