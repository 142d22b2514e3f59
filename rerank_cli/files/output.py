"""Where the lines of a run go: one protocol for files and streams."""

from typing import Any, Protocol

from rerank_cli.core.config import FileConfig
from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.journal import Commit
from rerank_cli.files.paths import Paths
from rerank_cli.files.stream_output import StreamOutput

OF_FILES = ("output_bytes", "output_crc32", "errors_file", "errors_bytes", "errors_crc32")  # not statistics


class Output(Protocol):
    """Takes the lines of a run. Nothing is durable before `commit`, and nothing is final before `finish`."""

    def start(self, fingerprint: dict[str, Any], resolved: dict[str, Any]) -> Commit:
        """Start a new output."""

    def write(self, line: bytes) -> None:
        """Take an output line."""

    def fail(self, line: bytes) -> None:
        """Take a line of the errors file."""

    def commit(self, counters: Counters, end: Mark, budgets: tuple[Budget, ...]) -> None:
        """Make all lines so far durable. `counters` are those of the complete run."""

    def finish(self, meta: dict[str, Any]) -> None:
        """The run is complete: make the output final, and write `meta` next to it."""

    def close(self) -> None:
        """Close the files and release the locks, also after an error."""


def open_output(files: FileConfig, paths: Paths | None, resumable: bool = True) -> FileOutput | StreamOutput:
    """The output that `-o` names, locked: a file with these `paths`, or a stream if `paths` is None.

    `resumable`: whether the command has --resume. Raises Refused, OutputBusy or OutputError.
    """
    if paths is None:
        return StreamOutput(files.output, files.errors, files.overwrite)
    return FileOutput(paths, files.overwrite, resumable)
