"""A journal that was cut or altered anywhere gives an earlier commit or none: never a wrong one."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.core.plan import Budget
from rerank_cli.core.stats import Counters, StageCounters
from rerank_cli.files.journal import VERSION, Commit, Extent, Place, decode, encode, read_journal

COMMITS = [
    Commit(
        Counters(records=100 * n, scored=99 * n, failed=n, busy_s=n / 7, stages=(StageCounters(n),) * (n - 1)),
        Place(n // 3, 10 * n, 1000 * n, 1000 * n, f"{n:064x}"),
        Extent(5000 * n, 12345 * n),
        Extent(60 * n, 77 * n),
        tuple([Budget(8192 // n, 2**27 // n)] * n),
    )
    for n in (1, 2, 3)
]
HEADER = {"kind": "header", "version": VERSION, "fingerprint": {"model": "m", "é": None}, "resolved": {"batch": 1}}
LAST = replace(COMMITS[-1], output=Extent(15020, 99))  # as the complete files are
LINES = [encode(HEADER), *(encode(commit.as_dict()) for commit in COMMITS), encode(LAST.as_dict("finishing"))]
WHOLE = b"".join(LINES)
ENDS = [sum(map(len, LINES[: n + 1])) for n in range(len(LINES))]
KNOWN = [Commit(), *COMMITS, LAST]  # the commit after each line


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file for thousands of journals: in memory where there is such a thing."""
    if not hasattr(os, "memfd_create"):
        yield tmp_path_factory.mktemp("journals") / "out.journal"
        return
    fd = os.memfd_create("journal")
    yield Path(f"/proc/self/fd/{fd}")
    os.close(fd)


def check(path, content, intact):
    """Only lines that lie wholly within the first `intact` bytes may count, and these must."""
    path.write_bytes(content)
    found = read_journal(path)
    whole = sum(end <= intact for end in ENDS)
    if whole == 0:
        assert found is None
        return
    assert found.size == ENDS[whole - 1]
    assert found.commit == KNOWN[whole - 1]
    assert found.finishing is (whole == len(LINES))
    assert {name: found.header[name] for name in HEADER} == HEADER


def test_a_journal_that_is_cut_anywhere_gives_the_last_whole_commit(path):
    for size in range(len(WHOLE) + 1):
        check(path, WHOLE[:size], size)


@pytest.mark.parametrize("bit", range(8))
def test_a_journal_with_any_bit_flipped_gives_the_commit_before_it(path, bit):
    for place in range(len(WHOLE)):
        flipped = bytearray(WHOLE)
        flipped[place] ^= 1 << bit
        check(path, bytes(flipped), place)


def test_a_journal_with_any_byte_lost_or_doubled_gives_the_commit_before_it(path):
    for place in range(len(WHOLE)):
        check(path, WHOLE[:place] + WHOLE[place + 1 :], first_difference(WHOLE[:place] + WHOLE[place + 1 :]))
        doubled = WHOLE[: place + 1] + WHOLE[place:]
        if place not in [end - 1 for end in ENDS]:  # a newline more is an empty line, which ends the journal
            check(path, doubled, first_difference(doubled))


def first_difference(content):
    """How many bytes agree with the whole journal."""
    for place, (one, other) in enumerate(zip(content, WHOLE, strict=False)):
        if one != other:
            return place
    return min(len(content), len(WHOLE))


@given(st.integers(0, len(WHOLE)), st.binary(max_size=50))
def test_whatever_follows_the_last_whole_line_is_ignored(path, size, tail):
    content = WHOLE[:size] + tail
    check(path, content, first_difference(content))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, len(WHOLE)), st.binary(max_size=20))
def test_a_hole_anywhere_gives_the_commit_before_it(path, start, length, patch):
    content = WHOLE[:start] + patch + WHOLE[start + length :]
    check(path, content, first_difference(content))


@given(st.integers(0, len(WHOLE)), st.integers(1, 5000))
def test_zeros_from_some_place_on_give_the_commit_before_them(path, size, count):
    check(path, WHOLE[:size] + bytes(count), size)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])).filter(lambda name: name != "crc"),
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
    )
)
def test_any_line_reads_back_as_it_was_written(line):
    raw = encode(line)
    assert decode(raw) == line
    assert raw.count(b"\n") == 1
    assert decode(raw[:-1]) is None
