"""Windows of a long document: complete, bounded, overlapping."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.core.chunking import SLACK, divided


@st.composite
def documents(draw):
    count = draw(st.integers(1, 300))
    room = draw(st.integers(2, 80))
    overlap = draw(st.integers(0, room // 2))
    breaks = sorted(draw(st.sets(st.integers(0, count - 1))))
    return count, room, overlap, breaks


@given(documents())
def test_every_token_is_in_a_window_and_no_window_is_too_large(document):
    count, room, overlap, breaks = document
    windows = divided(count, room, overlap, breaks)
    assert windows[0][0] == 0
    assert windows[-1][1] == count
    assert all(0 < end - start <= room for start, end in windows)
    assert all(after[0] <= before[1] and after[0] > before[0] for before, after in pairwise(windows))


@given(documents())
def test_neighbours_share_the_overlap_give_or_take_a_word(document):
    count, room, overlap, breaks = document
    windows = divided(count, room, overlap, breaks)
    for before, after in pairwise(windows):
        shared = before[1] - after[0]
        assert overlap <= shared <= overlap + max(1, room // SLACK) or after[0] == before[0] + 1


@given(documents())
def test_a_window_ends_between_words_where_a_word_begins_nearby(document):
    count, room, overlap, breaks = document
    for start, end in divided(count, room, overlap, breaks)[:-1]:
        near = [at for at in breaks if start + room - room // SLACK <= at <= start + room and at > start]
        assert not near or end == near[-1]


def test_what_fits_is_one_window():
    assert divided(5, 5, 2, [0]) == [(0, 5)]


@pytest.mark.parametrize("overlap", [-1, 4, 5])
def test_an_overlap_as_large_as_a_window_is_refused(overlap):
    with pytest.raises(ValueError, match="overlap"):
        divided(10, 4, overlap, [])


def test_a_window_whose_text_has_many_more_tokens_alone_is_still_more_than_a_word():
    windows = divided(1000, 100, 10, list(range(1000)), lambda start, end: 3 * (end - start))
    assert all(end - start >= 25 for start, end in windows[:-1])
    assert len(windows) < 70
