"""The native format: lines to requests, and rankings back to lines."""

import json

import orjson
import pytest
from support.making import entries_of, native_format, request_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import RAW_CAP, Blank, Failure, Request
from rerank_cli.formats.registry import open_format

GOOD = {"query": "q", "candidates": ["a"]}


def failure_of(record, read=None):
    (entry,) = entries_of(record, read=read)
    assert isinstance(entry, Failure), entry
    return entry


def written(record, logits, write=None, read=None, **options):
    line = native_format(read, write).write(request_of(record, read), rank(logits, **options))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


# reading


def test_candidates_are_strings_or_objects_with_a_text():
    request = request_of({"query": "q", "candidates": ["one", {"text": "two", "id": 7}, {"text": ""}]})
    assert request.query == "q"
    assert request.texts == ("one", "two", "")


def test_fields_are_named_by_dotted_paths():
    read = ReadConfig(query_field="request.q", candidates_field="docs.list", text_field="doc.body")
    record = {"request": {"q": "x"}, "docs": {"list": [{"doc": {"body": "y"}}, "z"]}}
    request = request_of(record, read)
    assert (request.query, request.texts) == ("x", ("y", "z"))


def test_a_record_may_have_no_candidates():
    assert request_of({"query": "q", "candidates": []}).texts == ()


@pytest.mark.parametrize("line", [b"", b" ", b"\t", b"\r", b" \r"])
def test_a_line_of_white_space_is_blank(line):
    (entry,) = entries_of(line)
    assert isinstance(entry, Blank)


def test_a_line_may_end_in_a_carriage_return():
    assert request_of(json.dumps(GOOD).encode() + b"\r").texts == ("a",)


def test_every_line_gives_one_entry_in_order():
    entries = entries_of(GOOD, b"{", b"", GOOD, b"[]")
    assert [type(entry) for entry in entries] == [Request, Failure, Blank, Request, Failure]
    assert [entry.end.line for entry in entries] == [1, 2, 3, 4, 5]


def test_line_and_paragraph_separators_inside_a_text_stay_in_it():
    text = "a\u2028b\u2029c\u0085d\re"
    assert request_of({"query": text, "candidates": [text]}).texts == (text,)


MALFORMED = [
    ({"candidates": []}, "$.query", 'no field "query" (found "candidates")'),
    ({"query": "q"}, "$.candidates", 'no field "candidates" (found "query")'),
    ({}, "$.query", 'no field "query" (found nothing)'),
    ({"query": None, "candidates": []}, "$.query", "$.query is null, not a string"),
    ({"query": 3, "candidates": []}, "$.query", "$.query is a number, not a string"),
    ({"query": ["q"], "candidates": []}, "$.query", "$.query is a list, not a string"),
    ({"query": "q", "candidates": "a"}, "$.candidates", "$.candidates is a string, not a list"),
    ({"query": "q", "candidates": {"a": 1}}, "$.candidates", "$.candidates is an object, not a list"),
    ({"query": "q", "candidates": None}, "$.candidates", "$.candidates is null, not a list"),
    ({"query": "q", "candidates": ["a", None]}, "$.candidates[1]", "null, not a string or an object"),
    ({"query": "q", "candidates": ["a", ["b"]]}, "$.candidates[1]", "a list, not a string or an object"),
    ({"query": "q", "candidates": [True]}, "$.candidates[0]", "true or false, not a string or an object"),
    ({"query": "q", "candidates": ["a", "b", {}]}, "$.candidates[2].text", 'no field "text"'),
    ({"query": "q", "candidates": [{"text": None}]}, "$.candidates[0].text", "null, not a string"),
    ({"query": "q", "candidates": [{"text": 1.5}]}, "$.candidates[0].text", "a number, not a string"),
    ({"id": 1.5, **GOOD}, "$.id", "a number, not a string or an integer"),
    ({"id": True, **GOOD}, "$.id", "true or false, not a string or an integer"),
    ({"id": [1], **GOOD}, "$.id", "a list, not a string or an integer"),
    ({"query": "q", "candidates": [{"id": 1.0, "text": "a"}]}, "$.candidates[0].id", "a number, not a string"),
    ({"query": "q", "candidates": [{"text": {"text": 1}}]}, "$.candidates[0].text", "an object, not a string"),
    ([], "$", "the line holds a list, not an object; `jq -c '.[]' FILE` converts it to JSON lines"),
    ("text", "$", "the line holds a string, not an object"),
    (None, "$", "the line holds null, not an object"),
    (7, "$", "the line holds a number, not an object"),
]


@pytest.mark.parametrize(("record", "path", "reason"), MALFORMED)
def test_a_malformed_record_is_a_failure_that_names_the_place(record, path, reason):
    failure = failure_of(record)
    assert failure.path == path
    assert reason in failure.reason
    assert failure.raw == json.dumps(record).encode()


@pytest.mark.parametrize(
    "line",
    [
        b'{"query": "q", "candidates": [}',
        b'{"query": "q", "candidates": []',
        b'{"query": "q", "candidates": []} {}',
        b'{"query": "q", "candidates": [], "x": NaN}',
        b'{"query": "q", "candidates": [], "x": -Infinity}',
        b'{"query": "q", "candidates": [], "x": 1e999}',
        b'{"query": "a\x00b", "candidates": []}',
        b'{"query": "a\tb", "candidates": []}',
        b'{"query": "\\ud800", "candidates": []}',
        b'{"query": "\\udc00\\ud800", "candidates": []}',
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"query,candidates",
    ],
)
def test_what_is_not_json_is_a_failure(line):
    failure = failure_of(line)
    assert failure.reason.startswith("not valid JSON")
    assert failure.raw in (line, line[3:])


@pytest.mark.parametrize(
    ("line", "byte", "position"),
    [
        (b'{"query": "\xff"}', "0xff", 12),
        (b'{"query": "\xed\xa0\x80"}', "0xed", 12),
        (b'{"query": "\xc0\xaf"}', "0xc0", 12),
        ('{"query": "x"}'.encode("utf-16"), "0xff", 1),
    ],
)
def test_what_is_not_utf8_is_a_failure_that_names_the_byte(line, byte, position):
    failure = failure_of(line)
    assert failure.reason.partition(";")[0] == f"not UTF-8: byte {byte} at position {position} of the line"


@pytest.mark.parametrize("number", ["18446744073709551615", "-9223372036854775808", "1234567890123456789"])
@pytest.mark.parametrize("place", ["id", "extra"])
def test_integers_of_64_bits_are_echoed_exactly(number, place):
    line = b'{"%s":%s,"query":"q","candidates":[]}' % (place.encode(), number.encode())
    request = request_of(line)
    assert native_format().write(request, rank([])) == line + b"\n"


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "1" * 30, "-" + "9" * 400, "0" + "9" * 5000]
)
def test_integers_beyond_64_bits_are_failures(number):
    line = b'{"query": "q", "candidates": [], "x": [%s]}' % number.encode()
    failure = failure_of(line)
    assert "integer beyond 64 bits" in failure.reason or failure.reason.startswith("not valid JSON")


def test_an_integer_beyond_64_bits_says_what_to_do():
    failure = failure_of(b'{"query": "q", "candidates": [], "x": 123456789012345678901}')
    assert failure.reason == "an integer beyond 64 bits (123456789012345678901): write it as a string"


@pytest.mark.parametrize(
    "value", ["0.12345678901234567890123", '"12345678901234567890123"', "1.0e5", '{"12345678901234567890": 1}']
)
def test_long_digits_elsewhere_are_no_integers(value):
    request = request_of(b'{"query": "q", "candidates": [], "x": %s}' % value.encode())
    assert json.loads(native_format().write(request, rank([])))["x"] == json.loads(value)


def test_nesting_that_could_not_be_written_again_is_a_failure():
    def nested(depth):
        return b'{"query": "q", "candidates": [], "x": %s%s}' % (b"[" * depth, b"]" * depth)

    assert failure_of(nested(300)).reason == "nested deeper than 253 levels"
    assert isinstance(entries_of(nested(2000))[0], Failure)
    assert isinstance(entries_of(nested(100_000))[0], Failure)
    for depth in range(245, 260):  # whatever is read as good can be written
        (entry,) = entries_of(nested(depth))
        if isinstance(entry, Request):
            assert native_format().write(entry, rank([])).count(b"[") == depth + 1
    assert isinstance(entries_of(nested(250))[0], Request)


def test_the_last_of_duplicate_keys_wins():
    assert request_of(b'{"query": "a", "candidates": [], "query": "b"}').query == "b"


def test_more_candidates_than_allowed_are_a_failure():
    read = ReadConfig(max_candidates=2)
    assert request_of({"query": "q", "candidates": ["a", "b"]}, read).texts == ("a", "b")
    failure = failure_of({"query": "q", "candidates": ["a", "b", "c"]}, read)
    assert (failure.reason, failure.path) == ("3 candidates, more than --max-candidates (2)", "$.candidates")


def test_the_bytes_of_a_bad_record_are_capped():
    assert len(failure_of(b"x" * (3 * RAW_CAP)).raw) == RAW_CAP


def test_a_path_that_leads_through_something_else_than_an_object_is_a_failure():
    failure = failure_of({"query": "q", "candidates": []}, ReadConfig(query_field="query.text"))
    assert (failure.reason, failure.path) == ("$.query is a string, not an object", "$.query")


def test_a_long_integer_in_a_deep_record_is_judged_without_running_out_of_stack():
    line = b'{"query": "q", "candidates": [], "n": 1234567890123456789, "x": %s%s}' % (b"[" * 1020, b"]" * 1020)
    (entry,) = entries_of(line)
    assert isinstance(entry, Failure)
    assert "nested" in entry.reason


def test_another_id_field_is_checked_and_the_usual_one_is_then_free():
    read = ReadConfig(id_field="meta.key")
    assert request_of({"id": None, "meta": {"key": 3}, **GOOD}, read)
    assert failure_of({"meta": {"key": 2.5}, **GOOD}, read).path == "$.meta.key"


# writing


def test_candidates_come_back_best_first_with_index_score_and_logit():
    record = {"query": "q", "candidates": ["bad", "good"]}
    assert written(record, [-2.0, 0.0]) == {
        "query": "q",
        "candidates": [
            {"index": 1, "text": "good", "score": 0.5, "logit": 0.0},
            {"index": 0, "text": "bad", "score": 0.119202922, "logit": -2.0},
        ],
    }


def test_unknown_fields_keep_their_place_and_order_at_every_level():
    line = b'{"z":1,"query":"q","candidates":[{"y":[{"b":1,"a":null}],"text":"t","x":{}}],"a":"\xc3\xa9"}'
    out = native_format().write(request_of(line), rank([0.0]))
    assert out == (
        b'{"z":1,"query":"q","candidates":[{"index":0,"y":[{"b":1,"a":null}],"text":"t","x":{},'
        b'"score":0.5,"logit":0.0}],"a":"\xc3\xa9"}\n'
    )


def test_writing_does_not_change_the_record_that_was_read():
    request = request_of({"query": "q", "candidates": [{"text": "a", "score": 3}, "b"]})
    before = orjson.dumps(request.body)
    first = native_format().write(request, rank([1.0, 2.0]))
    assert orjson.dumps(request.body) == before
    assert native_format().write(request, rank([1.0, 2.0])) == first


def test_the_former_score_is_kept_as_previous_score_whatever_it_was():
    (candidate,) = written({"query": "q", "candidates": [{"text": "a", "score": "high"}]}, [0.0])["candidates"]
    assert candidate == {"index": 0, "text": "a", "score": 0.5, "logit": 0.0, "previous_score": "high"}


def test_reranking_our_own_output_replaces_our_fields():
    first = written({"query": "q", "candidates": ["a", "b"]}, [1.0, 2.0], truncated=frozenset({0, 1}))
    second = written(first, [4.0, 3.0])
    assert [list(candidate) for candidate in second["candidates"]] == [
        ["index", "text", "score", "logit", "previous_score"]
    ] * 2
    former = [candidate["score"] for candidate in first["candidates"]]
    assert [candidate["previous_score"] for candidate in second["candidates"]] == former
    assert [candidate["index"] for candidate in second["candidates"]] == [0, 1]


def test_truncated_stands_only_where_it_is_true():
    out = written({"query": "q", "candidates": ["a", "b"]}, [1.0, 2.0], truncated=frozenset({0}))
    assert [candidate.get("truncated") for candidate in out["candidates"]] == [None, True]
    assert "truncated" not in out["candidates"][0]


def test_texts_can_be_left_out():
    write = WriteConfig(no_text=True)
    record = {"query": "q", "candidates": ["a", {"id": 1, "text": "b", "title": "t"}]}
    out = written(record, [2.0, 1.0], write)
    assert [sorted(candidate) for candidate in out["candidates"]] == [
        ["index", "logit", "score"],
        ["id", "index", "logit", "score", "title"],
    ]


def test_a_nested_text_is_left_out_and_its_neighbours_stay():
    read = ReadConfig(text_field="doc.text")
    record = {"query": "q", "candidates": [{"doc": {"title": "t", "text": "b"}}]}
    (candidate,) = written(record, [0.0], WriteConfig(no_text=True), read)["candidates"]
    assert candidate["doc"] == {"title": "t"}


def test_nested_candidates_are_replaced_where_they_were():
    read = ReadConfig(candidates_field="a.b")
    out = written({"query": "q", "a": {"x": 1, "b": ["t"], "y": 2}}, [0.0], read=read)
    assert list(out["a"]) == ["x", "b", "y"]
    assert out["a"]["b"][0]["text"] == "t"


@pytest.mark.parametrize("name", ["chunk", "chunk.text", "index", "logit", "truncated", "previous_score", "score"])
def test_a_text_field_with_a_name_that_we_use_is_refused_or_its_text_is_kept(name):
    read, text = ReadConfig(text_field=name), "the text of the candidate"
    candidate = {"chunk": {"text": text}} if name == "chunk.text" else {name: text}
    try:
        opened = open_format(read, WriteConfig())
    except ConfigError:
        return
    line = opened.write(request_of({"query": "q", "candidates": [candidate]}, read), rank([0.0]))
    assert text.encode() in line


def test_only_the_kept_candidates_are_written():
    out = written({"query": "q", "candidates": ["a", "b", "c"]}, [1.0, 3.0, 2.0], top_k=2)
    assert [candidate["text"] for candidate in out["candidates"]] == ["b", "c"]
