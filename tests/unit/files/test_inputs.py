"""Bytes to lines with their places: newlines, compression, limits, files that move."""

import gzip
import hashlib
import os
import pty
import sys
import threading
import tracemalloc

import pytest

from rerank_cli.core.errors import InputError
from rerank_cli.core.records import RAW_CAP, Mark
from rerank_cli.files.compression import compressor
from rerank_cli.files.inputs import NEXT_INPUT, Inputs
from rerank_cli.files.raw import CHUNK
from rerank_cli.files.sources import Source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 1 << 20
CHECKSUM = {zstd.CompressionParameter.checksum_flag: 1}


def kept(tmp_path, content, name="in.jsonl"):
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


def read(path, limit=LIMIT):
    return list(Inputs((path,)).lines(limit))


def raws(path, limit=LIMIT):
    return [line.raw for line in read(path, limit)]


# lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"\n\n", [b"", b""]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
        (b"a\rb\n", [b"a\rb"]),
        ("a\u2028b\u2029c\u0085d\n".encode(), ["a\u2028b\u2029c\u0085d".encode()]),
        (b"a\x0bb\x0cc\x1cd\x1de\x1ef\n", [b"a\x0bb\x0cc\x1cd\x1de\x1ef"]),
        (b"a\x00b\n\xff\xfe\n", [b"a\x00b", b"\xff\xfe"]),
    ],
)
def test_lines_end_at_newlines_and_nowhere_else(tmp_path, content, lines):
    assert raws(kept(tmp_path, content)) == lines


def test_a_line_knows_its_number_its_offset_and_where_it_ends(tmp_path):
    path = kept(tmp_path, b"one\n\nthree")
    places = [(str(line.origin), line.origin.byte_offset, line.end.line, line.end.offset) for line in read(path)]
    assert places == [(f"{path}:1", 0, 1, 4), (f"{path}:2", 4, 2, 5), (f"{path}:3", 5, 3, 10)]


def test_a_byte_order_mark_is_dropped_at_the_start_of_a_file_and_kept_elsewhere(tmp_path):
    bom = b"\xef\xbb\xbf"
    path = kept(tmp_path, bom + b"a\n" + bom + b"b\n")
    lines = read(path)
    assert [line.raw for line in lines] == [b"a", bom + b"b"]
    assert [line.origin.byte_offset for line in lines] == [0, 5]
    assert lines[-1].end.sha256 == hashlib.sha256(bom + b"a\n" + bom + b"b\n").hexdigest()


def test_the_digest_at_a_line_is_that_of_all_bytes_before_it(tmp_path):
    content = b"\xef\xbb\xbfone\r\n\ntwo \xff\nlast"
    for line in read(kept(tmp_path, content)):
        assert line.end.sha256 == hashlib.sha256(content[: line.end.offset]).hexdigest()


def test_later_lines_do_not_change_the_digest_of_earlier_ones(tmp_path):
    first, _ = read(kept(tmp_path, b"a\nb\n"))
    assert first.end.sha256 == hashlib.sha256(b"a\n").hexdigest()


# the limit


def test_a_line_of_exactly_the_limit_is_whole(tmp_path):
    path = kept(tmp_path, b"12345\n12345")
    assert [(line.raw, line.too_long) for line in read(path, 5)] == [(b"12345", False), (b"12345", False)]


def test_a_longer_line_is_skipped_to_the_next_newline(tmp_path):
    path = kept(tmp_path, b"ok\n123456\nok\n123456")
    lines = read(path, 5)
    assert [line.too_long for line in lines] == [False, True, False, True]
    assert [line.raw for line in lines if not line.too_long] == [b"ok", b"ok"]
    assert all(b"123456".startswith(line.raw) and line.raw for line in lines if line.too_long)
    assert [line.end.offset for line in lines] == [3, 10, 13, 19]
    assert lines[-1].end.sha256 == hashlib.sha256(b"ok\n123456\nok\n123456").hexdigest()


def test_of_a_line_that_is_too_long_only_the_beginning_is_kept(tmp_path):
    (line,) = read(kept(tmp_path, b"x" * (RAW_CAP * 4)), RAW_CAP * 2)
    assert line.too_long
    assert line.raw == b"x" * RAW_CAP


@pytest.mark.parametrize("compressed", [False, True])
def test_a_line_beyond_the_limit_is_skipped_in_bounded_memory(tmp_path, compressed):
    content = b"x" * (48 << 20) + b"\nlast\n"
    path = kept(tmp_path, gzip.compress(content, 1) if compressed else content)
    del content
    tracemalloc.start()
    try:
        lines = read(path, 64 * 1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [line.too_long for line in lines] == [True, False]
    assert lines[1].raw == b"last"
    assert peak < 12 << 20


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a\n\n \t\r\nb",
        b"x" * (CHUNK - 1) + b"\nb\n",
        b"x" * CHUNK + b"\nb",
        b" " * CHUNK + b"\n" + b" " * (CHUNK - 1) + b"x\n",
        b"a\n" * CHUNK,
    ],
)
def test_lines_are_counted_ahead_as_they_are_read(tmp_path, content, compress):
    inputs = Inputs((kept(tmp_path, compress(content), "one"), kept(tmp_path, compress(b"\nlast"), "two")))
    assert inputs.count_lines(1 << 30) == sum(1 for line in inputs.lines(LIMIT) if line.raw.strip())


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_a_compressed_line_of_any_length_is_counted_in_bounded_memory(tmp_path, form):
    path = kept(tmp_path, COMPRESSED[form](b"a\n" + b"x" * (48 << 20)))
    tracemalloc.start()
    try:
        counts = [Inputs((path,)).count_lines(most) for most in (64 << 20, 32 << 20)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts == [2, None]
    assert peak < 12 << 20


# compression


COMPRESSED = {
    "gz": gzip.compress,
    "zst": lambda content: zstd.compress(content, options=CHECKSUM),
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compression_is_recognised_by_content_whatever_the_name(tmp_path, kind):
    path = kept(tmp_path, COMPRESSED[kind](b"a\nb\n"), "named.jsonl")
    lines = read(path)
    assert [line.raw for line in lines] == [b"a", b"b"]
    assert [line.end.offset for line in lines] == [2, 4]
    assert lines[-1].end.sha256 == hashlib.sha256(b"a\nb\n").hexdigest()


def test_a_plain_file_may_be_called_gz(tmp_path):
    assert raws(kept(tmp_path, b"a\n", "plain.gz")) == [b"a"]


@pytest.mark.parametrize("kind", COMPRESSED)
def test_several_members_or_frames_are_one_stream_even_within_a_line(tmp_path, kind):
    compress = COMPRESSED[kind]
    assert raws(kept(tmp_path, compress(b"a\nb") + compress(b"") + compress(b"c\nd\n"))) == [b"a", b"bc", b"d"]


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_compressed_stream_that_ends_early_is_an_error_that_names_the_last_whole_line(tmp_path, kind):
    whole = COMPRESSED[kind](b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b"\n" for n in range(20_000)))
    path = kept(tmp_path, whole[:-2000])
    seen = []
    with pytest.raises(InputError, match=r"early; line \d+ ") as fault:
        seen.extend(Inputs((path,)).lines(LIMIT))
    assert f"line {len(seen)} " in str(fault.value)
    assert seen
    assert all(line.raw == hashlib.sha256(b"%d" % n).hexdigest().encode() for n, line in enumerate(seen))


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_whole_line_before_the_cut_is_read_however_short_the_stream(tmp_path, kind):
    compress = COMPRESSED[kind]
    path = kept(tmp_path, compress(b"a\nb\nc") + compress(b"\nd\n" + os.urandom(100))[:-20])
    seen = []
    with pytest.raises(InputError, match=r"early; line (\d+) ") as fault:
        seen.extend(line.raw for line in Inputs((path,)).lines(LIMIT))
    assert seen[:2] == [b"a", b"b"]
    assert f"line {len(seen)} " in str(fault.value)


@pytest.mark.parametrize(("kind", "magic"), [("gz", 2), ("zst", 4)])
def test_a_cut_compressed_stream_is_never_read_as_whole(tmp_path, kind, magic):
    content = b'{"query": "q"}\n' * 40
    whole = COMPRESSED[kind](content)
    for size in range(1, len(whole)):
        path = kept(tmp_path, whole[:size])
        if size < magic:  # not recognised as compressed: a plain file of bytes that no record begins with
            assert not any(line.raw.startswith(b"{") for line in read(path))
            continue
        with pytest.raises(InputError, match="early"):
            read(path)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_flipped_byte_in_a_compressed_stream_is_an_error_or_changes_no_line(tmp_path, kind):
    content = b"".join(b'{"query": "%d"}\n' % n for n in range(30))
    whole = COMPRESSED[kind](content)
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path = kept(tmp_path, bytes(damaged))
            try:
                got = raws(path)
            except InputError:
                continue
            assert got == content.splitlines() or not any(raw.startswith(b"{") for raw in got), (place, bit)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_rubbish_after_a_compressed_stream_is_an_error(tmp_path, kind):
    with pytest.raises(InputError, match=r"damaged|early"):
        read(kept(tmp_path, COMPRESSED[kind](b"a\n") + b"rubbish that is no member"))


def test_a_zstd_stream_may_begin_with_a_skippable_frame(tmp_path):
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"1234"  # as pzstd writes
    assert raws(kept(tmp_path, skippable + zstd.compress(b"a\nb\n"))) == [b"a", b"b"]


# several inputs, and places in them


def three(tmp_path):
    parts = [b"a\nb\n", gzip.compress(b"c\nd"), b"", b"e\n"]
    return tuple(kept(tmp_path, content, f"{n}.jsonl") for n, content in enumerate(parts))


def test_several_inputs_are_one_stream_in_the_given_order(tmp_path):
    paths = three(tmp_path)
    lines = list(Inputs(paths).lines(LIMIT))
    assert [line.raw for line in lines] == [b"a", b"b", b"c", b"d", b"e"]
    assert [line.end.source for line in lines] == [0, 0, 1, 1, 3]
    assert [line.origin.line for line in lines] == [1, 2, 1, 2, 1]
    assert [line.end.total for line in lines] == [2, 4, 6, 7, 9]


def test_the_last_line_of_an_input_without_a_newline_does_not_run_into_the_next(tmp_path):
    paths = (kept(tmp_path, b"a", "1"), kept(tmp_path, b"b", "2"))
    assert [line.raw for line in Inputs(paths).lines(LIMIT)] == [b"a", b"b"]


def test_the_digest_of_several_inputs_shows_where_one_ends(tmp_path):
    first = (kept(tmp_path, b"a\n", "1"), kept(tmp_path, b"b\nc\n", "2"))
    second = (kept(tmp_path, b"a\nb\n", "3"), kept(tmp_path, b"c\n", "4"))
    *_, one = Inputs(first).lines(LIMIT)
    *_, other = Inputs(second).lines(LIMIT)
    assert one.end.sha256 == hashlib.sha256(b"a\n" + NEXT_INPUT + b"b\nc\n").hexdigest()
    assert one.end.sha256 != other.end.sha256


def test_reading_may_begin_at_the_end_of_any_line(tmp_path):
    inputs = Inputs(three(tmp_path))
    lines = list(inputs.lines(LIMIT))
    for number, line in enumerate(lines, 1):
        rest = list(inputs.lines(LIMIT, line.end))
        assert rest == lines[number:]
        assert [other.end.sha256 for other in rest] == [other.end.sha256 for other in lines[number:]]


def test_replaying_to_any_line_gives_its_mark_again(tmp_path):
    inputs = Inputs(three(tmp_path))
    for line in inputs.lines(LIMIT):
        mark = inputs.replay(line.end.source, line.end.line, line.end.offset)
        assert mark == line.end
        assert mark.sha256 == line.end.sha256


def test_replaying_to_the_beginning_gives_the_mark_of_nothing(tmp_path):
    inputs = Inputs((kept(tmp_path, b"a\n"),))
    assert inputs.replay(0, 0, 0) == Mark()


def test_replaying_beyond_the_end_gives_nothing(tmp_path):
    inputs = Inputs((kept(tmp_path, b"a\nb\n"),))
    assert inputs.replay(0, 3, 5) is None
    assert inputs.replay(1, 0, 0) is None


def test_replaying_a_changed_input_gives_another_digest(tmp_path):
    path = kept(tmp_path, b"a\nb\n")
    first, _ = Inputs((path,)).lines(LIMIT)
    kept(tmp_path, b"A\nb\n")
    mark = Inputs((path,)).replay(0, 1, 2)
    assert mark == first.end
    assert mark.sha256 != first.end.sha256


def test_replaying_a_compressed_input_does_not_claim_more_progress_than_the_file_has_bytes(tmp_path):
    content = b"x" * 70 + b"\n"
    inputs = Inputs((kept(tmp_path, gzip.compress(content * 1000)),))
    mark = inputs.replay(0, 500, len(content) * 500)
    assert mark.disk <= inputs.size


def test_ends_at_holds_after_the_last_byte_only(tmp_path):
    inputs = Inputs(three(tmp_path))
    *earlier, last = inputs.lines(LIMIT)
    assert inputs.ends_at(last.end)
    assert not any(inputs.ends_at(line.end) for line in earlier)
    assert not inputs.ends_at(Mark())


def test_empty_inputs_after_the_last_line_do_not_count_as_more_to_read(tmp_path):
    inputs = Inputs((kept(tmp_path, b"a\n", "1"), kept(tmp_path, b"", "2"), kept(tmp_path, gzip.compress(b""), "3")))
    (line,) = inputs.lines(LIMIT)
    assert inputs.ends_at(line.end)


def test_progress_counts_bytes_on_disk_and_reaches_their_sum(tmp_path):
    inputs = Inputs(three(tmp_path))
    places = [line.end.disk for line in inputs.lines(LIMIT)]
    assert places == sorted(places)
    assert places[-1] == inputs.size == sum(os.path.getsize(source.path) for source in inputs.sources)


# files that move


def test_an_input_that_grew_is_read_to_the_size_it_had_and_that_is_said(tmp_path):
    path = kept(tmp_path, b"a\nb\n")
    inputs = Inputs((path,))
    with open(path, "ab") as more:
        more.write(b"c\n")
    assert [line.raw for line in inputs.lines(LIMIT)] == [b"a", b"b"]
    assert inputs.notes == [f"{path}: grew while it was read; only its first 4 bytes were read"]


def test_an_input_that_grows_in_the_middle_of_a_line_is_not_read_further(tmp_path):
    path = kept(tmp_path, b"a\nhal")
    inputs = Inputs((path,))
    with open(path, "ab") as more:
        more.write(b"f\n")
    assert [line.raw for line in inputs.lines(LIMIT)] == [b"a", b"hal"]


def test_an_input_that_shrank_is_an_error(tmp_path):
    path = kept(tmp_path, b"a\n" * 100)
    inputs = Inputs((path,))
    os.truncate(path, 50)
    with pytest.raises(InputError, match="shrank"):
        list(inputs.lines(LIMIT))


def test_an_input_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = kept(tmp_path, b"a\n" * 100)  # read into memory at once, so that no read ever fails
    lines = Inputs((path,)).lines(LIMIT)
    next(lines)
    os.truncate(path, 50)
    with pytest.raises(InputError, match="shrank"):
        list(lines)


def test_an_input_that_shrinks_when_all_of_it_was_read_is_an_error(tmp_path):
    path = kept(tmp_path, b"a\n" * 100)
    lines = Inputs((path,)).lines(LIMIT)
    for _ in range(100):
        next(lines)
    os.truncate(path, 50)
    with pytest.raises(InputError, match="shrank"):
        next(lines)


def test_an_input_that_is_only_touched_while_it_is_read_is_read_as_ever(tmp_path):
    path = kept(tmp_path, b"a\nb\nc\nd\n")
    inputs = Inputs((path,))
    lines = inputs.lines(LIMIT)
    first = next(lines)
    os.utime(path, (0, 0))
    assert [line.raw for line in (first, *lines)] == [b"a", b"b", b"c", b"d"]
    assert inputs.notes == []


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("other", [b"A\nB\nC\n", b"A\nB\nC\nD\nE\n"], ids=["as long", "longer"])
def test_an_input_that_is_rewritten_in_place_while_it_is_read_is_an_error(tmp_path, compress, other):
    path = kept(tmp_path, compress(b"a\nb\nc\n"))
    lines = Inputs((path,)).lines(LIMIT)
    next(lines)
    kept(tmp_path, compress(other))
    os.utime(path, (0, 0))  # another time than before, however coarse the clock of this disk is
    with pytest.raises(InputError, match=r"rewritten|replaced|damaged|early|shrank"):
        list(lines)


def test_a_later_input_that_is_rewritten_in_place_is_an_error_of_its_own(tmp_path):
    first, second = kept(tmp_path, b"a\nb\n", "1"), kept(tmp_path, b"c\nd\n", "2")
    lines = Inputs((first, second)).lines(LIMIT)
    assert [next(lines).raw for _ in range(3)] == [b"a", b"b", b"c"]
    kept(tmp_path, b"C\nD\n", "2")
    os.utime(second, (0, 0))
    with pytest.raises(InputError, match=r"2: .*(rewritten|replaced)"):
        list(lines)


def test_an_earlier_input_that_went_away_after_it_was_read_is_no_reason_to_fail_when_a_later_one_grew(tmp_path):
    first, second = kept(tmp_path, b"a\n", "1"), kept(tmp_path, b"b\n", "2")
    inputs = Inputs((first, second))
    lines = inputs.lines(LIMIT)
    assert [next(lines).raw for _ in range(2)] == [b"a", b"b"]
    os.unlink(first)
    with open(second, "ab") as more:
        more.write(b"c\n")
    os.utime(second, (0, 0))
    assert list(lines) == []
    assert inputs.notes == [f"{second}: grew while it was read; only its first 2 bytes were read"]


def test_a_large_input_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = kept(tmp_path, b"a" * 99 + b"\n" + b"b" * (8 << 20))
    lines = Inputs((path,)).lines(16 << 20)
    next(lines)
    os.truncate(path, 3 << 20)
    with pytest.raises(InputError, match="shrank"):
        list(lines)


def test_a_compressed_input_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = kept(tmp_path, gzip.compress(os.urandom(1 << 20).hex().encode() + b"\n"))
    inputs = Inputs((path,))
    os.truncate(path, 1000)
    with pytest.raises(InputError, match="shrank"):
        list(inputs.lines(16 << 20))


@pytest.mark.parametrize("same_size", [True, False])
def test_an_input_that_was_replaced_before_it_is_read_is_an_error(tmp_path, same_size):
    path = kept(tmp_path, b"a\nb\n")
    inputs = Inputs((path,))
    os.replace(kept(tmp_path, b"A\nB\n" if same_size else b"other\n" * 9, "new"), path)
    with pytest.raises(InputError, match="replaced"):
        list(inputs.lines(LIMIT))


def test_an_input_that_is_replaced_while_it_is_read_is_an_error(tmp_path):
    path = kept(tmp_path, b"a\nb\n")
    lines = Inputs((path,)).lines(LIMIT)
    next(lines)
    os.replace(kept(tmp_path, b"A\nB\n", "new"), path)
    with pytest.raises(InputError, match="replaced"):
        list(lines)


def test_an_input_that_is_removed_while_it_is_read_is_an_error(tmp_path):
    path = kept(tmp_path, b"a\nb\n")
    lines = Inputs((path,)).lines(LIMIT)
    next(lines)
    os.unlink(path)
    with pytest.raises(InputError, match="replaced"):
        list(lines)


def test_a_later_input_that_was_replaced_is_an_error_when_its_turn_comes(tmp_path):
    first, second = kept(tmp_path, b"a\n", "1"), kept(tmp_path, b"b\n", "2")
    lines = Inputs((first, second)).lines(LIMIT)
    assert next(lines).raw == b"a"
    os.replace(kept(tmp_path, b"B\n", "new"), second)
    with pytest.raises(InputError, match="replaced"):
        list(lines)


# what cannot be read


def test_a_missing_input_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match="missing"):
        Inputs((kept(tmp_path, b"a\n"), str(tmp_path / "missing")))


def test_a_folder_is_not_an_input(tmp_path):
    with pytest.raises(InputError, match=r": .*folder"):
        Inputs((str(tmp_path),))


def test_a_name_with_a_nul_is_not_an_input():
    with pytest.raises(InputError):
        Inputs(("a\0b",))


def test_a_file_without_permission_is_not_an_input(tmp_path):
    path = kept(tmp_path, b"a\n")
    os.chmod(path, 0)
    real = os.getuid()
    if real == 0:
        os.setreuid(65534, 0)  # as root in a set-user-id program: what counts is who started it
    try:
        with pytest.raises(InputError, match=r": .*permission"):
            Inputs((path,))
    finally:
        os.setreuid(real, -1)


def test_regular_files_can_be_resumed_and_a_fifo_cannot(tmp_path):
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    regular = kept(tmp_path, b"a\n")
    assert Inputs((regular,)).resumable
    assert Inputs((regular,)).size == 2
    assert not Inputs((regular, fifo)).resumable
    assert Inputs((regular, fifo)).size is None


def test_a_fifo_is_read_to_its_end(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(gzip.compress(b"a\nb"),))
    writer.start()
    assert raws(str(fifo)) == [b"a", b"b"]
    writer.join()


# standard input


@pytest.fixture
def stdin(monkeypatch):
    """Put a file in the place of standard input."""
    opened = []

    def put(path):
        opened.append(open(path))  # noqa: SIM115
        monkeypatch.setattr(sys, "stdin", opened[-1])
        return opened[-1].fileno()

    yield put
    for file in opened:
        file.close()


def test_standard_input_is_read_by_the_name_of_stdin_and_never_resumed(tmp_path, stdin):
    stdin(kept(tmp_path, b"a\nb\n"))
    inputs = Inputs(("-",))
    lines = list(inputs.lines(LIMIT))
    assert [(line.raw, str(line.origin)) for line in lines] == [(b"a", "<stdin>:1"), (b"b", "<stdin>:2")]
    assert not inputs.resumable


def test_standard_input_that_was_begun_already_is_read_from_there(tmp_path, stdin):
    descriptor = stdin(kept(tmp_path, b"read before\na\n"))
    os.lseek(descriptor, len(b"read before\n"), os.SEEK_SET)
    assert raws("-") == [b"a"]


def test_standard_input_may_be_a_pipe_of_compressed_bytes(stdin):
    reader, writer = os.pipe()
    os.write(writer, gzip.compress(b"a\nb"))
    os.close(writer)
    stdin(reader)
    assert raws("-") == [b"a", b"b"]


def test_standard_input_that_does_not_block_is_waited_for(stdin):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.write(writer, b"one\ntw")
    stdin(reader)
    lines = Inputs(("-",)).lines(LIMIT)
    assert next(lines).raw == b"one"

    def write_the_rest():
        os.write(writer, b"o\nthree\n")
        os.close(writer)

    later = threading.Timer(0.05, write_the_rest)
    later.start()
    assert [line.raw for line in lines] == [b"two", b"three"]
    later.join()


def test_standard_input_that_does_not_block_may_say_nothing_at_first(stdin):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stdin(reader)
    later = threading.Timer(0.05, lambda: (os.write(writer, gzip.compress(b"a\nb\n")), os.close(writer)))
    later.start()
    assert raws("-") == [b"a", b"b"]
    later.join()


def test_a_terminal_that_hangs_up_is_an_error_after_the_lines_it_gave(stdin):
    controller, terminal = pty.openpty()
    os.write(terminal, b"a\nb\n")
    os.close(terminal)
    stdin(controller)
    seen = []
    with pytest.raises(InputError, match=r"<stdin>: .* line 2"):
        seen.extend(line.raw for line in Inputs(("-",)).lines(LIMIT))
    assert seen == [b"a\r", b"b\r"]


@pytest.mark.parametrize("begun", [0, 2])
def test_standard_input_that_is_rewritten_in_place_while_it_is_read_is_an_error(tmp_path, stdin, begun):
    path = kept(tmp_path, b"a\nb\nc\n")
    os.lseek(stdin(path), begun, os.SEEK_SET)
    lines = Inputs(("-",)).lines(LIMIT)
    next(lines)
    kept(tmp_path, b"A\nB\nC\n")
    os.utime(path, (0, 0))
    with pytest.raises(InputError, match=r"<stdin>: .*(rewritten|replaced|shrank)"):
        list(lines)


@pytest.mark.parametrize("begun", [0, 2])
def test_standard_input_that_grew_is_read_to_the_size_it_had_and_that_is_said(tmp_path, stdin, begun):
    path = kept(tmp_path, b"a\nb\nc\n")
    os.lseek(stdin(path), begun, os.SEEK_SET)
    inputs = Inputs(("-",))
    with open(path, "ab") as more:
        more.write(b"d\n")
    os.utime(path, (0, 0))
    assert [line.raw for line in inputs.lines(LIMIT)] == [b"a", b"b", b"c"][begun // 2 :]
    assert inputs.notes == ["<stdin>: grew while it was read; only its first 6 bytes were read"]


def test_standard_input_that_shrinks_is_an_error(tmp_path, stdin):
    path = kept(tmp_path, b"a\n" * 10)
    stdin(path)
    inputs = Inputs(("-",))
    os.truncate(path, 10)
    with pytest.raises(InputError, match=r"<stdin>: .*shrank"):
        list(inputs.lines(LIMIT))


def test_a_closed_standard_input_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match=r"^-: "):
        Inputs(("-",))


def test_an_input_that_the_disk_does_not_give_is_an_error():
    source = Source("/proc/self/mem", "broken", None, None, 0)  # its first bytes cannot be read
    with pytest.raises(InputError, match=r"^broken: "), source.open():
        raise AssertionError("could be read")


# output


@pytest.mark.parametrize(
    ("name", "decompress"),
    [("o.jsonl", bytes), ("o.gz", gzip.decompress), ("o.jsonl.zst", zstd.decompress), ("o.zstd", zstd.decompress)],
)
def test_output_is_compressed_by_the_suffix_of_its_name_block_by_block(name, decompress):
    compress = compressor(name)
    blocks = [b"one\n" * 50, b"", b"two\n"]
    assert decompress(b"".join(map(compress, blocks))) == b"".join(blocks)
    assert decompress(compress(blocks[0])) == blocks[0]


@pytest.mark.parametrize("name", ["o.gz", "o.zst"])
def test_compressed_output_is_the_same_at_any_time(name):
    assert compressor(name)(b"content") == compressor(name)(b"content")
    if name.endswith("gz"):
        assert compressor(name)(b"content")[4:8] == bytes(4)  # no time in the header
