"""Parquet files are read as lines of JSON, one a row."""

import datetime
import decimal
import json

import pyarrow
import pyarrow.parquet
import pytest

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import InputError
from rerank_cli.formats import open_format, read_entries
from rerank_cli.formats.streams import Inputs

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
    inputs, read = Inputs((path,)), ReadConfig((path,))
    shape = open_format(read, WriteConfig(), inputs)
    return shape.name, list(read_entries(shape, inputs, read, None))


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
    assert json.loads(open_format(ReadConfig(format="native"), WriteConfig()).converted(entry)) == entry.body


def test_a_damaged_file_is_an_input_error(tmp_path):
    path = tmp_path / "in.parquet"
    written(path, RECORDS)
    whole = path.read_bytes()
    for cut in (whole[:100], whole[:-20], b"PAR1", whole[:200] + bytes(400) + whole[600:]):
        path.write_bytes(cut)
        with pytest.raises(InputError, match="parquet"):
            entries(str(path))


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.binary()])
def test_bytes_that_are_no_text_are_an_input_error(tmp_path, kind):
    raw = pyarrow.array([b"good", b"bad \xff"], pyarrow.binary())
    column = pyarrow.Array.from_buffers(kind, 2, raw.buffers())
    lists = pyarrow.array([["a"], ["b"]])
    pyarrow.parquet.write_table(pyarrow.table({"query": column, "candidates": lists}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match="parquet"):
        entries(str(tmp_path / "in.parquet"))


def test_what_is_not_a_number_is_not_there(tmp_path):
    row = {"query": "w", "candidates": [{"text": "a", "n": float("nan")}, {"text": "b", "n": 1.0}]}
    _, (entry,) = entries(written(tmp_path / "in.parquet", [row]))
    assert entry.body["candidates"] == [{"text": "a"}, {"text": "b", "n": 1.0}]
