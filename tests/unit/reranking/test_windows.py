"""Whole records, gathered into windows whose edges follow from the records alone."""

from dataclasses import replace

import pytest
from support.making import entries_of, fake

from rerank_cli.core.plan import WindowLimits
from rerank_cli.core.records import Failure, Mark
from rerank_cli.reranking.windows import SLICE_PAIRS, NumberedRequest, windows

GOOD = {"query": "q", "candidates": ["a", "b"]}  # two pairs of three tokens


def slices(entries, prepare=None, **limits):
    limits.setdefault("tokens", 10**9)
    return list(windows(iter(entries), prepare or fake().prepare, WindowLimits(**limits), Mark()))


def closed(*records, **limits):
    return [slice_.closes for slice_ in slices(entries_of(*records), **limits) if slice_.closes]


def edges(*records, **limits):
    return [window.end.line for window in closed(*records, **limits)]


def test_no_entries_give_no_window():
    assert slices([]) == []


def test_a_window_closes_before_its_tokens_overflow():
    assert edges(*[GOOD] * 5, tokens=12) == [2, 4, 5]
    assert edges(*[GOOD] * 5, tokens=17) == [2, 4, 5]
    assert edges(*[GOOD] * 5, tokens=18) == [3, 5]


def test_a_window_closes_before_its_records_overflow_bad_and_blank_ones_included():
    assert edges(GOOD, b"{", b"", GOOD, GOOD, records=3) == [3, 5]


def test_a_window_closes_before_its_bytes_overflow():
    size = len(b'{"query": "q", "candidates": ["a", "b"]}\n')
    assert edges(*[GOOD] * 5, bytes=2 * size) == [2, 4, 5]
    assert edges(*[GOOD] * 5, bytes=2 * size - 1) == [1, 2, 3, 4, 5]
    assert edges(b"{" * 100, b"{" * 100, b"{" * 100, bytes=210) == [2, 3]


def test_one_record_larger_than_all_limits_is_a_window_of_its_own():
    large = {"query": "q", "candidates": ["a"] * 100}
    assert edges(GOOD, large, GOOD, tokens=20) == [1, 2, 3]
    assert edges(large, large, tokens=1, records=1, bytes=1) == [1, 2]


def test_entries_leave_in_input_order_without_the_blank_lines():
    (window,) = closed(GOOD, b"{", b"", GOOD, b"", b"[]")
    assert [type(entry) for entry in window.entries] == [NumberedRequest, Failure, NumberedRequest, Failure]
    assert window.blank == 2
    assert window.end.line == 6


def test_blank_lines_alone_make_a_window_so_that_they_are_counted():
    (window,) = closed(b"", b"")
    assert (window.entries, window.blank, window.end.line) == ([], 2, 2)


def test_identical_pairs_of_a_window_are_prepared_for_scoring_once():
    same = {"query": "q", "candidates": ["a", "b", "a"]}
    (slice_,) = slices(entries_of(same, GOOD, {"query": "other", "candidates": ["a"]}))
    assert [entry.pairs for entry in slice_.closes.entries] == [[0, 1, 0], [0, 1], [2]]
    assert len(slice_.pairs) == 3
    assert slice_.closes.duplicates == 3


def test_identical_pairs_of_different_windows_are_scored_again():
    first, second = slices(entries_of(GOOD, GOOD), records=1)
    assert [len(first.pairs), len(second.pairs)] == [2, 2]
    assert second.closes.entries[0].pairs == [0, 1]
    assert second.closes.duplicates == 0


def test_a_query_and_a_text_that_are_swapped_or_joined_otherwise_are_different_pairs():
    (slice_,) = slices(
        entries_of(
            {"query": "ab", "candidates": ["c"]},
            {"query": "a", "candidates": ["bc"]},
            {"query": "c", "candidates": ["ab"]},
        )
    )
    assert len(slice_.pairs) == 3


def test_duplicates_count_towards_the_tokens_of_a_window():
    assert edges(*[{"query": "q", "candidates": ["a"]}] * 4, tokens=6) == [2, 4]


def test_truncated_candidates_are_noted_by_position_even_when_duplicated():
    long = "a " * 50
    entries = entries_of({"query": "q", "candidates": ["a", long, "b", long]})
    (slice_,) = slices(entries, fake(max_length=16).prepare)
    assert slice_.closes.entries[0].truncated == {1, 3}


def test_a_record_without_candidates_is_numbered_with_no_pairs():
    (slice_,) = slices(entries_of({"query": "q", "candidates": []}))
    assert slice_.pairs == []
    assert slice_.closes.entries[0].pairs == []


@pytest.mark.parametrize("count", [SLICE_PAIRS + 1, 2 * SLICE_PAIRS, 3 * SLICE_PAIRS - 1])
def test_a_record_with_very_many_candidates_travels_in_slices_in_a_window_of_its_own(count):
    long = {"query": "q", "candidates": [str(n) for n in range(count)]}
    got = slices(entries_of(GOOD, long, GOOD))
    assert [slice_.closes.end.line for slice_ in got if slice_.closes] == [1, 2, 3]
    middle = got[1:-1]
    assert all(len(slice_.pairs) <= SLICE_PAIRS for slice_ in middle)
    assert [slice_.closes is None for slice_ in middle] == [True] * (len(middle) - 1) + [False]
    assert middle[-1].closes.entries[0].pairs == list(range(count))
    prepared = fake().prepare([("q", str(n)) for n in range(count)])
    assert [pair for slice_ in middle for pair in slice_.pairs] == prepared


def test_a_record_of_exactly_one_slice_shares_a_window():
    whole = {"query": "q", "candidates": [str(n) for n in range(SLICE_PAIRS)]}
    assert edges(GOOD, whole, GOOD) == [3]


def test_duplicates_are_found_across_the_slices_of_a_record():
    long = {"query": "q", "candidates": [str(n % 1000) for n in range(2 * SLICE_PAIRS)]}
    got = slices(entries_of(long))
    assert sum(len(slice_.pairs) for slice_ in got) == 1000
    assert got[-1].closes.duplicates == 2 * SLICE_PAIRS - 1000
    assert got[-1].closes.entries[0].pairs == [n % 1000 for n in range(2 * SLICE_PAIRS)]


def test_truncated_candidates_of_a_sliced_record_are_noted_by_their_position_in_the_record():
    count = SLICE_PAIRS + 10
    texts = ["a " * 50 if n in (3, SLICE_PAIRS + 5) else str(n) for n in range(count)]
    got = slices(entries_of({"query": "q", "candidates": texts}), fake(max_length=16).prepare)
    assert got[-1].closes.entries[0].truncated == {3, SLICE_PAIRS + 5}


def test_two_sliced_records_in_a_row_are_two_windows():
    long = {"query": "q", "candidates": [str(n) for n in range(SLICE_PAIRS + 1)]}
    assert edges(long, long) == [1, 2]


def test_a_window_is_yielded_before_the_rest_of_the_input_is_read():
    entries = entries_of(*[{"query": "q", "candidates": ["x" * 100_000]}] * 40)
    drawn = []
    got = windows((drawn.append(e) or e for e in entries), fake().prepare, WindowLimits(10**9, records=2), Mark())
    next(got)
    assert len(drawn) < 10


@pytest.mark.parametrize("line", [b"", b"{"])
def test_very_short_lines_are_not_gathered_by_the_hundred_thousand(line):
    drawn = []
    entries = entries_of(*[line] * 30_000)
    limits = WindowLimits(10**9, records=100)
    next(windows((drawn.append(None) or entry for entry in entries), fake().prepare, limits, Mark()))
    assert len(drawn) <= 10_000


def test_an_error_of_the_reader_passes_through():
    def broken():
        yield from entries_of(GOOD)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(windows(broken(), fake().prepare, WindowLimits(10), Mark()))


def test_a_record_that_refuses_a_cut_is_a_failure_where_a_text_does_not_fit():
    good, long = entries_of({"query": "q", "candidates": ["a"]}, {"query": "q", "candidates": ["a", "b " * 40]})
    scorer = fake(max_length=16)
    limits = WindowLimits(10**9)
    for entries, failed in (([good, long], False), ([good, replace(long, refuses_cut=True)], True)):
        (last,) = windows(iter(entries), scorer.prepare, limits, Mark(), candidates_path="$.texts")
        second = last.closes.entries[1]
        assert isinstance(second, Failure) == failed
        if failed:
            assert second.path == "$.texts[1]"
            assert "the request forbids" in second.reason
