"""What can be refused before a model is looked for: outputs that would destroy inputs, and input of another format."""

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from rerank_cli.config import RunConfig
from rerank_cli.errors import ConfigError, InputError
from rerank_cli.output import Paths
from rerank_cli.records import Blank, Entry, Failure

FIRST_RECORDS = 100  # when all of these are bad, the input is not what we take it for


def is_file(output: str) -> bool:
    """Whether `-o` names a regular file or one to be: not a stream, FIFO or device."""
    if output == "-":
        return False
    try:
        return stat.S_ISREG(os.stat(output).st_mode)
    except OSError:
        return True


def refuse_same_files(config: RunConfig) -> None:
    """Raises ConfigError when a file that the run writes is one that it reads, by whatever name."""
    files = config.files
    written = [Path(path) for path in (files.errors, files.stats) if path is not None]
    if is_file(files.output):
        written += Paths.of(files.output, files.errors).all()
        if os.path.isdir(files.output):
            raise ConfigError(f"-o {files.output}: is a folder", "Name a file in it.")
    for name in config.read.inputs:
        for path in written:
            if name != "-" and path.exists() and os.path.exists(name) and os.path.samefile(path, name):
                raise ConfigError(f"{path}: is also the input {name}", "Write to another file.")
    names = [os.path.realpath(path) for path in (files.output, files.errors, files.stats) if path not in (None, "-")]
    if len(set(names)) < len(names):
        raise ConfigError("-o, --errors and --stats name the same file", "Give each its own.")


def refuse_foreign(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same entries, after a look at the first ones.

    Reads until the first good record. Raises InputError when the first FIRST_RECORDS, or all of fewer, are bad.
    """
    seen: list[Entry] = []
    bad: list[Failure] = []
    for entry in entries:
        seen.append(entry)
        if isinstance(entry, Failure):
            bad.append(entry)
        if len(bad) == FIRST_RECORDS or not isinstance(entry, Blank | Failure):
            break
    if bad and (len(bad) == FIRST_RECORDS or all(isinstance(entry, Blank | Failure) for entry in seen)):
        raise InputError(
            f"{bad[0].origin.source}: all of the first {len(bad)} records are bad; it looks like another format. "
            f"Line {bad[0].origin.line}: {bad[0].reason} (at {bad[0].path})",
            'Expected one JSON object a line: {"query": "…", "candidates": ["…" or {"text": "…"}, …]}. Other field '
            "names are given with --query-field, --candidates-field and --text-field; `rerank check` shows all errors.",
        )
    return chain(seen, entries)
