"""Any bytes, compressed in any way: the same lines, and the same digest."""

import gzip
import hashlib
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.making import lines_of

from rerank_cli.files.inputs import BOM, Inputs
from rerank_cli.files.signatures import KINDS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 1 << 20
BITS = [
    b"\n",
    b"\r\n",
    b"\r",
    b"a",
    b"bc",
    "\u2028\u2029\u0085".encode(),
    b"\x00",
    b"\xff",
    BOM,
    b"\x1f\x8b",
    b"\x28\xb5",
]
CONTENT = st.lists(st.sampled_from(BITS) | st.binary(max_size=4), max_size=20).map(b"".join)


def is_read(content):
    """Whether it does not begin as a file of another kind does, which is refused: see unit/files/test_signatures.py."""
    return not content.startswith(b"PAR1") and not any(kind.begins.match(content) for kind in KINDS)


PLAIN = CONTENT.filter(is_read)
COMPRESSIONS = {"plain": bytes, "gz": gzip.compress, "zst": zstd.compress}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lines")


def put(folder, content, name="in.jsonl"):
    path = folder / name
    path.write_bytes(content)
    return str(path)


def without_bom(raws):
    return [raws[0].removeprefix(BOM), *raws[1:]] if raws else []


@pytest.mark.parametrize("compress", COMPRESSIONS)
@given(content=PLAIN)
def test_lines_are_those_of_splitting_at_newlines(folder, compress, content):
    path = put(folder, COMPRESSIONS[compress](content))
    expected, got = lines_of(content, path), list(Inputs((path,)).lines(LIMIT))
    assert [line.raw for line in got] == without_bom([line.raw for line in expected])
    assert [(line.origin, line.end) for line in got] == [(line.origin, line.end) for line in expected]
    assert [line.end.sha256 for line in got] == [line.end.sha256 for line in expected]


@given(parts=st.lists(CONTENT, min_size=1, max_size=4), compress=st.sampled_from(["gz", "zst"]))
def test_members_are_joined_wherever_they_were_cut(folder, parts, compress):
    path = put(folder, b"".join(COMPRESSIONS[compress](part) for part in parts))
    whole = b"".join(parts)
    assume(is_read(whole))
    assert [line.raw for line in Inputs((path,)).lines(LIMIT)] == without_bom([line.raw for line in lines_of(whole)])


@given(parts=st.lists(st.tuples(PLAIN, st.sampled_from(sorted(COMPRESSIONS))), min_size=1, max_size=4))
def test_every_place_of_several_inputs_can_be_found_again(folder, parts):
    paths = tuple(put(folder, COMPRESSIONS[compress](content), f"{n}") for n, (content, compress) in enumerate(parts))
    inputs = Inputs(paths)
    lines = list(inputs.lines(LIMIT))
    total = 0
    for number, line in enumerate(lines, 1):
        total += line.end.offset - line.origin.byte_offset
        assert line.end.total == total
        mark = inputs.replay(line.end.source, line.end.line, line.end.offset)
        assert mark == line.end
        assert mark.sha256 == line.end.sha256
        rest = list(inputs.lines(LIMIT, mark))
        assert [(o.raw, o.origin, o.end, o.end.sha256) for o in rest] == [
            (o.raw, o.origin, o.end, o.end.sha256) for o in lines[number:]
        ]
        assert inputs.ends_at(mark) == (number == len(lines))


@given(content=PLAIN, limit=st.integers(1, 12))
def test_a_limit_changes_no_place_and_no_digest(folder, content, limit):
    path = put(folder, content)
    limited, free = list(Inputs((path,)).lines(limit)), list(Inputs((path,)).lines(LIMIT))
    assert [(line.origin, line.end, line.end.sha256) for line in limited] == [
        (line.origin, line.end, line.end.sha256) for line in free
    ]
    for short, whole, plain in zip(limited, free, lines_of(content), strict=True):
        assert short.too_long == (len(plain.raw) > limit)
        if not short.too_long:
            assert short.raw == whole.raw


@given(content=PLAIN)
def test_the_digest_at_the_end_is_that_of_the_file(folder, content):
    path = put(folder, content)
    *_, last = [None, *Inputs((path,)).lines(LIMIT)]
    if last is not None:
        assert last.end.sha256 == hashlib.sha256(content).hexdigest()
