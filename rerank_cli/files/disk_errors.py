"""Convert disk errors at an output into errors that say what is kept and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rerank_cli.core.errors import OutputError
from rerank_cli.files.paths import Paths

KEPT = "Committed records are kept in {}. Free some space, then run the same command with --resume."
NOT_KEPT = "Free some space, then run the same command with --overwrite."
UNREADABLE = "Nothing was changed. Check the disk and the permissions of that file, then run the same command again."


@contextmanager
def disk_errors(paths: Paths, verb: Literal["read", "write"], resumable: bool = True) -> Iterator[None]:
    """Raises OutputError for an OSError of the block, which `read`s or `write`s (`verb`).

    Files that cannot be read are kept. `resumable`: whether --resume continues from the committed records.
    """
    try:
        yield
    except OSError as fault:
        unwritten = KEPT.format(paths.beside(".partial").name) if resumable else NOT_KEPT
        advice = unwritten if verb == "write" else UNREADABLE
        place = fault.filename or paths.final
        raise OutputError(f"{place}: cannot {verb} ({fault.strerror or fault})", advice) from fault
