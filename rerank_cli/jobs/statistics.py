"""The statistics of a run, as a file."""

from typing import Any

import orjson

from rerank_cli.core.errors import OutputError
from rerank_cli.files.durable import put_file


def write_stats(path: str, document: dict[str, Any]) -> None:
    """Write the run statistics as JSON, whole. Raises OutputError."""
    try:
        put_file(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as fault:
        raise OutputError(
            f"--stats {path}: {fault.strerror}",
            "The output itself is final; the same command with --resume writes its statistics.",
        ) from None
