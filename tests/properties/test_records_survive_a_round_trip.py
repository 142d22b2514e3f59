"""What a user wrote comes back, byte for byte and in its order; logits read back as the same float32."""

import json
import string

import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.making import entries_of, float32, lines_of, native_format, request_of, written_logit, written_score

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.formats.record_format import OUR_FIELDS
from rerank_cli.formats.registry import failure_line

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ID = TEXT | st.integers(-(2**63), 2**64 - 1)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NAMES = (TEXT | st.sampled_from(sorted(OUR_FIELDS))).filter(
    lambda name: name not in {"id", "text", "query", "candidates"}
)
LOGIT = st.floats(-50, 50, width=32)


@st.composite
def shuffled(draw, required, optional, extra):
    """An object with the required fields, perhaps the optional ones, and any others, in any order."""
    fields = {name: draw(values) for name, values in required.items()}
    fields |= {name: draw(values) for name, values in optional.items() if draw(st.booleans())}
    fields |= draw(st.dictionaries(extra, ANY, max_size=4))
    return {name: fields[name] for name in draw(st.permutations(list(fields)))}


CANDIDATES = st.lists(TEXT | shuffled({"text": TEXT}, {"id": ID}, NAMES), max_size=6)
RECORDS = shuffled({"query": TEXT, "candidates": CANDIDATES}, {"id": ID}, NAMES)


def text_of(candidate):
    return candidate if isinstance(candidate, str) else candidate["text"]


def expected(candidate, index, logit):
    """What must become of a candidate, field by field."""
    fields = [("index", index)]
    if isinstance(candidate, str):
        fields.append(("text", candidate))
        candidate = {}
    fields += [(name, value) for name, value in candidate.items() if name not in OUR_FIELDS]
    fields += [("score", written_score(logit)), ("logit", written_logit(logit))]
    if "score" in candidate:
        fields.append(("previous_score", candidate["score"]))
    return dict(fields)


@given(RECORDS)
def test_query_and_texts_are_read_as_the_json_of_the_standard_library_reads_them(record):
    line = json.dumps(record).encode()  # with \u escapes
    request = request_of(line)
    assert request.query == record["query"]
    assert request.texts == tuple(map(text_of, record["candidates"]))
    assert json.dumps(request.body) == json.dumps(record)


@given(RECORDS)
def test_without_candidates_a_record_comes_back_byte_for_byte(record):
    line = orjson.dumps({**record, "candidates": []})
    assert native_format().write(request_of(line), rank([])) == line + b"\n"


@given(RECORDS, st.data())
def test_every_field_comes_back_byte_for_byte_and_in_order(record, data):
    count = len(record["candidates"])
    logits = data.draw(st.lists(LOGIT, min_size=count, max_size=count))
    ranking = rank(logits)
    out = native_format().write(request_of(orjson.dumps(record)), ranking)
    candidates = [expected(record["candidates"][index], index, logits[index]) for index in ranking.indices]
    assert out == orjson.dumps({**record, "candidates": candidates}) + b"\n"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=10))
def test_a_logit_reads_back_as_the_same_float32(logits):
    request = request_of({"query": "q", "candidates": [str(n) for n in range(len(logits))]})
    out = json.loads(native_format().write(request, rank(logits)))
    for candidate in out["candidates"]:
        assert float32(candidate["logit"]) == logits[candidate["index"]]
        assert candidate["score"] == written_score(logits[candidate["index"]])


@given(RECORDS, st.data())
def test_our_own_output_can_be_reranked(record, data):
    count = len(record["candidates"])
    first = data.draw(st.lists(LOGIT, min_size=count, max_size=count))
    second = data.draw(st.lists(LOGIT, min_size=count, max_size=count))
    once = native_format().write(request_of(orjson.dumps(record)), rank(first))
    again = json.loads(native_format().write(request_of(once[:-1]), rank(second)))
    former = json.loads(once)["candidates"]
    for candidate in again["candidates"]:
        before = former[candidate["index"]]
        assert candidate["previous_score"] == before["score"]
        assert {k: v for k, v in candidate.items() if k not in OUR_FIELDS} == {
            k: v for k, v in before.items() if k not in OUR_FIELDS
        }


SNIPPETS = [b'{"query": "q", "candidates": ["a"]}', b"\n", b"\r", b'"', b"\\u2028", "\u2028\u0085".encode(), b"\xff"]
SNIPPETS += [
    b"[",
    b"]",
    b"{",
    b"}",
    b"NaN",
    b"1e999",
    b"12345678901234567890123",
    b"\x00",
    b" ",
    b"null",
    b"\xef\xbb\xbf",
]
ROUGH = st.lists(st.sampled_from(SNIPPETS) | st.binary(max_size=6), max_size=15).map(b"".join)


@given(ROUGH)
def test_any_bytes_give_one_entry_a_line_and_each_failure_a_line_of_json(content):
    lines = lines_of(content)
    entries = list(native_format().read(iter(lines)))
    assert [entry.end for entry in entries] == [line.end for line in lines]
    for line, entry in zip(lines, entries, strict=True):
        assert isinstance(entry, Blank) == (not line.raw.strip())
        if isinstance(entry, Failure):
            error = json.loads(failure_line(entry))
            assert error["line"] == line.origin.line
            assert ("raw" in error) != ("raw_base64" in error)
            assert error.get("raw", "").encode() == line.raw or "raw_base64" in error


def well_formed(raw):
    """Whether the standard library takes these bytes for JSON that can be written again as it was."""

    def refused(_):
        raise ValueError

    def checked(digits):
        if not -(2**63) <= int(digits) < 2**64:
            raise ValueError
        return int(digits)

    def finite(digits):
        if abs(float(digits)) == float("inf"):
            raise ValueError
        return float(digits)

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=refused, parse_int=checked, parse_float=finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError:
        return False
    return isinstance(value, dict)


VALUES = st.one_of(
    ANY.map(lambda value: json.dumps(value)),
    st.text(string.digits + "-+.eE", max_size=25),
    st.text(string.printable, max_size=8),
    st.sampled_from(['"\\ud800"', '"\\ud83d\\ude00"', "NaN", "Infinity", "[1,]", "{}", '"\x00"', "1" * 25, "-0", "01"]),
)


@given(VALUES)
def test_what_is_well_formed_json_agrees_with_the_standard_library(value):
    line = b'{"query": "q", "candidates": [], "x": %s}' % value.replace("\n", " ").encode("utf-8", "surrogatepass")
    (entry,) = entries_of(line)
    assert isinstance(entry, Request) == well_formed(line)
    if isinstance(entry, Request):
        assert json.loads(native_format().write(entry, rank([]))) == json.loads(line)


@given(RECORDS, st.sampled_from(["a.b", "x.y.z"]))
def test_nested_candidates_come_back_where_they_were(record, field):
    nested = record["candidates"]
    for name in reversed(field.split(".")):
        nested = {"before": 1, name: nested, "after": 2}
    read = ReadConfig(candidates_field=field)
    whole = {"query": "q", **nested}
    out = json.loads(
        native_format(read).write(request_of(orjson.dumps(whole), read), rank([0.0] * len(record["candidates"])))
    )
    place, before = out, whole
    for name in field.split("."):
        assert list(place) == list(before)
        place, before = place[name], before[name]
    assert [candidate["index"] for candidate in place] == list(range(len(record["candidates"])))
