"""Record shapes: lines in, entries out; a request and its ranking in, lines out.

A shape is a file with a class that has the verbs of `shape.Shape`, and a line in FORMATS: where it is, and the fields
by which the first record of an input is known. What all shapes share is here: choosing one, counting the limit, and the
line of the errors file.
"""

import base64
import codecs
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple, Protocol

import orjson

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import ConfigError
from rerank_cli.formats.groups import Groups
from rerank_cli.formats.lines import Records
from rerank_cli.formats.shape import Malformed, Shape, parse_object
from rerank_cli.formats.streams import Inputs, Line
from rerank_cli.ranking import Ranking
from rerank_cli.records import Blank, Entry, Failure, Mark, Request, failed

RUN_COLUMNS = 6  # of a TREC run
LOOK_AT_RECORDS = 100  # for the first that shows its shape
NEWLINE_AND_BOM = 4  # bytes that a whole line may have beside its raw ones


class Known(NamedTuple):
    """A shape: where its class is, and the dotted fields that a record of it has and none of the shapes above has."""

    where: str
    fields: tuple[str, ...] = ()


FORMATS = {
    "rank-llm": Known("rank_llm:RankLlm", ("query.text", "candidates")),
    "native": Known("native:Native", ("query", "candidates")),
    "openai-batch": Known("openai_batch:OpenAiBatch", ("custom_id", "url", "body")),
    "tevatron": Known("tevatron:Tevatron", ("query_id|qid", "query", "docid", "text")),
    "flag-embedding": Known("flag_embedding:FlagEmbedding", ("query", "pos", "neg")),
    "langchain": Known("langchain:LangChain", ("query", "documents.0.page_content")),
    "voyage": Known("api:Voyage", ("query", "documents", "top_k")),
    "rerank-api": Known("api:RerankApi", ("query", "documents")),
    "mixedbread": Known("api:Mixedbread", ("query", "input")),
    "tei": Known("api:Tei", ("query", "texts")),
    "beir": Known("trec:TrecRun"),
    "trec": Known("trec:TrecRun"),
    "flashrank": Known("flashrank:FlashRank", ("query", "passages")),
}


class Format(Protocol):
    """How records are read and written: a shape, one record a line or several lines a record."""

    name: str
    hashes: dict[str, str]  # of files that it looks into
    candidates_path: str  # where in a record the candidates are, for failures

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """Turn lines into entries: every non-blank line ends in exactly one Request or Failure."""

    def native(self, request: Request) -> dict[str, Any]:
        """The native record of a request that was read."""

    def converted(self, request: Request) -> bytes:
        """The output lines, newlines included, for a request as it was read, without a ranking."""

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """The output lines, newlines included, for a ranked request."""


class Translated:
    """A format that reads one shape and writes another."""

    def __init__(self, source: Format, target: Shape) -> None:
        self._source = source
        self._target = target
        self.name, self.hashes = source.name, source.hashes
        self.candidates_path = source.candidates_path

    def read(self, lines: Iterator[Line]) -> Iterator[Entry]:
        """See Format.read. What lacks something that the other shape must have is a failure."""
        for entry in self._source.read(lines):
            if not isinstance(entry, Request):
                yield entry
                continue
            try:
                yield self._made(entry)
            except Malformed as fault:
                yield replace(failed(entry, fault.reason, fault.path), followed=entry.followed)

    def _made(self, entry: Request) -> Request:
        record = self._source.native(entry)
        made = replace(entry, body=self._target.made(record))
        if order := getattr(self._target, "order", None):
            places = order(record)
            fields = tuple([entry.fields[place] for place in places]) if entry.fields else ()
            made = replace(made, texts=tuple([entry.texts[place] for place in places]), fields=fields)
        return made

    def native(self, request: Request) -> dict[str, Any]:
        """See Format.native."""
        return self._target.native(request.body)

    def converted(self, request: Request) -> bytes:
        """See Format.converted."""
        return self._target.dumped(request.body)

    def write(self, request: Request, ranking: Ranking) -> bytes:
        """See Format.write."""
        return self._target.dumped(self._target.ranked(request.body, ranking))


def open_format(read: ReadConfig, write: WriteConfig, inputs: Inputs | None = None) -> Format:
    """The format that the user named, or for `auto` the one that the first record of `inputs` shows.

    Raises ConfigError for unknown names and options that do not go with the shape; InputError when the input, or a file
    that it refers to, cannot be read.
    """
    for option, wanted in (("--format", read.format), ("--output-format", write.format)):
        if wanted not in FORMATS and wanted != ("auto" if option == "--format" else "same"):
            raise ConfigError(f"{option}: unknown format {wanted!r}", f"Formats: {', '.join(sorted(FORMATS))}.")
    name = read.format if read.format != "auto" else _recognised(read, inputs)
    if name != "native" and read.has_own_fields:
        raise ConfigError(
            f"--query-field, --candidates-field, --text-field, --id-field: {name} records have their own fields",
            "Leave them out, or add --format native.",
        )
    shape = _shape(name, replace(read, format=name), write)
    source: Format = (Groups if hasattr(shape, "gathered") else Records)(name, shape, read, write)
    if write.format == "same" or (write.format == name and not read.has_own_fields):
        return source
    if write.format == "beir":
        raise ConfigError("--output-format beir: folders are read, not written", "trec writes a run.")
    return Translated(source, _shape(write.format, ReadConfig(), write))


def _shape(name: str, read: ReadConfig, write: WriteConfig) -> Any:
    module, _, attribute = FORMATS[name].where.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)(read, write)


def _recognised(read: ReadConfig, inputs: Inputs | None) -> str:
    """The shape of the first record that tells it; native, whose errors explain themselves, when none does.

    Raises ConfigError for a TREC run that was not named as one.
    """
    if read.run is not None:
        return "beir" if read.folder else "trec"
    if inputs is None or read.has_own_fields:
        return "native"
    likely = None
    for line in islice(inputs.look_ahead(read.max_line_bytes), LOOK_AT_RECORDS):
        columns = line.raw.split()
        if line.origin.line == 1 and len(columns) == RUN_COLUMNS and columns[1] == b"Q0":
            raise ConfigError(
                f"{line.origin.source}: looks like a TREC run, which has no texts",
                "Name it with --run, and a BEIR folder, or --queries and --corpus.",
            )
        try:
            body = parse_object(line.raw)
        except Malformed:
            continue
        fitting = [name for name, known in FORMATS.items() if known.fields and all(has(body, f) for f in known.fields)]
        if fitting and body.get("documents") != []:  # of which several shapes have lists
            return fitting[0]
        likely = likely or next(iter(fitting), None)
    return likely or "native"


def has(body: Any, field: str) -> bool:
    """Whether a record has a dotted field; `a|b` is either, a number is a place in a list.

    >>> has({"documents": [{"page_content": ""}]}, "documents.0.page_content"), has({}, "qid|query_id")
    (True, False)
    """
    if "|" in field:
        return any(has(body, each) for each in field.split("|"))
    for name in field.split("."):
        if isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return False
    return True


def read_entries(
    shape: Format, inputs: Inputs, config: ReadConfig, start: Mark | None, skip: int = 0
) -> Iterator[Entry]:
    """The entries of all inputs after `start`, of which `skip` records were read before; ends at `--limit`."""
    left = None if config.limit is None else config.limit - skip
    if left is not None and left <= 0:
        return
    entries = shape.read(inputs.lines(config.max_line_bytes, start))
    for entry in entries:
        yield entry
        if left is not None and not isinstance(entry, Blank):
            left -= 1
            if left <= 0:
                yield from islice(entries, entry.followed)
                inputs.check_held_still(entry.end)
                return


def failure_line(failure: Failure) -> bytes:
    """The errors file's line for a record: source, line, byte_offset, reason, path, and its bytes.

    The bytes are text (`raw`) when they are UTF-8, else base64 (`raw_base64`).
    """
    error: dict[str, Any] = {
        "source": failure.origin.source,
        "line": failure.origin.line,
        "byte_offset": failure.origin.byte_offset,
        "reason": failure.reason,
        "path": failure.path,
    }
    cut = failure.size > len(failure.raw) + NEWLINE_AND_BOM  # then perhaps in the midst of a character
    try:
        error["raw"] = codecs.getincrementaldecoder("utf-8")().decode(failure.raw, final=not cut)
    except UnicodeDecodeError:
        error["raw_base64"] = base64.b64encode(failure.raw).decode("ascii")
    error["source"] = error["source"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return orjson.dumps(error, option=orjson.OPT_APPEND_NEWLINE)
