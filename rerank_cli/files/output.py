"""Where the lines of a run go: one protocol for files and for streams, and which of them `-o` names."""

from typing import Any, Protocol

from rerank_cli.core.config import FileConfig
from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.journal import Commit
from rerank_cli.files.paths import Paths
from rerank_cli.files.stream_output import StreamOutput

OF_FILES = ("output_bytes", "output_crc32", "errors_file", "errors_bytes", "errors_crc32")  # meta data, no statistics


class Output(Protocol):
    """Where a run's lines go. Nothing counts before `commit`, and nothing is final before `finish`."""

    def start(self, fingerprint: dict[str, Any], resolved: dict[str, Any]) -> Commit:
        """Begin at nothing."""

    def write(self, line: bytes) -> None:
        """Take an output line."""

    def fail(self, line: bytes) -> None:
        """Take a line of the errors file."""

    def commit(self, counters: Counters, end: Mark, budget: Budget) -> None:
        """Make everything taken so far durable. `counters` are of the whole run."""

    def finish(self, meta: dict[str, Any]) -> None:
        """The run is complete: make it final, `meta` beside it."""

    def close(self) -> None:
        """Close what is open and release what is locked, whatever happened."""


def open_output(files: FileConfig, paths: Paths | None, resumable: bool = True) -> FileOutput | StreamOutput:
    """The output that `-o` names, locked: a file with these paths, or a stream where there are none.

    `resumable`: whether the command has --resume. Raises Refused, OutputBusy or OutputError.
    """
    if paths is None:
        return StreamOutput(files.output, files.errors, files.overwrite)
    return FileOutput(paths, files.overwrite, resumable)
