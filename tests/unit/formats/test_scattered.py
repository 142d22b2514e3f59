"""Queries whose lines are not adjacent are noticed, in bounded memory."""

import itertools

from rerank_cli.core.records import Origin
from rerank_cli.formats.scattered import NAMED, REMEMBERED, Scattered


def seen(*keys: str, source: str = "in.csv") -> Scattered:
    scattered = Scattered()
    for line, key in enumerate(keys, 1):
        scattered.see(("id", key), Origin(source, line, 0))
    return scattered


def test_a_query_is_named_with_the_lines_of_its_first_two_parts() -> None:
    assert (seen(*"abc").count, seen(*"abc").warnings) == (0, [])
    [warning] = seen(*"abca").warnings
    assert "'a' (in.csv:1 and in.csv:4)" in warning
    [warning] = seen(*"abaab").warnings
    assert "'a' (in.csv:1 and in.csv:3), 'b' (in.csv:2 and in.csv:5), …. 3 later parts" in warning


def test_a_sentence_stays_short() -> None:
    [warning] = seen(*"abcde", *"abcde").warnings
    assert warning.count("in.csv:") == 2 * NAMED
    assert "5 later parts" in warning
    [warning] = seen("x" * 1000, "b", "x" * 1000).warnings
    assert len(warning) < 300


def test_parts_in_two_inputs_are_named_by_their_input() -> None:
    scattered = seen("a", "b", source="one.csv")
    for key in "ca":
        scattered.see(("query", key), Origin("two.csv", 7, 0))
        scattered.see(("id", key), Origin("two.csv", 8, 0))
    assert "'a' (one.csv:1 and two.csv:8)" in scattered.warnings[0]


def test_a_query_is_noticed_after_many_others_and_memory_is_bounded() -> None:
    scattered = Scattered()
    for number in itertools.chain(range(REMEMBERED), [0], range(REMEMBERED, 3 * REMEMBERED)):
        scattered.see(number, Origin("in.csv", number + 1, 0))
    assert scattered.count == 1
    assert len(scattered._newer) + len(scattered._older) <= 2 * REMEMBERED
