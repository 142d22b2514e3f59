"""What the disk refuses, as an error of the output."""

import errno
import os
from pathlib import Path

import pytest

from rerank_cli.core.errors import OutputError, Refused
from rerank_cli.files.disk_errors import disk_errors
from rerank_cli.files.paths import Paths

PATHS = Paths(Path("/x/out.jsonl"), Path("/x/errors"))


def refused(verb: str, resumable: bool = True, filename: str | None = None) -> OutputError:
    with pytest.raises(OutputError) as fault, disk_errors(PATHS, verb, resumable):  # type: ignore[arg-type]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), filename)
    return fault.value


def test_the_file_is_named_that_the_disk_refused_or_else_the_output() -> None:
    assert refused("write", filename="/x/out.jsonl.journal").message.startswith("/x/out.jsonl.journal: ")
    assert refused("write").message.startswith("/x/out.jsonl: ")


def test_what_cannot_be_written_is_kept_where_the_command_can_resume() -> None:
    assert "out.jsonl.partial" in refused("write").advice
    assert "--resume" in refused("write").advice
    assert "--overwrite" in refused("write", resumable=False).advice


def test_what_cannot_be_read_is_not_thrown_away() -> None:
    for resumable in (True, False):
        assert "--" not in refused("read", resumable).advice


def test_other_errors_pass() -> None:
    with pytest.raises(Refused), disk_errors(PATHS, "write"):
        raise Refused("out.jsonl exists", "Move it away.")
