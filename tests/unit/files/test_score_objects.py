"""Objects of scores as lines: every score with its names, in bounded pieces, and what is refused."""

import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_cli.core.errors import InputError
from rerank_cli.files import score_objects
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.raw import UNREADABLE
from rerank_cli.files.score_objects import ScoreLines, begins_scores

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8) | st.sampled_from(
    ['"', "\\", "{", "}", "[", ":,"]
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
OBJECTS = st.dictionaries(NAMES, st.dictionaries(NAMES, NUMBERS, max_size=5), max_size=4)


def lines_of(content: bytes) -> list[bytes]:
    return io.BufferedReader(ScoreLines(io.BytesIO(content), "run.json")).read().splitlines(keepends=True)


def rows_of(content: bytes) -> list[tuple[str, str, float]]:
    rows = [json.loads(line) for line in lines_of(content)]
    assert all(list(row) == ["query-id", "corpus-id", "score"] for row in rows)
    return [tuple(row.values()) for row in rows]


def expected(body: dict[str, dict[str, float]]) -> list[tuple[str, str, float]]:
    return [(qid, docid, score) for qid, scores in body.items() for docid, score in scores.items()]


@settings(max_examples=150, deadline=None)
@given(
    body=OBJECTS,
    indent=st.sampled_from([None, 0, 3, "\t"]),
    ascii_only=st.booleans(),
    chunk=st.sampled_from([1, 2, 7, 1 << 16]),
    mteb=st.booleans(),
)
def test_every_score_is_a_line_however_the_object_is_written(body, indent, ascii_only, chunk, mteb):
    model = {"model_name": "a/b", "revision": None, "more": {"x": {"y": 1}}}
    whole = {"mteb_model_meta": model, "default": {"test": body}} if mteb else body
    content = json.dumps(whole, indent=indent, ensure_ascii=ascii_only).encode()
    before, score_objects.CHUNK = score_objects.CHUNK, chunk
    try:
        assert rows_of(content) == expected(body)
    finally:
        score_objects.CHUNK = before


def test_numbers_keep_their_digits():
    content = b'{"q":{"a":1.10,"b":-0.0,"c":1E-7,"d":12345678901234567890123}}'
    assert [line.split(b'"score":')[1] for line in lines_of(content)] == [
        b"1.10}\n",
        b"-0.0}\n",
        b"1E-7}\n",
        b"12345678901234567890123}\n",
    ]


def test_objects_that_follow_each_other_are_read_as_one():
    assert rows_of(b'{"q1": {"a": 1}}\n{"q2": {"a": 2}}\n{}') == [("q1", "a", 1), ("q2", "a", 2)]


@pytest.mark.parametrize(
    ("value", "what"),
    [("null", "null"), ('"1"', "a string"), ("true", "true"), ("NaN", "NaN"), ("-Infinity", "-Infinity"), ("01", "01")],
)
def test_what_is_no_score_is_a_line_that_is_refused_with_its_path(value, what):
    first, second = lines_of(f'{{"q 1": {{"d\\"1": {value}, "d2": 2}}}}'.encode())
    assert first.startswith(UNREADABLE)
    reason, path, raw = json.loads(first.removeprefix(UNREADABLE))
    assert (reason, path) == (f"the score is {what}, not a number", '$["q 1"]["d\\"1"]')
    assert json.loads(raw) == {"query-id": "q 1", "corpus-id": 'd"1'}
    assert json.loads(second)["corpus-id"] == "d2"


def test_a_name_that_is_no_json_is_shown_all_the_same():
    (line,) = lines_of(b'{"q1": {"d\xff": null}}')
    assert json.loads(line.removeprefix(UNREADABLE))[2] == '{"query-id":"q1","corpus-id":"d\ufffd"}'


def test_a_score_where_a_query_should_be_is_refused_with_its_path():
    (line,) = lines_of(b'{"q1": {}, "q2": 3}')
    assert json.loads(line.removeprefix(UNREADABLE))[1:] == ['$["q2"]', '{"query-id":"q2"}']


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"q1": {"d1": [1]}}', r'\$\["q1"\]\["d1"\]'),
        (b'{"q1": [1]}', r'\$\["q1"\]'),
        (b'{"q1": {"d1": {"score": 1}}}', r'\$\["q1"\]\["d1"\]'),
        (b'{"q1": {"d1": 1},}', "byte 17"),
        (b'{"q1": {"d1": 1,}}', "byte 16"),
        (b'{"q1": {,}}', "byte 8"),
        (b'{"q1": {"d1": 1} "q2": {}}', "byte 17"),
        (b'{"q1" {"d1": 1}}', "byte 1"),
        (b"{'q1': {'d1': 1}}", "byte 1"),
        (b'{"q1": {"d1": 1}} x', "byte 18"),
        (b'{"q1": {"d\n1": 1}}', "byte 8"),
        (b'{"q1": {"d1": 1', "early"),
        (b'{"q1": {"d1": 1}', "early"),
        (b'{"q1": {"d1": 1}, "q', "early"),
        (b'{"mteb_model_meta": {"tags": []}, "default": {}}', "mteb_model_meta.*list"),
        (b'{"mteb_model_meta": {}, "default": {"test": {"q": {"d": {}}}}}', r'\["q"\]\["d"\]'),
    ],
)
def test_what_is_no_object_of_scores_says_where(content, place):
    with pytest.raises(InputError, match=place):
        lines_of(content)


@pytest.mark.parametrize(
    "content",
    [
        '{"q1": {"d1": 1}, "q2": {}, "q1": {"d2": 2}}',
        '{"q1": {}, "\\u0071\\u0031": {"d2": 2}}',
        '{"mteb_model_meta": {}, "default": {"test": {"q1": {"d": 1}, "q1": {"d": 2}}}}',
    ],
)
def test_a_query_that_stands_twice_in_an_object_is_refused(content):
    with pytest.raises(InputError, match="twice"):
        lines_of(content.encode())


@pytest.mark.parametrize("other", ['"en": {"test"', '"default": {"train"'])
def test_of_several_splits_one_must_be_chosen(other):
    content = '{"mteb_model_meta": {}, "default": {"test": {"q": {"d": 1}}}, ' + other + ': {"q": {"d": 2}}}}'
    with pytest.raises(InputError) as caught:
        lines_of(content.encode())
    assert '["default"]["test"]' in caught.value.message
    assert 'jq \'.["default"]["test"]\' run.json' in caught.value.advice


def test_two_splits_in_one_subset_are_two():
    with pytest.raises(InputError, match=r'\["a"\]\["y"\]'):
        lines_of(b'{"mteb_model_meta": {}, "a": {"x": {"q": {"d": 1}}, "y": {"q": {"d": 1}}}}')


def test_a_name_without_end_is_given_up_in_bounded_memory(monkeypatch):
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            piece = (b'{"q1": {"' if not self.given else b"x" * 1000)[: len(buffer)]
            buffer[: len(piece)] = piece
            self.given += len(piece)
            return len(piece)

    endless = Endless()
    monkeypatch.setattr(score_objects, "LONGEST", 10_000)
    with pytest.raises(InputError, match="byte 8"):
        ScoreLines(endless, "x").readall()
    assert endless.given < 20_000


RECORDS = [
    {"query": {"text": "a", "qid": 1}, "candidates": []},
    {"query": {"qid": 1, "text": "a"}, "candidates": [{"docid": "x"}]},
    {"meta": {"year": 1990}, "query": "x", "candidates": ["y"]},
    {"meta": {"tags": ["a"]}, "query": "x", "candidates": ["y"]},
    {"body": {"query": "x", "documents": ["y"] * 20_000}, "custom_id": "1"},
    {"id": "q1", "query": "x", "candidates": []},
    {"query-id": "q1", "corpus-id": "d1", "score": 1},
    {},
]


@pytest.mark.parametrize("record", RECORDS, ids=[str(list(each))[:40] for each in RECORDS])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_record_is_not_taken_for_scores(record, indent):
    assert not begins_scores(json.dumps(record, indent=indent).encode()[: score_objects.HEAD])


@pytest.mark.parametrize("indent", [None, 2])
def test_scores_are_recognised_by_any_beginning_with_a_score_in_it(indent):
    content = json.dumps({"q1": {"d1": 1.5, "d[2": 2}, "q2": {}}, indent=indent).encode()
    first = content.index(b"1.5")
    assert all(begins_scores(content[:size]) for size in range(first, len(content) + 1))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_only_where_scores_are_expected_an_object_becomes_lines(tmp_path, pack):
    path = tmp_path / "run.json"
    path.write_bytes(pack(b'\xef\xbb\xbf{\n "q1": {"d1": 1, "d2": 2}\n}\n'))
    assert next(line.raw for line in Inputs((str(path),)).lines(1000)) == b"{"
    inputs = Inputs((str(path),), scores=True)
    lines = list(inputs.lines(1000))
    assert [json.loads(line.raw)["corpus-id"] for line in lines] == ["d1", "d2"]
    again = Inputs((str(path),), scores=True)
    mark = again.replay(0, 1, lines[0].end.offset)
    assert mark is not None
    assert mark.sha256 == lines[0].end.sha256
    assert [line.raw for line in again.lines(1000, mark)] == [lines[1].raw]
