"""Parquet files are read as lines of JSON, one a row."""

import datetime
import decimal
import json
import math
import uuid

import numpy
import pyarrow
import pyarrow.parquet
import pytest

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import InputError
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.raw import UNREADABLE, source_text
from rerank_cli.formats.json_values import Malformed, parse_object
from rerank_cli.formats.registry import open_format, read_entries

RECORDS = [
    {
        "id": "q1",
        "query": "w",
        "candidates": [{"id": "d1", "text": "a", "score": 1.5}, {"id": None, "text": "b", "score": None}],
    },
    {"id": None, "query": "v", "candidates": []},
    *({"id": f"q{n}", "query": "x", "candidates": [{"id": "d", "text": "é漢", "n": 0.0}]} for n in range(700)),
]
PAIRS = [{"qid": f"q{n // 3}", "query": "w", "docid": f"d{n}", "text": f"text {n}"} for n in range(9)]


def written(path, rows):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=100)
    return str(path)


def entries(path):
    inputs, read = Inputs((path,)), ReadConfig(inputs=(path,))
    format = open_format(read, WriteConfig(), inputs)
    return format.name, list(read_entries(format, inputs, read, None))


def test_rows_are_records_and_nulls_are_fields_that_are_not_there(tmp_path):
    name, found = entries(written(tmp_path / "in.parquet", RECORDS))
    assert name == "native"
    assert [entry.query for entry in found] == [record["query"] for record in RECORDS]
    assert found[0].body == {
        "id": "q1",
        "query": "w",
        "candidates": [{"id": "d1", "text": "a", "score": 1.5}, {"text": "b"}],
    }
    assert found[1].body == {"query": "v", "candidates": []}
    assert [entry.origin.line for entry in found] == list(range(1, len(RECORDS) + 1))


def test_a_table_of_pairs_is_read_by_query(tmp_path):
    name, found = entries(written(tmp_path / "in.parquet", PAIRS))
    assert name == "tevatron"
    assert [entry.texts for entry in found] == [tuple(f"text {n + m}" for m in range(3)) for n in (0, 3, 6)]


def test_any_place_can_be_found_again(tmp_path):
    path = written(tmp_path / "in.parquet", RECORDS)
    _, found = entries(path)
    for number in (0, 1, 300, 650):
        mark = found[number].end
        again = Inputs((path,)).replay(mark.source, mark.line, mark.offset)
        assert again is not None
        assert again.sha256 == mark.sha256
        inputs = Inputs((path,))
        rest = list(open_format(ReadConfig(format="native"), WriteConfig()).read(inputs.lines(10**6, mark)))
        assert [entry.body for entry in rest] == [entry.body for entry in found[number + 1 :]]


def test_progress_goes_from_nothing_to_the_whole_file(tmp_path):
    path = written(tmp_path / "in.parquet", RECORDS)
    _, found = entries(path)
    places = [entry.end.disk for entry in found]
    assert places == sorted(places)
    assert places[-1] == (tmp_path / "in.parquet").stat().st_size


def test_what_json_has_not_becomes_text(tmp_path):
    row = {
        "query": "w",
        "candidates": ["a"],
        "on": datetime.date(2026, 1, 2),
        "of": decimal.Decimal("1.50"),
        "raw": b"\xc3\xa9x",
    }
    _, (entry,) = entries(written(tmp_path / "in.parquet", [row]))
    assert entry.body == {"query": "w", "candidates": ["a"], "on": "2026-01-02", "of": "1.50", "raw": "éx"}
    assert json.loads(open_format(ReadConfig(format="native"), WriteConfig()).lines_of(entry)) == entry.body


def test_a_damaged_file_is_an_input_error(tmp_path):
    path = tmp_path / "in.parquet"
    written(path, RECORDS)
    whole = path.read_bytes()
    for cut in (whole[:100], whole[:-20], b"PAR1", whole[:200] + bytes(400) + whole[600:]):
        path.write_bytes(cut)
        with pytest.raises(InputError, match="parquet"):
            entries(str(path))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (pyarrow.string(), 'the column "query" cannot be read'),
        (pyarrow.large_string(), 'the column "query" cannot be read'),
        (pyarrow.binary(), "an object, not a string"),
    ],
)
def test_bytes_that_are_no_text_are_an_error_record_that_names_the_column(tmp_path, kind, reason):
    size = numpy.int64 if kind == pyarrow.large_string() else numpy.int32
    raw = [None, pyarrow.py_buffer(size([0, 4, 9]).tobytes()), pyarrow.py_buffer(b"goodbad \xff")]
    column = pyarrow.Array.from_buffers(kind, 2, raw)
    lists = pyarrow.array([["a"], ["b"]])
    pyarrow.parquet.write_table(pyarrow.table({"query": column, "candidates": lists}), tmp_path / "in.parquet")
    _, (good, bad) = entries(str(tmp_path / "in.parquet"))
    assert (good.query, bad.path, bad.origin.line) == ("good", "$.query", 2)
    assert reason in bad.reason


def test_bytes_that_nobody_asked_for_ride_along_as_what_no_text_can_be(tmp_path):
    image = {"bytes": b"\x89PNG\xff", "path": "a.png"}
    row = {"query": "w", "raw": b"\xff\xfe", "image": image, "many": [b"\xff", b"ok"], "candidates": [
        {"text": "a", "image": image, "raw": b"caf\xc3\xa9"}]}  # fmt: skip
    read = {"bytes": {"base64": "iVBOR/8="}, "path": "a.png"}
    name, (entry,) = entries(written(tmp_path / "in.parquet", [row]))
    assert (name, entry.texts) == ("native", ("a",))
    assert entry.body == {
        "query": "w",
        "raw": {"base64": "//4="},
        "image": read,
        "many": [{"base64": "/w=="}, "ok"],
        "candidates": [{"text": "a", "image": read, "raw": "café"}],
    }


def test_bytes_are_never_taken_for_a_text(tmp_path):
    rows = [{"query": "w", "candidates": [{"text": b"\xff"}]}, {"query": "w", "candidates": [{"text": b"plain"}]}]
    _, (bad, good) = entries(written(tmp_path / "in.parquet", rows))
    assert (bad.path, good.texts) == ("$.candidates[0].text", ("plain",))


def test_ids_that_a_gap_made_floats_are_integers_again(tmp_path):
    rows = [
        {"id": 12.0, "query": "w", "docId": 3.5, "Qid": 2.0**53, "rid": 2.0**54, "price": 2.0, "candidates": [
            {"id": 7.0, "text": "a", "meta": {"DOC_ID": -1.0}}, {"id": float("nan"), "text": "b"}]},
        {"id": None, "query": "w", "candidates": []},
    ]  # fmt: skip
    _, found = entries(written(tmp_path / "in.parquet", rows))
    assert found[0].body == {
        "id": 12, "query": "w", "docId": 3.5, "Qid": 2**53, "rid": 2.0**54, "price": 2.0,
        "candidates": [{"id": 7, "text": "a", "meta": {"DOC_ID": -1}}, {"text": "b"}],
    }  # fmt: skip
    assert [type(found[0].body[name]) for name in ("id", "rid", "price")] == [int, float, float]
    assert "id" not in found[1].body


NOON = datetime.datetime(2026, 1, 2, 12, 0, 0, 5)  # noqa: DTZ001 - a time without a zone is read too
READ = {  # type, what is in it, how it is read
    "duration": (pyarrow.duration("us"), datetime.timedelta(days=1, microseconds=5), "PT86400.000005S"),
    "negative duration": (pyarrow.duration("ms"), datetime.timedelta(seconds=-0.5), "-PT0.5S"),
    "duration in ns": (pyarrow.duration("ns"), 3, "PT0.000000003S"),
    "time": (pyarrow.time32("s"), datetime.time(3, 4), "03:04:00"),
    "timestamp": (pyarrow.timestamp("us"), NOON, "2026-01-02T12:00:00.000005"),
    "timestamp in ns": (pyarrow.timestamp("ns"), 1767355200000000001, "2026-01-02T12:00:00.000000001"),
    "timestamp of a zone": (pyarrow.timestamp("ms", "+01:00"), 1767355200000, "2026-01-02T13:00:00+01:00"),
    "date": (pyarrow.date32(), datetime.date(2026, 1, 2), "2026-01-02"),
    "date of later than year 9999": (pyarrow.date32(), 3000000, "10183-09-21"),
    "decimal": (pyarrow.decimal128(5, 2), decimal.Decimal("1.50"), "1.50"),
    "wide decimal": (pyarrow.decimal256(60, 2), decimal.Decimal("1" * 50), "1" * 50 + ".00"),
    "uint64": (pyarrow.uint64(), 2**64 - 1, 2**64 - 1),
    "int64": (pyarrow.int64(), -(2**63), -(2**63)),
    "half float": (pyarrow.float16(), 1.5, 1.5),
    "float32": (pyarrow.float32(), 0.5, 0.5),
    "dictionary": (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "é", "é"),
    "map": (pyarrow.map_(pyarrow.string(), pyarrow.binary()), [("a", b"\xff")], [["a", {"base64": "/w=="}]]),
    "uuid": (pyarrow.uuid(), uuid.UUID(int=1).bytes, "00000000-0000-0000-0000-000000000001"),
    "json": (pyarrow.json_(), '{"a":1}', '{"a":1}'),
    "fixed size": (pyarrow.binary(2), b"\xff\xfe", {"base64": "//4="}),
    "large list": (pyarrow.large_list(pyarrow.int8()), [1, None], [1, None]),
    "vector": (pyarrow.list_(pyarrow.float32(), 2), [0.5, 1], [0.5, 1.0]),
    "structs with gaps": (pyarrow.list_(pyarrow.struct([("a", pyarrow.int8())])), [None, {"a": None}], [None, {}]),
    "not a number in a list": (pyarrow.list_(pyarrow.float64()), [float("nan"), 1.0], [None, 1.0]),
}


def column_of(kind, value):
    cells = [None, value, None]
    if isinstance(kind, pyarrow.BaseExtensionType):
        return pyarrow.ExtensionArray.from_storage(kind, pyarrow.array(cells, kind.storage_type))
    if type(value) is int and pyarrow.types.is_temporal(kind):  # by its ticks: some have no name in Python
        return pyarrow.array(cells, pyarrow.int32() if kind.bit_width == 32 else pyarrow.int64()).view(kind)
    return pyarrow.array(cells, kind)


def table_of(path, kind, value):
    columns = {"query": ["w"] * 3, "candidates": [["a"]] * 3, "x": column_of(kind, value)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return str(path)


@pytest.mark.parametrize("name", READ)
def test_a_column_of_any_type_is_read(tmp_path, name):
    kind, value, read = READ[name]
    _, found = entries(table_of(tmp_path / "in.parquet", kind, value))
    assert [entry.body.get("x") for entry in found] == [None, read, None]
    assert json.loads(open_format(ReadConfig(format="native"), WriteConfig()).lines_of(found[1])) == found[1].body


BAD = {  # what no JSON can hold, or Arrow cannot give
    "infinity": (pyarrow.float64(), math.inf),
    "negative infinity": (pyarrow.float32(), -math.inf),
    "infinity as a half float": (pyarrow.float16(), math.inf),
    "infinity in a list": (pyarrow.list_(pyarrow.float64()), [1.0, math.inf]),
    "infinity in an object": (pyarrow.struct([("deep", pyarrow.float64())]), {"deep": math.inf}),
    "infinity in a map": (pyarrow.map_(pyarrow.string(), pyarrow.float64()), [("a", math.inf)]),
    "a time beyond all calendars": (pyarrow.timestamp("us"), 2**62),
    "such a time in an object": (pyarrow.struct([("at", pyarrow.timestamp("s"))]), {"at": 2**50}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_an_error_record_that_names_the_column_and_the_others_are_read(tmp_path, name):
    kind, value = BAD[name]
    _, (first, bad, last) = entries(table_of(tmp_path / "in.parquet", kind, value))
    assert (first.query, last.query) == ("w", "w")
    assert (bad.path, bad.origin.line) == ("$.x", 2)
    assert 'the column "x" cannot be read' in bad.reason


class Secret(pyarrow.ExtensionType):
    """A type of another library, whose values have no Python value."""

    def __init__(self):
        super().__init__(pyarrow.int64(), "tests.secret")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()

    def __arrow_ext_scalar_class__(self):
        return SecretScalar


class SecretScalar(pyarrow.ExtensionScalar):
    """As the base class of pyarrow's scalars has it."""

    def as_py(self, **options):
        if self.value is not None:
            raise NotImplementedError


def test_a_value_that_python_does_not_have_becomes_text(tmp_path):
    pyarrow.register_extension_type(Secret())
    try:
        _, found = entries(table_of(tmp_path / "in.parquet", Secret(), 5))
    finally:
        pyarrow.unregister_extension_type("tests.secret")
    assert [entry.body.get("x") for entry in found] == [None, "5", None]


def test_times_of_old_tables_are_read(tmp_path):
    table = pyarrow.table({"query": ["w"], "candidates": [["a"]], "at": pyarrow.array([NOON], pyarrow.timestamp("us"))})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet", use_deprecated_int96_timestamps=True)
    _, (entry,) = entries(str(tmp_path / "in.parquet"))
    assert entry.body["at"] == "2026-01-02T12:00:00.000005"


def test_a_column_of_nothing_and_one_that_stands_twice_are_no_obstacle(tmp_path):
    table = pyarrow.table([["w"], [["a"]], pyarrow.nulls(1), [1], [2]], ["query", "candidates", "none", "n", "n"])
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    _, (entry,) = entries(str(tmp_path / "in.parquet"))
    assert entry.body == {"query": "w", "candidates": ["a"], "n": 2}


def test_a_damaged_column_is_named_and_the_disk_is_not(tmp_path):
    path = tmp_path / "in.parquet"
    rows = [{"query": "w", "candidates": ["a"], "extra": "0123456789" * 50} for _ in range(3)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, compression="snappy")
    page = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(2)
    assert page.path_in_schema == "extra"
    content = bytearray(path.read_bytes())
    start = page.dictionary_page_offset
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'"extra" .* row 0') as fault:
        entries(str(path))
    assert "disk" not in fault.value.advice


def test_a_line_that_looks_like_the_mark_of_a_bad_row_is_a_bad_line():
    for raw in (UNREADABLE, UNREADABLE + b"[]", UNREADABLE + b'["a"]', UNREADABLE + b'"ab"', UNREADABLE + b"{"):
        with pytest.raises(Malformed):
            parse_object(raw)
        assert source_text(raw) == raw


def test_what_is_not_a_number_is_not_there(tmp_path):
    row = {"query": "w", "candidates": [{"text": "a", "n": float("nan")}, {"text": "b", "n": 1.0}]}
    _, (entry,) = entries(written(tmp_path / "in.parquet", [row]))
    assert entry.body["candidates"] == [{"text": "a"}, {"text": "b", "n": 1.0}]
