"""What is refused before a model is looked for."""

import os
import sys
import tracemalloc

import pytest
from support.making import entries_of

from rerank_cli.core.config import FileConfig, ReadConfig, RunConfig
from rerank_cli.core.errors import ConfigError, InputError, OutputError
from rerank_cli.core.records import Blank, Mark
from rerank_cli.files.paths import is_file
from rerank_cli.jobs.preflight import FIRST_RECORDS, check_first_records, check_paths

GOOD = {"query": "q", "candidates": ["a"]}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"{}\n")
    return path


def refuse(source, output, errors=None, stats=None):
    files = FileConfig(output=str(output), errors=errors and str(errors), stats=stats and str(stats))
    check_paths(RunConfig(read=ReadConfig(inputs=("-", str(source))), files=files))


def test_an_output_that_is_no_stream_is_a_file_whether_it_exists_or_not(tmp_path, source):
    os.mkfifo(tmp_path / "fifo")
    assert is_file(str(source))
    assert is_file(str(tmp_path / "new"))
    assert is_file(str(tmp_path / "missing" / "new"))
    assert not is_file("-")
    assert not is_file(str(tmp_path / "fifo"))
    assert not is_file("/dev/null")


def test_different_files_are_fine(tmp_path, source):
    refuse(source, tmp_path / "out", tmp_path / "errors", tmp_path / "stats")
    refuse(source, "-")
    refuse(source, "/dev/null")


@pytest.mark.parametrize("how", ["same", "symlink", "hard link", "other spelling", "symlink to a folder"])
def test_an_output_that_is_the_input_by_whatever_name_is_refused(tmp_path, source, how):
    other = tmp_path / "other"
    if how == "symlink":
        other.symlink_to(source)
    elif how == "hard link":
        other.hardlink_to(source)
    elif how == "other spelling":
        other = f"{tmp_path}/./in.jsonl"
    elif how == "symlink to a folder":
        (tmp_path / "folder").symlink_to(tmp_path)
        other = tmp_path / "folder" / "in.jsonl"
    else:
        other = source
    with pytest.raises(ConfigError, match="input"):
        refuse(source, other)
    assert source.read_bytes() == b"{}\n"


@pytest.mark.parametrize(
    "suffix", [".partial", ".journal", ".lock", ".meta.json", ".errors.jsonl", ".errors.jsonl.partial", ".journal.tmp"]
)
def test_an_input_that_the_run_would_write_on_its_way_is_refused(tmp_path, suffix):
    source = tmp_path / f"out{suffix}"
    source.write_bytes(b"{}\n")
    with pytest.raises(ConfigError, match="input"):
        refuse(source, tmp_path / "out")


def test_errors_and_statistics_are_not_written_over_the_input_either(tmp_path, source):
    with pytest.raises(ConfigError, match="input"):
        refuse(source, tmp_path / "out", errors=source)
    with pytest.raises(ConfigError, match="input"):
        refuse(source, tmp_path / "out", stats=source)
    with pytest.raises(ConfigError, match="input"):
        refuse(source, "-", errors=source)


@pytest.mark.parametrize(("errors", "stats"), [("out", None), (None, "out"), ("x", "x"), ("./out", None)])
def test_two_outputs_of_one_name_are_refused(tmp_path, source, errors, stats):
    with pytest.raises(ConfigError):
        refuse(source, tmp_path / "out", errors and f"{tmp_path}/{errors}", stats and f"{tmp_path}/{stats}")


@pytest.mark.parametrize("suffix", [".partial", ".journal", ".lock", ".meta.json"])
def test_errors_on_a_file_that_the_run_writes_by_itself_are_refused(tmp_path, source, suffix):
    with pytest.raises(ConfigError):
        refuse(source, tmp_path / "out", errors=tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", [".partial", ".journal", ".meta.json", ".errors.jsonl"])
def test_statistics_on_a_file_that_the_run_writes_by_itself_are_refused(tmp_path, source, suffix):
    with pytest.raises(ConfigError):
        refuse(source, tmp_path / "out", stats=tmp_path / f"out{suffix}")


@pytest.mark.parametrize("option", ["errors", "stats"])
def test_errors_and_statistics_need_a_folder_that_exists_and_a_name_in_it(tmp_path, source, option):
    with pytest.raises(ConfigError, match=f"--{option} .*: .*folder"):
        refuse(source, tmp_path / "out", **{option: tmp_path})
    with pytest.raises(OutputError, match=f"--{option} .*missing/file: "):
        refuse(source, tmp_path / "out", **{option: tmp_path / "missing" / "file"})


def test_standard_input_is_an_input_too(tmp_path, source, monkeypatch):
    with source.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        with pytest.raises(ConfigError, match="input"):
            refuse(tmp_path / "another", source)


def test_a_folder_is_not_an_output(tmp_path, source):
    with pytest.raises(ConfigError, match=r"-o .*: .*folder"):
        refuse(source, tmp_path)


def test_with_an_output_file_errors_do_not_go_to_a_device_that_finishing_would_replace(tmp_path, source):
    fifo = tmp_path / "fifo"  # as /dev/null is
    os.mkfifo(fifo)
    with pytest.raises(ConfigError):
        refuse(source, tmp_path / "out", errors=fifo)
    refuse(source, "-", errors=fifo)


# another format

FEW = 4 << 20  # bytes: far below what fifty thousand entries weigh


def passed(*records):
    entries = entries_of(*records)
    assert list(check_first_records(iter(entries))) == entries


def test_entries_pass_unchanged_when_one_of_the_first_is_good():
    passed()
    passed(GOOD)
    passed(b"", GOOD, b"{")
    passed(*[b"{"] * 99, GOOD, *[b"{"] * 200)
    passed(GOOD, *[b"{"] * 200)
    passed(b"", b"")


def test_a_file_of_blank_lines_and_bad_records_is_another_format():
    with pytest.raises(InputError, match=r"in\.jsonl: .* 2 .*Line 2"):
        check_first_records(iter(entries_of(b"", b"{", b"", b"{")))


def test_a_hundred_bad_records_at_the_start_are_another_format_whatever_follows():
    with pytest.raises(InputError, match=rf"in\.jsonl: .* {FIRST_RECORDS} .*Line 1"):
        check_first_records(iter(entries_of(*[b"{"] * FIRST_RECORDS, GOOD)))


def test_the_first_bad_record_is_shown_with_what_was_expected():
    with pytest.raises(InputError) as fault:
        check_first_records(iter(entries_of(b"", {"question": "q", "docs": []})))
    assert 'Line 2: no field "query" (found "question", "docs") (at $.query)' in str(fault.value)
    assert "--query-field" in fault.value.advice


def test_no_more_is_read_than_it_takes():
    drawn = []
    entries = entries_of(b"{", GOOD, GOOD, GOOD)
    passing = check_first_records(drawn.append(e) or e for e in entries)
    assert drawn == entries[:2]
    assert list(passing) == entries


def test_blank_lines_before_the_first_record_take_bounded_memory():
    def blank_lines():
        for line in range(1, 50_001):
            yield Blank(Mark(0, line, line, line))

    tracemalloc.start()
    try:
        assert sum(1 for _ in check_first_records(blank_lines())) == 50_000
        assert tracemalloc.get_traced_memory()[1] < FEW
    finally:
        tracemalloc.stop()
