"""What the disk refuses at an output, as an error that says what is kept and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rerank_cli.core.errors import OutputError
from rerank_cli.files.paths import Paths

KEPT = "What was committed is kept in {}; make room, then run the same command with --resume."
NOT_KEPT = "Make room, then run the same command with --overwrite."
UNREADABLE = "Nothing was changed. See to the disk and who may read that file, then run the same command again."


@contextmanager
def disk_errors(paths: Paths, verb: Literal["read", "write"], resumable: bool = True) -> Iterator[None]:
    """Raises OutputError when the disk fails the block, which may `read` or `write`.

    What cannot be read is not thrown away. `resumable`: whether --resume continues what is committed.
    """
    try:
        yield
    except OSError as fault:
        unwritten = KEPT.format(paths.beside(".partial").name) if resumable else NOT_KEPT
        advice = unwritten if verb == "write" else UNREADABLE
        place = fault.filename or paths.final
        raise OutputError(f"{place}: cannot {verb} ({fault.strerror or fault})", advice) from fault
