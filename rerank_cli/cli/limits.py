"""Checks that commands share: where output may go, and how many records may fail."""

import os
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from rerank_cli.cli.option import MOST_OF_ANY
from rerank_cli.core.config import ErrorLimit, FileConfig
from rerank_cli.core.errors import ConfigError, Refused

BEGIN = 1024  # bytes of a report that show what it is
REPORTS = {"--html": b'<meta name="generator" content="rerank">', "--per-query": b"run,query,measure,before,after"}
REASONS = {
    "--json": "each prints the results in its own form",
    "--moved": "Markdown has the tables without the queries that moved",
}


def refuse_reading_twice(inputs: Iterable[str | None]) -> None:
    """Raises ConfigError when standard input is named more than once."""
    if list(inputs).count("-") > 1:
        raise ConfigError("standard input (-) is named twice", "It can be read only once: write one of them to a file.")


def refuse_overwriting(outputs: dict[str, str | None], inputs: Iterable[str | None]) -> None:
    """Raises ConfigError when an output, named by its option, is an input or another output, under any name."""
    named = [(option, path) for option, path in outputs.items() if path is not None and path != "-"]
    for (first, one), (second, other) in combinations(named, 2):
        if os.path.realpath(one) == os.path.realpath(other):
            raise ConfigError(f"{one} would be both {first} and {second}", "Give each its own file.")
    read = [name for name in inputs if name is not None and os.path.exists(name)]
    for option, path in outputs.items():
        if path is not None and os.path.exists(path) and any(os.path.samefile(path, name) for name in read):
            raise ConfigError(f"{option} {path}: is also read", "Name another file.")


def refuse_files_of_others(reports: dict[str, str | None]) -> None:
    """Raises Refused when a report, named by its option, would replace a file that is no such report of ours."""
    for option, path in reports.items():
        if path is None or not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            begin = file.read(BEGIN)
        if begin and REPORTS[option] not in begin:
            raise Refused(
                f"{option} {path}: exists, and rerank did not write it", "Move it away, or choose another name."
            )


def refuse_with_markdown(others: dict[str, bool]) -> None:
    """Raises ConfigError for an option, of those given, that Markdown has no place for."""
    for option in (name for name, is_given in others.items() if is_given):
        raise ConfigError(f"--markdown and {option} do not go together", f"Leave one out: {REASONS[option]}.")


def folder_to_make(output: str) -> Path:
    """The folder to create. Raises ConfigError for one that always exists."""
    if not os.path.basename(os.path.abspath(output)):
        raise ConfigError(f"-o {output}: cannot be created", "Name a new folder.")
    return Path(output)


def cache_size(gigabytes: float | None, *folders: str | None) -> float:
    """`--cache-gb`, or its default. Raises ConfigError for none at all, and where there is nothing to limit."""
    if gigabytes is None:
        return FileConfig().cache_gb
    if not any(folders):
        raise ConfigError("--cache-gb needs --score-cache or --vectors", "It says how large these may become.")
    if gigabytes <= 0:
        raise ConfigError(f"--cache-gb {gigabytes:g}: is not above 0", "Example: 10.")
    return gigabytes


def error_limit(max_errors: str | None, strict: bool) -> ErrorLimit:
    """`--max-errors N` or `N%`, or `--strict`. Raises ConfigError."""
    if strict:
        return ErrorLimit(count=0)
    if max_errors is None:
        return ErrorLimit()
    try:
        if max_errors.endswith("%"):
            percent = float(max_errors[:-1])
            if 0 <= percent <= 100:
                return ErrorLimit(percent=percent)
        else:
            count = int(max_errors)
            if 0 <= count <= MOST_OF_ANY:
                return ErrorLimit(count=count)
    except ValueError:
        pass
    raise ConfigError(f"--max-errors {max_errors}: not a count or a percentage", "Example: 10 or 1%.")
