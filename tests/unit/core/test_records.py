"""The values that travel between stages."""

import dataclasses
import hashlib

import pytest
from support.making import entries_of, request_of

from rerank_cli.core.records import RAW_CAP, Blank, Failure, Mark, Origin, Request, failed


def test_a_mark_begins_with_the_hash_of_nothing():
    assert Mark().sha256 == hashlib.sha256(b"").hexdigest()


def test_marks_are_equal_by_place_and_not_by_hash_or_progress():
    assert Mark(1, 2, 3, 4, disk=5, hasher=hashlib.sha256(b"x")) == Mark(1, 2, 3, 4)
    assert Mark(1, 2, 3, 4) != Mark(1, 2, 3, 5)


def test_two_marks_do_not_share_a_hash():
    first, second = Mark(), Mark()
    first.hasher.update(b"x")
    assert second.sha256 == hashlib.sha256(b"").hexdigest()


def test_an_origin_reads_as_source_and_line():
    assert str(Origin("in.jsonl", 7, 123)) == "in.jsonl:7"


def test_a_failure_says_where_why_and_at_which_path():
    failure = Failure(Origin("a", 3, 9), Mark(), b"raw", "no such thing", "$.query")
    assert str(failure) == "a:3: no such thing (at $.query)"


def test_the_size_of_a_record_is_that_of_its_line_with_the_newline():
    good, blank, bad = entries_of({"query": "q", "candidates": []}, b"", b"{")
    assert isinstance(good, Request)
    assert good.size == len('{"query": "q", "candidates": []}\n')
    assert isinstance(blank, Blank)
    assert isinstance(bad, Failure)
    assert bad.size == 2


def test_a_request_that_failed_keeps_its_place_and_bytes():
    request = request_of({"query": "q", "candidates": ["a"]})
    failure = failed(request, "why", "$.candidates[0]")
    assert (failure.origin, failure.end, failure.raw) == (request.origin, request.end, request.raw)
    assert (failure.reason, failure.path) == ("why", "$.candidates[0]")


def test_a_long_record_keeps_only_the_beginning_of_its_bytes():
    request = request_of({"query": "q", "candidates": ["x" * (2 * RAW_CAP)]})
    assert len(request.raw) == RAW_CAP
    assert len(request.texts[0]) == 2 * RAW_CAP


@pytest.mark.parametrize("kind", [Mark, Origin, Request, Failure, Blank])
def test_records_are_frozen(kind):
    assert kind.__dataclass_params__.frozen
    assert dataclasses.is_dataclass(kind)
