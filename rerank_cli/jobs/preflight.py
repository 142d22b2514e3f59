"""Checks before a model is looked for: outputs that would destroy inputs, and input of another format."""

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain, combinations
from pathlib import Path

from rerank_cli.core.config import FileConfig, ReadConfig, RunConfig
from rerank_cli.core.errors import ConfigError, InputError, OutputError
from rerank_cli.core.installation import installation
from rerank_cli.core.records import Blank, Entry, Failure
from rerank_cli.files.paths import Paths, is_file, real_path
from rerank_cli.formats.cells import DELIMITERS
from rerank_cli.formats.field_hints import field_hint
from rerank_cli.formats.json_values import NEEDS_ID
from rerank_cli.formats.per_line import by_jq
from rerank_cli.formats.record_format import GIVEN
from rerank_cli.formats.suffixes import suffix_of

OTHER_FORMAT = "If the records have another format, name it with --format. `rerank check` shows the errors."
NATIVE_FORMAT = (
    'Expected one JSON object per line: {"query": "…", "candidates": ["…" or {"text": "…"}, …]}. Name other fields '
    "with --query-field, --candidates-field and --text-field. `rerank check` shows the errors."
)
CONTENT = "The format is right, the content of the records is not. `rerank check` shows the errors."
CAUSES = {  # by what reasons begin with
    "--query-template": "Names in braces are fields of the record; {name?} is an optional one.",
    "--doc-template": "Names in braces are fields of the candidate, else of the record; {name?} is an optional one.",
    GIVEN: "Each candidate needs a number in its field score. --stage with a model, or --model alone, needs none.",
}
NO_IDS = (
    "The output format needs ids, which the records lack. %s, or choose an --output-format without ids, such as csv."
)
LOOK_AT_MOST = 10_000  # lines, blank ones included
STDOUT = 1
OF_STORES = re.compile(r"(scores|vectors)\.sqlite3(-wal|-shm)?|vectors-[0-9a-f]{8}-[0-9]+\.f16")
NO_TABLE = ("trec", "beir", "tei", "csv", "tsv", "ms-marco-top1000")  # formats whose lines are not JSON objects
FIRST_RECORDS = 100  # if all of these are bad, the input has another format


def check_paths(config: RunConfig) -> Paths | None:
    """Check the paths of a run. Returns the files of the output; None for a stream.

    Raises ConfigError when a file would have two uses, under any name; OutputError when a folder is missing.
    """
    files = config.files
    if files.output != "-" and (files.output.endswith("/") or os.path.isdir(real_path(files.output))):
        raise ConfigError(f"-o {files.output}: is a folder", "Name a file in it.")
    for option, named in (("--errors", files.errors), ("--stats", files.stats)):
        if named is not None:
            _refuse_place(option, named)
    paths = Paths.of(files.output, files.errors) if is_file(files.output) else None
    if files.errors is not None and paths is not None and not is_file(files.errors):
        raise ConfigError(f"--errors {files.errors}: is not a regular file", "With -o FILE, name a regular file.")
    uses = _uses(files, paths)
    for (first, path), (second, other) in combinations(uses, 2):
        if path == other:
            raise ConfigError(f"{path} would be both {first} and {second}", "Give each its own file.")
    if paths is not None:
        _refuse_long_names(paths)
        if paths.is_table and find_spec("pyarrow") is None:
            raise ConfigError(f"-o {files.output}: pyarrow is not installed", installation("parquet"))
    _refuse_inputs(config, uses)
    _refuse_stores(files, uses)
    return paths


def _refuse_stores(files: FileConfig, uses: list[tuple[str, Path]]) -> None:
    """Raises ConfigError when a file of --score-cache or --vectors would be written."""
    for option, folder in (("--score-cache", files.score_cache), ("--vectors", files.vectors)):
        if folder is None:
            continue
        for use, path in uses:
            if path.parent == real_path(folder) and OF_STORES.fullmatch(path.name):
                raise ConfigError(f"{path} is a file of {option} and would be written as {use}", "Name another file.")


def _refuse_inputs(config: RunConfig, uses: list[tuple[str, Path]]) -> None:
    """Raises ConfigError when an input would be written."""
    output_name = config.files.output
    written = [(use, str(path), _status(str(path))) for use, path in uses]
    output = os.fstat(STDOUT) if output_name == "-" else _status(output_name)
    written.append(("-o", output_name, output))
    for name in config.read.files:
        read = _status(name)
        for use, place, status in written:
            if read and status and _holds_data(status) and os.path.samestat(status, read):
                raise ConfigError(f"{place} is the input {name} and would be written as {use}", "Name another file.")


def refuse_table_of_lines(config: RunConfig, paths: Paths | None, format_name: str) -> None:
    """Raises ConfigError for lines that cannot become a parquet file, and for rows of CSV in a .jsonl file."""
    format_name = format_name if config.write.format == "same" else config.write.format
    if format_name in NO_TABLE and paths is not None and paths.is_table:
        raise ConfigError(
            f"-o {config.files.output}: {format_name} lines make no parquet table",
            "Choose another suffix or --output-format.",
        )
    if format_name in DELIMITERS and suffix_of(config.files.output) in (".jsonl", ".ndjson"):
        raise ConfigError(
            f"-o {config.files.output}: {format_name} rows are no JSON lines",
            f"Name it .{format_name}, or add --output-format pairs (or native).",
        )


def _holds_data(status: os.stat_result) -> bool:
    """Whether written data can be read again. A terminal or /dev/null can be both input and output."""
    return stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)


def _refuse_long_names(paths: Paths) -> None:
    for path in paths.all():
        try:
            os.lstat(path)
        except OSError as fault:
            if fault.errno == errno.ENAMETOOLONG:
                raise OutputError(f"{path.name}: the name is too long", "Choose a shorter -o or --errors.") from None


def _refuse_place(option: str, path: str) -> None:
    real = real_path(path)
    if os.path.isdir(real):
        raise ConfigError(f"{option} {path}: is a folder", "Name a file in it.")
    device = os.path.exists(real) and not os.path.isfile(real)
    if not device and not os.access(real.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{option} {path}: its folder is missing or not writable", "Name a file that can be written.")


def _uses(files: FileConfig, paths: Paths | None) -> list[tuple[str, Path]]:
    """Every file that the run writes, each with its purpose."""
    if paths is not None:
        uses = paths.uses()
    else:
        uses = [] if files.errors is None else [("--errors", real_path(files.errors))]
    return uses + ([] if files.stats is None else [("--stats", real_path(files.stats))])


def _status(name: str) -> os.stat_result | None:
    """The status of an input on disk; None if unknown (reading it will raise the error)."""
    try:
        return os.fstat(sys.stdin.fileno()) if name == "-" else os.stat(name)
    except (OSError, ValueError, AttributeError):
        return None


def check_first_records(
    entries: Iterator[Entry], format_name: str = "native", read: ReadConfig = ReadConfig()
) -> Iterator[Entry]:
    """The same entries, after a check of the first ones. `read` is how they are read, for advice.

    Reads until the first good record, or for LOOK_AT_MOST lines. Raises InputError when the first FIRST_RECORDS, or all
    of fewer, are bad.
    """
    seen: list[Entry] = []
    bad: list[Failure] = []
    for entry in entries:
        seen.append(entry)
        if isinstance(entry, Failure):
            bad.append(entry)
        if len(bad) == FIRST_RECORDS or len(seen) == LOOK_AT_MOST or not isinstance(entry, Blank | Failure):
            break
    none_good = len(seen) < LOOK_AT_MOST and all(isinstance(entry, Blank | Failure) for entry in seen)
    if bad and (len(bad) == FIRST_RECORDS or none_good):
        raise _all_bad(bad, format_name, read)
    return chain(seen, entries)


def _ids_advice(format_name: str) -> str:
    """The advice where an output format needs ids that records of this format lack."""
    named = format_name in ("native", *DELIMITERS)
    return NO_IDS % ("Name their fields (--id-field, --candidate-id-field)" if named else "Add them")


def _all_bad(bad: list[Failure], format_name: str, read: ReadConfig) -> InputError:
    """The error when the first records are all bad.

    It names another format as the cause only if most records show one and no option names a field that they lack.
    """
    number = "only record is" if len(bad) == 1 else f"first {len(bad)} records are all"
    foreign = [failure for failure in bad if not failure.content]
    if 2 * len(foreign) > len(bad):
        first = foreign[0]
        cause, advice = _other_format(foreign, format_name, read)
    else:
        first = next(failure for failure in bad if failure.content)
        cause, advice = "", _ids_advice(format_name) if NEEDS_ID in first.reason else CONTENT
        if (option := first.reason.partition(":")[0]) in CAUSES:
            cause, advice = f"; {option} does not fit", CAUSES[option]
    line = f"Line {first.origin.line}: {first.reason} (at {first.path})"
    return InputError(f"{first.origin.source}: the {number} bad{cause}. {line}", advice)


def _other_format(bad: list[Failure], format_name: str, read: ReadConfig) -> tuple[str, str]:
    """Why records are of another format than the one that they were read as, and what to do."""
    if bad[0].raw.strip() == b"{":
        return "; it looks like JSON over several lines", by_jq(".", bad[0].origin.source)
    if format_name != "native":
        return "; it looks like another format", OTHER_FORMAT
    hint = field_hint(bad, read)
    if hint is not None and hint.option:
        return f"; {hint.option}: no such field", hint.advice or NATIVE_FORMAT
    if hint is not None and hint.complete:
        return "; the fields have other names", hint.advice
    return "; it looks like another format", NATIVE_FORMAT if hint is None else hint.advice
