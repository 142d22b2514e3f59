"""gzip, zstd and parquet are recognised by content when read. gzip and zstd are chosen by suffix when written.

A parquet file is read like a compressed file of JSON lines, one per row. So positions, hashes and resuming work for
rows as for lines.
"""

import errno
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import IO, cast

from rerank_cli.core.installation import installation
from rerank_cli.files.raw import PeekableStream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE, ZSTD_SKIPPABLE_FIRST = b"\x2a\x4d\x18", bytes(range(0x50, 0x60))  # a frame without content
PARQUET_MAGIC = b"PAR1"
TEXT_NEXT = re.compile(rb"[\t\r\n -~\xc2-\xf4]")  # after these letters, the file is a text that begins with them
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)  # raised by streams of `decompressed`


class _Decompressed(PeekableStream):
    """A decompressed stream that returns what is available, so that a buffer loses nothing when the rest is damaged."""

    damaged = DAMAGED

    def __init__(self, compressed: "gzip.GzipFile | zstd.ZstdFile") -> None:
        super().__init__()
        self._compressed = compressed

    def fill(self, view: memoryview) -> int:
        block = self._compressed.read1(len(view))
        view[: len(block)] = block
        return len(block)

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        return self.take(memoryview(buffer))


def decompressed(raw: io.RawIOBase, head: bytes) -> io.RawIOBase:
    """`raw` decompressed, if its first bytes (`head`) are those of a compressed file; else `raw` itself.

    Raises OSError for a parquet file that cannot be read here.
    """
    if head.startswith(PARQUET_MAGIC) and not TEXT_NEXT.match(head, len(PARQUET_MAGIC)):
        if find_spec("pyarrow") is None:
            raise OSError(errno.ENOPKG, f"is a parquet file, and pyarrow is missing: {installation('parquet')}")
        rows: io.RawIOBase = import_module("rerank_cli.files.parquet").RowLines(raw)
        return rows
    if head.startswith(GZIP_MAGIC):
        return _Decompressed(gzip.GzipFile(fileobj=cast("IO[bytes]", raw), mode="rb"))
    if head.startswith(ZSTD_MAGIC) or (head[1:4] == ZSTD_SKIPPABLE and head[:1] in ZSTD_SKIPPABLE_FIRST):
        return _Decompressed(zstd.ZstdFile(cast("IO[bytes]", raw), "r"))
    return raw


def compressor(path: str) -> Callable[[bytes], bytes]:
    """A function that compresses for `path`, by its suffix: each call returns a complete gzip member or zstd frame."""
    if path.endswith(".gz"):
        return lambda block: gzip.compress(block, 6, mtime=0)
    if path.endswith((".zst", ".zstd")):
        return lambda block: zstd.compress(block, options={zstd.CompressionParameter.checksum_flag: 1})
    return bytes
