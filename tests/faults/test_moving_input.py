"""Input that changes, ends early, is damaged or swells while it is read: said, refused, or an error record.

Never a result that passes for that of a whole input; and never more memory than a limit allows.
"""

import gzip
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from support.points import Points
from support.running import COMMAND, HANG_S, commits, environment, files_of, forked, lines, record, wait_until

from rerank_cli.core.errors import InputError
from rerank_cli.files.inputs import Inputs

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

try:
    import zstandard
except ImportError:
    zstandard = None

LIMIT = 1 << 26
CHECKED = {zstd.CompressionParameter.checksum_flag: 1}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": lambda content: gzip.compress(content, 1),
    "zst": lambda content: zstd.compress(content, options=CHECKED),
}

# input that moves


RECORDS, NOISE = 120, 1 << 15  # 4 MiB in all: the reader is never more than two of them ahead of the commits
SLOW = ("--model", "fake:slow=0.002", "--batch-tokens", "64", "--window-tokens", "128", "--no-text")
RUN = ("score", "in.jsonl", "-o", "out.jsonl", *SLOW)


def large(seed: int, count: int = RECORDS) -> bytes:
    """Records with a long text each, which does not compress well and does not come out again."""
    chance = random.Random(seed)
    parts = []
    for number in range(count):
        fields = record(number)
        fields["query"] += f" of {seed}"
        fields["candidates"].append({"id": "noise", "text": chance.randbytes(NOISE // 2).hex()})
        parts.append(json.dumps(fields).encode() + b"\n")
    return b"".join(parts)


def rewritten(path: Path, content: bytes) -> None:
    """Truncate and fill again, as `cp` and editors do."""
    path.write_bytes(content)


def replaced(path: Path, content: bytes) -> None:
    """Put another file in its place, as `mv` does."""
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


def appended(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def touched(path: Path, content: bytes) -> None:
    os.utime(path)


def removed(path: Path, content: bytes) -> None:
    path.unlink()


def halved(path: Path, content: bytes) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path, content: bytes) -> None:
    os.truncate(path, 0)


def cut(path: Path, content: bytes) -> None:
    os.truncate(path, path.stat().st_size - 1)


Change = Callable[[Path, bytes], None]
CHANGES: dict[str, tuple[Change, int, int]] = {  # the change, the records written in it, the exit code
    "grows": (appended, 5, 0),
    "is touched": (touched, 0, 0),
    "shrinks by a byte": (cut, 0, 4),
    "shrinks to a half": (halved, 0, 4),
    "shrinks to nothing": (emptied, 0, 4),
    "is removed": (removed, 0, 4),
    "is replaced by its like": (replaced, RECORDS, 4),
    "is replaced by a shorter one": (replaced, 10, 4),
    "is replaced by a longer one": (replaced, RECORDS + 10, 4),
    "is rewritten as long": (rewritten, RECORDS, 4),
    "is rewritten shorter": (rewritten, 10, 4),
    "is rewritten longer": (rewritten, RECORDS + 10, 4),
}


@contextmanager
def changing(path: Path, output: Path, count: int, change: Callable[[], None]) -> Iterator[None]:
    """Make a change once `count` commits are in the journal of `output`."""
    over = threading.Event()

    def wait_and_change() -> None:
        if wait_until(lambda: over.is_set() or commits(output) >= count) and not over.is_set():
            change()

    thread = threading.Thread(target=wait_and_change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("form", COMPRESSIONS)
def test_an_input_that_moves_while_it_is_read_is_read_as_it_was_or_4_and_never_final(
    quick_folder: Path, points: Points, form: str
) -> None:
    compress = COMPRESSIONS[form]
    original, other = large(1), large(2, RECORDS + 10).splitlines(keepends=True)
    source, output = quick_folder / "in.jsonl", quick_folder / "out.jsonl"

    def fresh() -> dict[str, bytes]:
        """The files of an undisturbed run over the input as it is now."""
        for path in quick_folder.glob("out.jsonl*"):
            path.unlink()
        forked(*RUN, cwd=quick_folder)
        return files_of(quick_folder)

    source.write_bytes(compress(original))
    golden = fresh()
    everything = [(name, count) for count in (0, 3, 8) for name in CHANGES]
    for name, count in points.of(everything, sample=3):
        with points.trying(f"moving input: it {name}"):
            change, records, code = CHANGES[name]
            content = compress(b"".join(other[:records]))
            replaced(source, compress(original))
            for path in quick_folder.glob("out.jsonl*"):
                path.unlink()
            with changing(source, output, count, lambda change=change, content=content: change(source, content)):
                done = forked(*RUN, cwd=quick_folder)
            assert done.code == code, (name, count, done.said)
            if code == 0:
                assert ("grew" in done.said) == (name == "grows")
                assert output.read_bytes() == golden["out.jsonl"]
                meta = json.loads((quick_folder / "out.jsonl.meta.json").read_bytes())
                assert meta["input_sha256"] == hashlib.sha256(original).hexdigest()
                assert (meta["records"], meta["input_bytes"]) == (RECORDS, len(original))
                continue
            assert not output.exists()
            assert "in.jsonl" in done.said
            resumed = forked(*RUN, "--resume", cwd=quick_folder)
            if resumed.code in (4, 8):  # gone or damaged; or what was consumed of it has changed
                assert not output.exists()
            else:  # what was consumed is still there: then the result is that of the input as it now is
                assert resumed.code in (0, 3), resumed.said
                kept = files_of(quick_folder)
                assert {key: kept[key] for key in kept if "meta" not in key} == {
                    key: body for key, body in fresh().items() if "meta" not in key
                }


# streams that end early


TEXT = b"".join(json.dumps(record(number, candidates=2)).encode() + b"\n" for number in range(5))


def with_header(content: bytes) -> bytes:
    """A gzip stream with every optional field in its header."""
    header = b"\x1f\x8b\x08" + bytes([2 | 4 | 8 | 16]) + bytes(6) + struct.pack("<H", 5) + b"extra" + b"name\0remark\0"
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return header + deflate.compress(content) + deflate.flush() + struct.pack("<II", zlib.crc32(content), len(content))


def line_by_line(compressor: Any, flush: Any) -> Callable[[bytes], bytes]:
    """Compress so that each line can be read as soon as its bytes are there."""

    def compress(content: bytes) -> bytes:
        made = compressor()
        return b"".join(made.compress(line) + made.flush(flush) for line in content.splitlines(True)) + made.flush()

    return compress


def gzip_of(level: int, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> Callable[[], Any]:
    return lambda: zlib.compressobj(level, zlib.DEFLATED, 31, 9, strategy)


def at_once(compressor: Callable[[], Any]) -> Callable[[bytes], bytes]:
    def compress(content: bytes) -> bytes:
        made = compressor()
        return made.compress(content) + made.flush()

    return compress


def zstd_with(**options: int) -> dict[int, int]:
    return {getattr(zstd.CompressionParameter, name): value for name, value in options.items()}


def by_program(*command: str) -> Callable[[bytes], bytes]:
    return lambda content: subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout


def by_other_package(**options: bool) -> Callable[[bytes], bytes]:
    return lambda content: zstandard.ZstdCompressor(**options).compress(content)


GZIP, ZSTD = gzip.compress(TEXT), zstd.compress(TEXT)
SKIPPABLE = b"\x5e\x2a\x4d\x18" + struct.pack("<I", 7) + b"ignored"
GZIPS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip, all header fields": with_header,
    "zlib, stored": at_once(gzip_of(0)),
    "zlib, fast": at_once(gzip_of(1)),
    "zlib, huffman only": at_once(gzip_of(6, zlib.Z_HUFFMAN_ONLY)),
    "zlib, fixed codes": at_once(gzip_of(6, zlib.Z_FIXED)),
    "zlib, flushed by line": line_by_line(gzip_of(9), zlib.Z_FULL_FLUSH),
}
ZSTDS: dict[str, Callable[[bytes], bytes]] = {
    "zstd, checksum": lambda content: zstd.compress(content, options=CHECKED),
    "zstd, checksum, level 19": lambda content: zstd.compress(
        content, options=zstd_with(checksum_flag=1, compression_level=19)
    ),
    "zstd, checksum, no size": lambda content: zstd.compress(
        content, options=zstd_with(checksum_flag=1, content_size_flag=0)
    ),
    "zstd, checksum, flushed by line": line_by_line(
        lambda: zstd.ZstdCompressor(options=CHECKED), zstd.ZstdCompressor.FLUSH_BLOCK
    ),
}
UNCHECKED: dict[str, Callable[[bytes], bytes]] = {  # what is altered in these cannot be noticed by anybody
    "zstd": zstd.compress,
    "zstd, no size": lambda content: zstd.compress(content, options=zstd_with(content_size_flag=0)),
}
if zstandard is not None:
    ZSTDS["zstandard, checksum"] = by_other_package(write_checksum=True)
    ZSTDS["zstandard, checksum, no size"] = by_other_package(write_checksum=True, write_content_size=False)
    UNCHECKED["zstandard"] = by_other_package(write_checksum=False)
    UNCHECKED["zstandard, no size"] = by_other_package(write_checksum=False, write_content_size=False)
if shutil.which("gzip"):
    GZIPS["the program gzip"] = by_program("gzip", "-c")
if shutil.which("zstd"):
    ZSTDS["the program zstd"] = by_program("zstd", "-cq")


def in_parts(compress: Callable[[bytes], bytes]) -> list[bytes]:
    """The members or frames of one stream, cut in the middle of lines, an empty one among them."""
    return [compress(part) for part in (TEXT[:100], TEXT[100:101], b"", TEXT[101:500], TEXT[500:])]


# a stream as its parts: cut between two of them, nobody can tell that it goes on
STREAMS: dict[str, list[bytes]] = {
    **{name: [compress(TEXT)] for name, compress in {**GZIPS, **ZSTDS, **UNCHECKED}.items()},
    "gzip, members": in_parts(gzip.compress),
    "zstd, frames": in_parts(ZSTDS["zstd, checksum"]),
    "zstd, skippable frames": [SKIPPABLE, zstd.compress(TEXT[:500]), SKIPPABLE, zstd.compress(TEXT[500:]), SKIPPABLE],
}


def readable_part(compressed: bytes) -> bytes:
    """What the plain decompressors get out of the beginning of a stream."""
    is_gzip, out = compressed.startswith(GZIP[:2]), b""
    while compressed:
        decompress: Any = zlib.decompressobj(31) if is_gzip else zstd.ZstdDecompressor()
        out += decompress.decompress(compressed)
        compressed = decompress.unused_data if decompress.eof else b""
    return out


def kind(name: str) -> str:
    """For the table."""
    return "zst" if "zst" in name else "gz"


def ends(parts: list[bytes]) -> set[int]:
    """Where each part of a stream ends."""
    return {sum(map(len, parts[: count + 1])) for count in range(len(parts))}


def read(path: Path) -> list[bytes]:
    return [line.raw for line in Inputs((str(path),)).lines(LIMIT)]


def assert_ends_early(path: Path, compressed: bytes) -> None:
    """All lines that can be had of it are read, and then an error says how far that was."""
    path.write_bytes(compressed)
    *whole, _ = readable_part(compressed).split(b"\n")
    seen: list[bytes] = []
    with pytest.raises(InputError, match=rf"(early|damaged \(.*\)); line {len(whole)} "):
        seen.extend(line.raw for line in Inputs((str(path),)).lines(LIMIT))
    assert seen == whole


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_is_never_read_as_whole_and_its_last_whole_line_is_named(
    quick_folder: Path, points: Points, name: str
) -> None:
    whole, path = b"".join(STREAMS[name]), quick_folder / "in.jsonl"
    magic = 2 if whole.startswith(b"\x1f\x8b") else 4
    for size in points.of(range(1, len(whole)), sample=20):
        with points.trying(f"cut streams: {kind(name)}"):
            if size in ends(STREAMS[name]):
                path.write_bytes(whole[:size])
                assert b"\n".join(read(path)) == readable_part(whole[:size]).removesuffix(b"\n")
            elif size < magic:  # nothing tells that these were to be compressed, but they are no record either
                path.write_bytes(whole[:size])
                assert not any(line.startswith(b"{") for line in read(path))
            else:
                assert_ends_early(path, whole[:size])


@pytest.mark.parametrize("name", STREAMS)
def test_a_run_over_a_stream_that_was_cut_is_4_and_nothing_is_final(
    quick_folder: Path, points: Points, name: str
) -> None:
    whole, path = b"".join(STREAMS[name]), quick_folder / "in.jsonl"
    sizes = [size for size in range(1, len(whole), 23) if size not in ends(STREAMS[name])]
    for size in points.of(sizes, sample=2):
        with points.trying(f"cut streams: {kind(name)}, whole runs"):
            path.write_bytes(whole[:size])
            done = forked("score", path, "-o", "out.jsonl", "--model", "fake", cwd=quick_folder)
            assert done.code == 4, done.said
            assert not (quick_folder / "out.jsonl").exists()
            assert forked("score", path, "-o", "out.jsonl", "--model", "fake", "--resume", cwd=quick_folder).code == 4
            assert not (quick_folder / "out.jsonl").exists()
            for left in quick_folder.glob("out.jsonl*"):
                left.unlink()


@pytest.mark.skipif(zstandard is None, reason="the other package for zstd is not installed")
@pytest.mark.parametrize("first", ["zstandard", "rerank_cli.cli.process"])
def test_with_another_zstd_in_the_process_a_cut_stream_is_still_4(
    quick_folder: Path, points: Points, first: str
) -> None:
    second = {"zstandard": "rerank_cli.cli.process", "rerank_cli.cli.process": "zstandard"}[first]
    script = f"import sys, {first}, {second}; rerank_cli.cli.process.main()"
    whole = ZSTDS["zstandard, checksum"](TEXT)
    for size, code in ((len(whole), 0), (len(whole) - 1, 4), (len(whole) // 2, 4)):
        with points.trying("cut streams: with zstandard imported"):
            (quick_folder / "in.jsonl").write_bytes(whole[:size])
            command = [sys.executable, "-c", script, "score", "in.jsonl", "-o", f"{size}.jsonl", "--model", "fake"]
            done = subprocess.run(command, cwd=quick_folder, env=environment(), capture_output=True, check=False)
            assert done.returncode == code, done.stderr
            assert (quick_folder / f"{size}.jsonl").exists() == (code == 0)


def test_zeros_after_a_gzip_stream_are_padding(quick_folder: Path, points: Points) -> None:
    path = quick_folder / "in.jsonl"
    for count in (1, 2, 3, 7, 8, 511, 512, 10_240):
        with points.trying("after a stream: zeros, which gzip allows"):
            path.write_bytes(gzip.compress(TEXT) + bytes(count))
            assert read(path) == TEXT.splitlines()
            path.write_bytes(gzip.compress(TEXT[:99]) + bytes(count) + gzip.compress(TEXT[99:]))
            assert read(path) == TEXT.splitlines()


@pytest.mark.parametrize("name", [*GZIPS, *ZSTDS, *UNCHECKED])
def test_anything_else_after_a_stream_is_an_error(quick_folder: Path, points: Points, name: str) -> None:
    whole, path = b"".join(STREAMS[name]), quick_folder / "in.jsonl"
    starts = [b"\n", b"{", b"x", b"\xff", GZIP[:1], GZIP[:2], GZIP[:3], ZSTD[:1], ZSTD[:3], SKIPPABLE[:5]]
    tails = [*starts, *(start * 300 for start in starts), TEXT, bytes(9) + b"x", GZIP[:-1], ZSTD[:-1]]
    tails += [ZSTD, SKIPPABLE] if name in GZIPS else [GZIP, b"\0", bytes(512)]
    for tail in points.of(tails, sample=3):
        with points.trying("after a stream: anything else"):
            path.write_bytes(whole + tail)
            with pytest.raises(InputError, match=r"damaged|early"):
                read(path)


@pytest.mark.parametrize("name", [*GZIPS, *ZSTDS, "gzip, members", "zstd, frames"])
def test_a_flipped_bit_in_a_stream_with_a_checksum_is_an_error_or_changes_no_line(
    quick_folder: Path, points: Points, name: str
) -> None:
    whole, path = b"".join(STREAMS[name]), quick_folder / "in.jsonl"
    for place in points.of(range(8 * len(whole)), sample=30):
        with points.trying(f"flipped bits: {kind(name)}"):
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            path.write_bytes(flipped)
            try:
                found = read(path)
            except InputError:
                continue
            records = [line for line in found if line.startswith(b"{")]  # of a plain file: its magic number was hit
            assert found == TEXT.splitlines() or (len(records) < len(found) and set(records) < set(TEXT.splitlines()))


# bombs


PEAK = 400 << 20
SPAWN = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_of(folder: Path, *arguments: str, write: Callable[[IO[bytes]], None] | None = None) -> tuple[int, int]:
    """Run the command; its exit code and its peak memory.

    A process starts with the peak of the one it was forked from, so a small one stands between it and this one.
    """
    command = [sys.executable, "-c", SPAWN, "peak", *COMMAND, *arguments]
    stdin = subprocess.DEVNULL if write is None else subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=environment(), stdin=stdin, stderr=subprocess.DEVNULL) as process:
        if write is not None:
            write(process.stdin)
            process.stdin.close()
        code = process.wait(HANG_S)
    return code, int((folder / "peak").read_text())


def swollen(compress: Callable[[bytes], bytes], unit: bytes, size: int) -> bytes:
    """Two good records around a line of `size` bytes that is none, compressed a member or frame at a time."""
    block = compress(unit * ((16 << 20) // len(unit)))
    return compress(lines(1)) + block * (size >> 24) + compress(b"\n" + lines(1, start=1))


def assert_one_too_long(folder: Path) -> None:
    """The good records are in the output, and the line between them is an error record."""
    assert [json.loads(line)["id"] for line in (folder / "out.jsonl").read_bytes().splitlines()] == ["q0", "q1"]
    [error] = [json.loads(line) for line in (folder / "out.jsonl.errors.jsonl").read_bytes().splitlines()]
    assert error["line"] == 2
    assert "--max-line-bytes" in error["reason"]
    assert len(error["raw"]) <= 64 << 10


@pytest.mark.sampled(2)
@pytest.mark.parametrize("form", ["gz", "zst"])
@pytest.mark.parametrize("unit", [b"\0", b"a long line "], ids=["zeros", "text"])
def test_a_bomb_is_an_error_record_in_bounded_memory(
    quick_folder: Path, points: Points, form: str, unit: bytes
) -> None:
    size = (1 << 30) if points.exhaustive else (96 << 20)
    with points.trying("bombs: a line that was small when compressed"):
        (quick_folder / "in.jsonl").write_bytes(swollen(COMPRESSIONS[form], unit, size))
        code, peak = peak_of(quick_folder, "score", "in.jsonl", "-o", "out.jsonl", "--model", "fake")
        assert code == 3
        assert peak < PEAK
        assert_one_too_long(quick_folder)


def test_an_endless_line_through_a_pipe_is_an_error_record_in_bounded_memory(
    quick_folder: Path, points: Points
) -> None:
    size = (1 << 30) if points.exhaustive else (96 << 20)

    def write(pipe: IO[bytes]) -> None:
        block = b"a long line " * 100_000
        pipe.write(lines(1) + b'{"query": "')
        for _ in range(size // len(block)):
            pipe.write(block)
        pipe.write(b'"}\n' + lines(1, start=1))

    with points.trying("bombs: a line without end in a pipe"):
        code, peak = peak_of(quick_folder, "score", "-", "-o", "out.jsonl", "--model", "fake", write=write)
        assert code == 3
        assert peak < PEAK
        assert_one_too_long(quick_folder)


@pytest.mark.sampled(1)
def test_a_quoted_field_of_any_size_is_an_error_record_in_bounded_memory(quick_folder: Path, points: Points) -> None:
    size = (1 << 30) if points.exhaustive else (100 << 20)

    def write(pipe: IO[bytes]) -> None:
        block = (b'a line, with a ""quote"", in one cell' + b" of many words" * 99 + b"\n") * 1000
        pipe.write(b'query,text\nq0,a\nlong,"')
        for _ in range(size // len(block) + 1):
            pipe.write(block)
        pipe.write(b'"\nq1,b\n')

    with points.trying("bombs: a quoted field through a pipe"):
        code, peak = peak_of(quick_folder, "score", "-", "-o", "out.csv", "--model", "fake", write=write)
        assert code == 3
        assert peak < PEAK
        rows = (quick_folder / "out.csv").read_text().splitlines()
        assert [row.split(",")[0] for row in rows] == ["query", "q0", "q1"]
        [error] = [json.loads(line) for line in (quick_folder / "out.csv.errors.jsonl").read_bytes().splitlines()]
        assert error["line"] == 3
        assert "--max-line-bytes" in error["reason"]
        assert len(error["raw"]) <= 64 << 10


# the limit of a line


def of_size(size: int) -> bytes:
    """A good record of so many bytes."""
    empty = json.dumps({"query": "", "candidates": ["a"]}).encode()
    return empty.replace(b'""', b'"' + b"q" * (size - len(empty)) + b'"')


@pytest.mark.parametrize("limit", [64, 1 << 16, 1 << 20], ids=["small", "what is kept of a record", "a buffer"])
def test_a_line_of_the_limit_is_a_record_and_one_byte_more_is_an_error_record(
    quick_folder: Path, points: Points, limit: int
) -> None:
    endings = {"newline": b"\n", "nothing": b"", "carriage return": b"\r\n"}
    everything = [
        (form, ending, sizes)
        for form in COMPRESSIONS
        for ending in endings
        for sizes in ((limit,), (limit + 1,), (limit - 1, limit, limit + 1, limit), (limit + 1, limit - 1, 40))
    ]
    for form, ending, sizes in points.of(everything, sample=3):
        with points.trying("lines: around --max-line-bytes"):
            end = endings[ending]
            room = [limit - len(end.removesuffix(b"\n"))] * len(sizes)  # a carriage return is part of its line
            expected = [size <= most for size, most in zip(sizes, room, strict=True)]
            body = end.join(of_size(size) for size in sizes) + end if end else b"\n".join(map(of_size, sizes))
            good = json.dumps({"query": "first", "candidates": ["a"]}).encode() + b"\n"
            (quick_folder / "in.jsonl").write_bytes(COMPRESSIONS[form](good + body))
            done = forked(
                *("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake", "--overwrite"),
                *("--max-line-bytes", str(limit)),
                cwd=quick_folder,
            )
            assert done.code == (0 if all(expected) else 3), done.said
            written = (quick_folder / "out.jsonl").read_bytes().splitlines()
            assert len(written) == 1 + sum(expected)
            errors = quick_folder / "out.jsonl.errors.jsonl"
            failed = [json.loads(line)["line"] for line in errors.read_bytes().splitlines()] if errors.exists() else []
            assert failed == [number for number, fits in enumerate(expected, 2) if not fits]


# pipes


def test_an_input_through_a_pipe_that_does_not_block_is_read_to_its_end(quick_folder: Path, points: Points) -> None:
    for form in COMPRESSIONS:
        with points.trying("pipes: one that does not block"):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            content = COMPRESSIONS[form](lines(40))
            thread = threading.Thread(target=drip, args=(writer, content))
            thread.start()
            command = [*COMMAND, "score", "-", "-o", "-", "--model", "fake", "-q"]
            done = subprocess.run(command, stdin=reader, env=environment(), capture_output=True, check=False)
            os.close(reader)
            thread.join()
            assert done.returncode == 0, done.stderr
            assert len(done.stdout.splitlines()) == 40


def drip(writer: int, content: bytes) -> None:
    """Write in a few parts, with pauses, until the reader goes away."""
    pause = threading.Event()
    try:
        for start in range(0, len(content), len(content) // 4):
            pause.wait(0.05)
            os.write(writer, content[start : start + len(content) // 4])
    except BrokenPipeError:
        pass
    finally:
        os.close(writer)
