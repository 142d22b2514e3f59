"""Input validated without a model."""

import gzip

import pytest
from support.making import jsonl

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import ExitStatus, InputError
from rerank_cli.jobs.check import FIRST_FAILURES, check_input


def check(tmp_path, *records, **options):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(*records))
    return check_input(ReadConfig(inputs=(str(path),), **options))


def test_good_bad_and_blank_lines_and_candidates_are_counted(tmp_path):
    found = check(
        tmp_path,
        {"query": "q", "candidates": ["a", "", {"text": ""}]},
        b"{",
        b"",
        {"query": "q", "candidates": []},
        {"query": "q"},
    )
    assert dict(found.figures()) == {
        "format": "native",
        "records": 4,
        "good": 2,
        "bad": 2,
        "blank lines": 1,
        "candidates": 3,
        "most in one record": 3,
        "records without candidates": 1,
        "empty texts": 2,
    }
    assert [failure.origin.line for failure in found.failures] == [2, 5]
    assert found.first.origin.line == 1
    assert found.status is ExitStatus.SOME_FAILED


def test_input_without_a_bad_record_is_good(tmp_path):
    assert check(tmp_path, {"query": "q", "candidates": []}).status is ExitStatus.OK
    assert check(tmp_path).status is ExitStatus.OK
    assert check(tmp_path, b"", b"").blank == 2


def test_only_the_first_failures_are_kept_and_all_are_counted(tmp_path):
    found = check(tmp_path, *[b"{"] * 50)
    assert (found.bad, len(found.failures), found.first) == (50, FIRST_FAILURES, None)
    assert [failure.origin.line for failure in found.failures] == list(range(1, FIRST_FAILURES + 1))


def test_options_of_reading_are_honoured(tmp_path):
    found = check(tmp_path, {"q": "x", "candidates": ["a"]}, {"q": "y", "candidates": ["a", "b"]}, query_field="q")
    assert (found.good, found.first.query) == (2, "x")
    assert check(tmp_path, b"{", b"{", b"{", limit=2).records == 2


def test_several_inputs_are_checked_as_one(tmp_path):
    paths = []
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(jsonl({"query": "q", "candidates": ["a"] * number}, b"{"))
        paths.append(str(path))
    found = check_input(ReadConfig(inputs=tuple(paths)))
    assert (found.records, found.bad, found.candidates, found.max_candidates) == (6, 3, 3, 2)
    assert [str(failure.origin) for failure in found.failures] == [f"{path}:2" for path in paths]


def test_input_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(InputError):
        check_input(ReadConfig(inputs=(str(tmp_path / "missing"),)))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b'{"query": "q", "candidates": []}\n' * 1000)[:-9])
    with pytest.raises(InputError, match=r"cut\.gz: .*early"):
        check_input(ReadConfig(inputs=(str(cut),)))


def test_a_header_and_comments_are_no_blank_lines(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("query,text\n\nq,a\n\nq,b\nr,c\n")
    figures = dict(check_input(ReadConfig(inputs=(str(path),))).figures())
    assert (figures["blank lines"], figures["headers and comments"]) == (2, 1)
