"""Results to a pipe or a device."""

import json
import os

import orjson
import pytest

from rerank_cli.core.errors import OutputError, PipeClosed, Refused
from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.journal import Commit
from rerank_cli.files.stream_output import StreamOutput


@pytest.fixture
def fifo(tmp_path):
    """A FIFO and a descriptor that reads it."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def commit(output, *lines, errors=()):
    for line in lines:
        output.write(line)
    for line in errors:
        output.fail(line)
    output.commit(Counters(), Mark(), (Budget(1),))


def test_a_stream_begins_at_nothing(fifo):
    output = StreamOutput(fifo[0], None, overwrite=False)
    assert output.start({}, {}) == Commit()
    output.close()


def test_lines_arrive_with_each_commit_and_not_before(fifo, tmp_path):
    path, reader = fifo
    output = StreamOutput(path, str(tmp_path / "errors"), overwrite=False)
    output.write(b"one\n")
    with pytest.raises(BlockingIOError):
        os.read(reader, 100)
    commit(output, b"two\n")
    assert os.read(reader, 100) == b"one\ntwo\n"
    commit(output, b"three\n")
    assert os.read(reader, 100) == b"three\n"
    output.finish({})
    output.close()
    assert os.read(reader, 100) == b""


def test_failures_go_to_the_file_that_was_named_byte_for_byte(fifo, tmp_path):
    errors = tmp_path / "errors"
    output = StreamOutput(fifo[0], str(errors), overwrite=False)
    line = orjson.dumps({"raw": "é\x1b[31m"}) + b"\n"
    commit(output, errors=[line])
    assert errors.read_bytes() == line
    output.close()


def test_failures_go_to_standard_error_harmless_to_a_terminal(fifo, capfd):
    output = StreamOutput(fifo[0], None, overwrite=False)
    commit(output, errors=[orjson.dumps({"raw": "\x1b[31m\u202eé\x7f\x9b"}) + b"\n"])
    output.close()
    said = capfd.readouterr().err
    assert said.endswith("\n")
    assert said[:-1].isascii()
    assert said[:-1].isprintable()
    assert json.loads(said) == {"raw": "\x1b[31m\u202eé\x7f\x9b"}


def test_standard_output_is_written_and_not_closed(capfd):
    output = StreamOutput("-", None, overwrite=False)
    commit(output, b"one\n")
    output.close()
    os.write(1, b"still open\n")
    os.write(2, b"so is this\n")
    assert capfd.readouterr() == ("one\nstill open\n", "so is this\n")


def test_a_reader_that_went_away_ends_the_run_quietly(tmp_path):
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    output = StreamOutput(path, None, overwrite=False)
    os.close(reader)
    with pytest.raises(PipeClosed):
        commit(output, b"one\n")
    output.close()


def test_a_device_without_room_is_an_error_of_the_output():
    output = StreamOutput("/dev/full", None, overwrite=False)
    with pytest.raises(OutputError, match=r"^/dev/full: "):
        commit(output, b"one\n")
    output.close()


def test_errors_without_room_are_an_error_that_says_so(fifo):
    output = StreamOutput(fifo[0], "/dev/full", overwrite=True)
    with pytest.raises(OutputError, match=r"^errors: "):
        commit(output, errors=[b"bad\n"])
    output.close()


def test_an_errors_file_is_not_replaced_without_overwrite(fifo, tmp_path):
    errors = tmp_path / "errors"
    errors.write_bytes(b"mine and longer\n")
    with pytest.raises(Refused, match="errors: "):
        StreamOutput(fifo[0], str(errors), overwrite=False)
    assert errors.read_bytes() == b"mine and longer\n"
    output = StreamOutput(fifo[0], str(errors), overwrite=True)
    commit(output, errors=[b"new\n"])
    output.close()
    assert errors.read_bytes() == b"new\n"


def test_errors_may_be_thrown_away_on_a_device(fifo):
    output = StreamOutput(fifo[0], "/dev/null", overwrite=False)  # nothing there can be lost
    commit(output, errors=[b"bad\n"])
    output.close()


def test_a_folder_that_is_missing_is_an_error_of_the_output(fifo, tmp_path):
    with pytest.raises(OutputError, match="missing"):
        StreamOutput(fifo[0], str(tmp_path / "missing" / "errors"), overwrite=False)
