"""Open record formats: they turn lines into entries, and requests with their rankings into lines.

A format is a file with a class that implements `RecordFormat`, and a row in `known.FORMATS` with the fields that
identify its first record. This file has what all formats share: choosing one, `--limit`, and the lines of the errors
file.
"""

import base64
import codecs
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import islice
from typing import Any

import orjson

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.core.records import Blank, Entry, Failure, Mark, Request
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.files.raw import source_text
from rerank_cli.formats.cells import DELIMITERS, format_of_header
from rerank_cli.formats.columns import TAG, is_comment
from rerank_cli.formats.field_hints import field_options
from rerank_cli.formats.json_values import Malformed, parse_object
from rerank_cli.formats.kinds import kind_of
from rerank_cli.formats.known import FORMATS, format_of
from rerank_cli.formats.other_names import unknown_format
from rerank_cli.formats.per_group import GroupedRecordFormat, Groups
from rerank_cli.formats.per_line import Records, refuse_spread
from rerank_cli.formats.record_format import RecordFormat
from rerank_cli.formats.suffixes import of_suffix
from rerank_cli.formats.translated import Format, Translated

LOOK_AT_RECORDS = 100  # records searched for the first that identifies its format
NEWLINE_AND_BOM = 4  # bytes of a complete line that `raw` may lack


def open_inputs(read: ReadConfig) -> Inputs:
    """Open the inputs that are read line by line. Raises InputError."""
    return Inputs(read.sources, scores=read.run is not None, named=read.input_named)


def open_format(read: ReadConfig, write: WriteConfig, inputs: Inputs | None = None) -> Format:
    """Open the format that the user named; for `auto`, that of the first record of `inputs`.

    Raises ConfigError for unknown names and for options that the format does not support; InputError when an input, or
    a file that it refers to, cannot be read.
    """
    for option, wanted in (("--format", read.format), ("--output-format", write.format)):
        if wanted not in FORMATS and wanted != ("auto" if option == "--format" else "same"):
            raise unknown_format(option, wanted)
    name = read.format if read.format != "auto" else _format_of_first_record(read, inputs)
    _refuse_options(name, read, inputs)
    try:
        record_format = _record_format(name, replace(read, format=name), write)
    except ConfigError as fault:
        if name == "native" or not _is_detected(read, inputs):
            raise
        detected = f"The format was detected: if the records are not {name}, name theirs with --format."
        raise ConfigError(fault.message, f"{fault.advice} {detected}") from None
    if isinstance(record_format, GroupedRecordFormat):
        if inputs is not None:
            record_format.begin(inputs, read.max_line_bytes)
        source: Format = Groups(name, record_format, read, write)
    else:
        source = Records(name, record_format, read, write)
    written = name if write.format == "same" else write.format
    if write.tag != TAG and not _are_one(written, "trec"):
        raise ConfigError(
            f"--tag {write.tag}: {written} records have no tag",
            "Write a TREC run: --output-format trec, or -o FILE.run.",
        )
    if write.format == "beir" != name:
        raise ConfigError(
            "--output-format beir: BEIR folders are not written", "Use --output-format trec to write a run."
        )
    target = record_format if write.format == "same" else _record_format(write.format, ReadConfig(), write)
    _refuse_stages(target, written, write)
    if write.format == "same" or (_are_one(write.format, name) and not (name == "native" and read.has_own_fields)):
        return source
    return Translated(source, target, write.format, scored=write.scored)


def _refuse_stages(target: RecordFormat, name: str, write: WriteConfig) -> None:
    """Raises ConfigError for a cascade whose result the output format cannot hold: it has one score a candidate."""
    if write.stages == 1 or target.staged:
        return
    native = "write native records (--output-format native)"
    if target.in_place:
        why, advice = "keep every text with its score, and scores of two stages are not compared", f"Rather {native}."
    elif write.fusion is not None and not target.fuses:
        why, advice = "hold the logit, and the order is by the fused score", f"Leave --fuse out, or {native}."
    elif write.keeps_all or write.drop or write.min_score is not None:
        return
    else:
        why = "have one score, and scores of two stages are not compared"
        advice = f"Add --drop to write only what the last stage scored, or {native}."
    raise ConfigError(f"--{'fuse' if write.fusion is not None else 'stage'}: {name} records {why}", advice)


def _refuse_options(name: str, read: ReadConfig, inputs: Inputs | None) -> None:
    """Raises ConfigError for options of reading that the format `name` does not have."""
    if read.columns is not None and name not in DELIMITERS:
        raise ConfigError(
            f"--columns {read.columns} needs --format csv or tsv; {name} has no columns",
            "Add --format csv or --format tsv.",
        )
    if name in DELIMITERS and read.candidates_field != ReadConfig().candidates_field:
        raise ConfigError(
            f"--candidates-field {read.candidates_field}: a row of {name} is one candidate", "Leave the option out."
        )
    if name not in ("native", *DELIMITERS) and read.has_own_fields:
        raise _fixed_fields(name, read, inputs)
    if _are_one(name, "trec") and read.run is None and inputs is not None:
        raise ConfigError(
            f"--format {name} needs --run",
            "--run RUN names the candidates. INPUT is a BEIR folder, or --queries and --corpus give the texts.",
        )


def _is_detected(read: ReadConfig, inputs: Inputs | None) -> bool:
    """Whether the first record decided about the format."""
    return read.format == "auto" and read.run is None and inputs is not None


def _fixed_fields(name: str, read: ReadConfig, inputs: Inputs | None) -> ConfigError:
    """The error for options that name fields of a format whose fields are fixed."""
    usual = ReadConfig()
    typed = [
        f"--{field.replace('_', '-')} {getattr(read, field)}"
        for field in ("query_field", "candidates_field", "text_field", "id_field", "candidate_id_field")
        if getattr(read, field) != getattr(usual, field)
    ]
    options = " ".join(typed)
    fields = _fields_of_first_record(read, inputs) or options
    other = "" if read.run is not None else f" Native records with these fields: --format native {fields}"
    return ConfigError(
        f"{options}: {name} records have fixed fields", f"Leave {'them' if typed[1:] else 'it'} out.{other}"
    )


def _fields_of_first_record(read: ReadConfig, inputs: Inputs | None) -> str:
    """The field options with which the first record is a native one; "" if unknown."""
    line = None if inputs is None else next(inputs.look_ahead(read.max_line_bytes), None)
    try:
        return "" if line is None else field_options(parse_object(line.raw), read)
    except Malformed:
        return ""


def _are_one(one: str, other: str) -> bool:
    """Whether two names are one format, as beir and trec are."""
    return FORMATS[one].where == FORMATS[other].where


def _record_format(name: str, read: ReadConfig, write: WriteConfig) -> RecordFormat:
    module, _, attribute = FORMATS[name].where.partition(":")
    record_format: RecordFormat = getattr(import_module(f"rerank_cli.formats.{module}"), attribute)(read, write)
    return record_format


def _format_of_first_record(read: ReadConfig, inputs: Inputs | None) -> str:
    """The format of the first record that identifies one; native if none does.

    Raises ConfigError for a run, judgements or texts in place of records.
    """
    if read.run is not None:
        return "beir" if read.folder else "trec"
    if read.columns is not None:
        return _separated(read)
    if inputs is None:
        return "native"
    if read.has_own_fields:
        header = next(inputs.look_ahead(read.max_line_bytes), None)
        by_header = header and format_of_header(header.raw, read)
        return by_header or ("native" if header is None or header.raw.lstrip().startswith(b"{") else _rows(read))
    likely: str | None = None
    lines: list[Line] = []
    for line in islice(inputs.look_ahead(read.max_line_bytes), LOOK_AT_RECORDS):
        if not lines and is_comment(line.raw):
            continue
        if not lines and (separated := format_of_header(line.raw)):
            return separated
        lines.append(line)
        try:
            body = parse_object(line.raw)
        except Malformed:
            continue
        name = format_of(body)
        if name is not None and [] not in (body.get("documents"), body.get("passages")):  # fields of several formats
            return name
        likely = likely or name
    return likely or _format_by_kind(lines)


def _format_by_kind(lines: list[Line]) -> str:
    """The format of an input that is not JSON records. Raises ConfigError for anything but records."""
    kind = kind_of([line.raw for line in lines])
    if kind is None:
        return "native"
    if not kind.format:
        raise kind.refusal(lines[0].origin.source, "records")
    return kind.format


def _rows(read: ReadConfig) -> str:
    """The format of rows whose header has none of the columns that were named, by the suffix of their file."""
    name = of_suffix(read.inputs[0])
    return name if name in DELIMITERS else "native"


def _separated(read: ReadConfig) -> str:
    """The format of rows without a header, by the suffix of their file. Raises ConfigError."""
    name = of_suffix(read.inputs[0])
    if name not in DELIMITERS:
        raise ConfigError(
            f"--columns {read.columns}: the format is not known from the name of the input",
            "Add --format csv or --format tsv.",
        )
    return name


def read_entries(
    format: Format, inputs: Inputs, config: ReadConfig, start: Mark | None, skip: int = 0
) -> Iterator[Entry]:
    """The entries of all inputs after `start`, up to `--limit`; `skip` records were read before `start`.

    Raises InputError for a file that is a JSON array.
    """
    left = None if config.limit is None else config.limit - skip
    if left is not None and left <= 0:
        return
    entries = format.read(inputs.lines(config.max_line_bytes, start))
    begun = "" if start is None or not start.line else inputs.sources[start.source].name
    for entry in entries:
        if not isinstance(entry, Blank) and entry.origin.source != begun:
            begun = entry.origin.source
            if isinstance(entry, Failure) and not isinstance(format, Groups):
                refuse_spread(entry)
        yield entry
        if left is not None and not isinstance(entry, Blank):
            left -= 1
            if left <= 0:
                yield from islice(entries, entry.followed)
                inputs.check_unchanged(entry.end)
                return


def failure_line(failure: Failure) -> bytes:
    """The line of a record in the errors file: source, line, byte_offset, reason, path, and its bytes.

    The bytes are text (`raw`) if they are UTF-8, else base64 (`raw_base64`).
    """
    error: dict[str, Any] = {
        "source": failure.origin.source,
        "line": failure.origin.line,
        "byte_offset": failure.origin.byte_offset,
        "reason": failure.reason,
        "path": failure.path,
    }
    cut = failure.size > len(failure.raw) + NEWLINE_AND_BOM  # possibly in the middle of a character
    raw = source_text(failure.raw)
    try:
        error["raw"] = codecs.getincrementaldecoder("utf-8")().decode(raw, final=not cut)
    except UnicodeDecodeError:
        error["raw_base64"] = base64.b64encode(raw).decode("ascii")
    error["source"] = error["source"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return orjson.dumps(error, option=orjson.OPT_APPEND_NEWLINE)


def good_requests(read: ReadConfig) -> list[Request]:
    """The good records of an input, for a comparison. Raises InputError when there are none."""
    inputs = Inputs(read.inputs)
    format = open_format(read, WriteConfig(), inputs)
    requests = [entry for entry in read_entries(format, inputs, read, None) if isinstance(entry, Request)]
    if not any(request.texts for request in requests):
        raise InputError(f"{', '.join(read.inputs)}: no record with candidates", "`rerank check` shows what is wrong.")
    return requests
