"""Recognise files of other types by their first bytes, with advice for each.

A file that can be text is text, whatever its first letters: `BZh9` may be the id of a document.
"""

import codecs
import re
from typing import NamedTuple

LOOK_AT = 512  # bytes: a tar archive names itself at 257
ENOUGH = 4  # bytes to wait for, even if a line ends before
READ = "plain text, gzip, zstd and parquet are read"
TOOL = "Unpack it: {} FILE | rerank ... -, or into a file."
CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")
ASCII16 = rb"[\t\n\r -~]\x00"
ASCII16_BE = rb"\x00[\t\n\r -~]"


class Foreign(NamedTuple):
    """A type of file: its first bytes, its name, and the advice."""

    begins: re.Pattern[bytes]
    what: str
    advice: str


def _kinds() -> tuple[Foreign, ...]:
    convert = "Convert it: iconv -f {} -t UTF-8 FILE > TEXT"
    table: tuple[tuple[bytes, str, str], ...] = (
        (rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff", "UTF-32 text", convert.format("UTF-32")),
        (rb"\xff\xfe|\xfe\xff", "UTF-16 text", convert.format("UTF-16")),
        (rb"[\t\n\r -~]\x00{3}", "UTF-32 text", convert.format("UTF-32LE")),
        (rb"\x00{3}[\t\n\r -~]", "UTF-32 text", convert.format("UTF-32BE")),
        (rb"(?:%b){2}" % ASCII16, "UTF-16 text", convert.format("UTF-16LE")),
        (rb"(?:%b){2}" % ASCII16_BE, "UTF-16 text", convert.format("UTF-16BE")),
        (rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "bz2-compressed", TOOL.format("bzip2 -dc")),
        (rb"\xfd7zXZ\x00", "xz-compressed", TOOL.format("xz -dc")),
        (rb"\x5d\x00\x00.{2}(?:\xff{8}|.{5}\x00{3})", "lzma-compressed", TOOL.format("xz --format=lzma -dc")),
        (rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", "lz4-compressed", TOOL.format("lz4 -dc")),
        (rb"LZIP[\x00-\x02]", "lzip-compressed", TOOL.format("lzip -dc")),
        (rb"\x89LZO\x00", "lzop-compressed", TOOL.format("lzop -dc")),
        (rb"\xff\x06\x00\x00sNaPpY", "snappy-compressed", TOOL.format("snzip -dc")),
        (rb"\x1f\x9d", "compressed with `compress`", TOOL.format("uncompress -c")),
        (rb"\x1f\x8b", "gzip-compressed", TOOL.format("gzip -dc")),
        (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd-compressed", TOOL.format("zstd -dc")),
        (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip archive (or .docx, .xlsx, .npz)", TOOL.format("unzip -p")),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", TOOL.format("7z x -so")),
        (rb"Rar!\x1a\x07", "a rar archive", TOOL.format("unrar p -inul")),
        (rb".{257}ustar[\x00 ]", "a tar archive", TOOL.format("tar -xOf")),
        (rb"PAR[1E]", "a parquet file", "Unpack it into a file: parquet is not read through a pipe."),
        (rb"ARROW1\x00\x00|\xff{4}.{2}\x00{2}\x10", "an Arrow (Feather) file", "Write it as parquet."),
        (rb"FEA1", "a Feather file", "Write it as parquet."),
        (rb"ORC", "an ORC file", "Write it as parquet."),
        (rb"Obj\x01", "an Avro file", "Write it as parquet or JSON lines."),
        (rb"SQLite format 3\x00", "an SQLite database", "Write its table as JSON lines."),
        (rb"\x89HDF\r\n", "an HDF5 file", "Write it as parquet or JSON lines."),
        (rb"\x80[\x02-\x05][^\x80-\xbf]|\x80[\x04\x05]\x95", "a Python pickle", "Write it as JSON lines."),
        (rb"\x93NUMPY", "a numpy array", "Write it as parquet or JSON lines."),
        (rb"%PDF-\d\.\d", "a PDF document", "Write its text as JSON lines."),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.doc, .xls)", "Save it as text."),
        (rb"\x89PNG\r\n|\xff\xd8\xff", "an image", "Name the file that has the records."),
        (rb"\x7fELF|MZ\x90\x00", "a program", "Name the file that has the records."),
    )
    return tuple(Foreign(re.compile(begins, re.DOTALL), what, advice) for begins, what, advice in table)


KINDS = _kinds()


def foreign_kind(head: bytes) -> Foreign | None:
    """The type of a file that is not read here, by its first LOOK_AT bytes.

    >>> foreign_kind(b"BZh91AY&SY\\xff").what, foreign_kind(b"BZh91AY&SY is a text")
    ('bz2-compressed', None)
    """
    return None if is_text(head) else next((kind for kind in KINDS if kind.begins.match(head)), None)


def is_text(head: bytes) -> bool:
    """Whether these bytes can begin a text in UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not CONTROLS.search(head)
