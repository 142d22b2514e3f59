"""What a file is that is not read, by its first bytes; and what a line is that is no record."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import pickle
import sqlite3
import tarfile
import threading
import zipfile

import numpy
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from support.running import HANG_S

from rerank_cli.core.errors import InputError
from rerank_cli.files.compression import zstd
from rerank_cli.files.inputs import Inputs
from rerank_cli.files.signatures import foreign_kind
from rerank_cli.formats.json_values import Malformed, parse_object
from rerank_cli.formats.lookup import Lookup

TEXT = '{"query": "é", "candidates": ["x"]}\n'
PLAIN = TEXT.encode()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("in.jsonl")
        member.size = len(PLAIN)
        archive.addfile(member, io.BytesIO(PLAIN))
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("in.jsonl", PLAIN)
    return file.getvalue()


def arrays():
    file = io.BytesIO()
    numpy.savez(file, a=numpy.zeros(3))
    return file.getvalue()


def database():
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE t (x)")
        return base.serialize()


def table(write, **options):
    file = io.BytesIO()
    write(pyarrow.table({"query": ["x"]}), file, **options)
    return file.getvalue()


WIDE = {name: (TEXT.encode(name), f"UTF-{name[4:6]} text", "iconv -f") for name in (
    "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")}  # fmt: skip
KINDS = {
    **WIDE,
    "utf-16-be with a mark": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16 text", "iconv -f UTF-16"),
    "columns in utf-16": ("1\tx\n".encode("utf-16-le"), "UTF-16 text", "iconv -f UTF-16LE"),
    "bz2": (bz2.compress(PLAIN), "bz2-compressed", "bzip2 -dc"),
    "empty bz2": (bz2.compress(b""), "bz2-compressed", "bzip2 -dc"),
    "xz": (lzma.compress(PLAIN), "xz-compressed", "xz -dc"),
    "lzma": (lzma.compress(PLAIN, format=lzma.FORMAT_ALONE), "lzma-compressed", "xz"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7", "lz4-compressed", "lz4 -dc"),
    "zip": (zipped(), "a zip archive", "unzip -p"),
    "npz": (arrays(), "a zip archive", "unzip -p"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive", "7z x"),
    "tar": (tarred(), "a tar archive", "tar -xOf"),
    "sqlite": (database(), "an SQLite database", "JSON lines"),
    "feather": (table(pyarrow.feather.write_feather), "an Arrow (Feather) file", "parquet"),
    "old feather": (table(pyarrow.feather.write_feather, version=1), "a Feather file", "parquet"),
    "pickle": (pickle.dumps({"query": "x"}), "a Python pickle", "JSON lines"),
    "old pickle": (pickle.dumps({"query": "x"}, protocol=2), "a Python pickle", "JSON lines"),
    "hdf5": (b"\x89HDF\r\n\x1a\n\x00", "an HDF5 file", "parquet"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document", "text"),
    "parquet with a hidden footer": (b"PARE\x15\x04", "a parquet file", ""),
}  # fmt: skip
COMPRESSED = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
}


def read(path):
    return [line.raw for line in Inputs((str(path),)).lines(10**6)]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("compression", [None, *COMPRESSED])
def test_a_file_that_is_not_read_is_named_with_the_way_out(tmp_path, name, compression):
    content, what, way = KINDS[name]
    path = tmp_path / "in.jsonl"
    path.write_bytes(COMPRESSED[compression](content) if compression else content)
    with pytest.raises(InputError) as fault:
        read(path)
    assert fault.value.message.startswith(f"{path}: {'unpacked, it ' if compression else ''}is {what}")
    assert way in fault.value.advice
    with pytest.raises(InputError, match=what.split(" (")[0]):
        Lookup([str(path)], 10**6)


@pytest.mark.parametrize("outer", COMPRESSED)
@pytest.mark.parametrize("inner", COMPRESSED)
def test_what_is_compressed_twice_is_named(tmp_path, outer, inner):
    path = tmp_path / "in.jsonl"
    path.write_bytes(COMPRESSED[outer](COMPRESSED[inner](PLAIN)))
    with pytest.raises(InputError, match=f"unpacked, .* {inner}-"):
        read(path)


def test_a_parquet_file_that_is_compressed_once_more_is_named(tmp_path):
    path = tmp_path / "in.parquet.gz"
    path.write_bytes(gzip.compress(table(pyarrow.parquet.write_table)))
    with pytest.raises(InputError, match=r"unpacked, .* parquet"):
        read(path)


LETTERS = ("PK", "PAR1", "PARE", "BZh9", "BZh91AY", "7z", "Rar!", "LZIP", "ORC", "FEA1", "ARROW1", "Obj", "ustar",
           "SQLite format 3", "%PDF-1.4", "GIF89a", "MZ", "\x50*", "]")  # fmt: skip


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("behind", ["\ta text\n", " 0 d1 1\n", "é\ttext\n", "\n"])
def test_a_text_that_begins_with_the_same_letters_is_read(tmp_path, letters, behind):
    path = tmp_path / "in.tsv"
    content = (letters + behind).encode()
    path.write_bytes(content)
    assert read(path) == [content.removesuffix(b"\n")]
    path.write_bytes(gzip.compress(content))
    assert read(path) == [content.removesuffix(b"\n")]


def test_no_json_line_and_no_utf8_text_is_taken_for_another_file():
    for text in ('{"a":1}', "{}", "[]", "\ufeff{}", "漢字\tx", "é", " {", "\n\n{", "\t", "0", "ÿþ", "þÿ"):
        assert foreign_kind(text.encode()) is None, text


def test_a_short_line_in_a_pipe_is_read_before_more_comes(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = threading.Event()

    def writer():
        with pipe.open("wb", buffering=0) as file:
            file.write(b'{"a"')
            file.write(b":1}\n")
            assert said.wait(HANG_S)
            file.write(b"{}\n")

    thread = threading.Thread(target=writer)
    thread.start()
    lines = Inputs((str(pipe),)).lines(100)
    assert next(lines).raw == b'{"a":1}'
    said.set()
    assert [line.raw for line in lines] == [b"{}"]
    thread.join()


@pytest.mark.parametrize("compression", COMPRESSED)
def test_a_stream_that_breaks_in_its_first_bytes_gives_what_is_there_first(tmp_path, compression):
    whole = COMPRESSED[compression](PLAIN + os.urandom(400).hex().encode())
    for cut in range(1, len(whole)):
        path = tmp_path / "in.jsonl"
        path.write_bytes(whole[:cut])
        given = []
        with pytest.raises(InputError) if cut > 4 else contextlib.suppress(InputError):
            given.extend(line.raw for line in Inputs((str(path),)).lines(10**6))
        assert given == [] or given[0] == PLAIN[:-1] or cut <= 4


CAUSES = [
    (b'{"a": NaN}', "NaN is not JSON: write null or leave the field out"),
    (b'{"query": "x", "candidates": [{"score": nan}]}', "nan is not JSON"),
    ('{"é": Infinity}'.encode(), "Infinity is not JSON"),
    (b'{"a": [1, -Infinity]}', "-Infinity is not JSON"),
    (b'{"a": inf}', "inf is not JSON"),
    (b'{"a": True}', "True is not JSON: write true"),
    (b'{"a": None}', "None is not JSON: write null"),
    (b'{"a": undefined}', "undefined is not JSON"),
    (b"{'query': 'x'}", "single quotes"),
    (b"{\"query\": 'x'}", "single quotes"),
    (b'{"a": 1} {"b": 2}', "several records on one line"),
    (b'{"a": 1}{"b": 2}', "several records on one line"),
    (b'{"a": 1}, {"b": 2}', "several records on one line"),
    (b'{"a": 1},', "a comma after the record; it looks like a JSON array"),
    (b'{"a": 1}]', "the end of a list; it looks like a JSON array"),
    (b'{"a": 1,}', "the comma before the closing bracket"),
    (b'{"a": [1,]}', "the comma before the closing bracket"),
    (b'{"a": 1} // x', "a comment"),
    (b"{a: 1}", "a name without double quotes"),
    (b'{"a": "x\ty"}', 'must be written as "\\t"'),
    (b'{"query": "x"', "is truncated, or has several"),
    (b"{", "`jq -c . FILE`"),
    (b"[", "a JSON array"),
    (b'[{"a": 1},', "a JSON array"),
    (b'[{"a": 1}]', "not an object; `jq -c '.[]' FILE` converts it to JSON lines"),
    (b'"query": "x",', "part of a record with several lines"),
    (b"},", "part of a record with several lines"),
    (b"<!DOCTYPE html>", "HTML"),
    (b"query,candidate,score", "--format csv"),
    (b"q1\tsome words", "--format tsv"),
    ('{"query": "x"}'.encode("utf-16"), "UTF-16"),
    ('{"query": "x"}'.encode("utf-16-le"), "UTF-16"),
    ('\n{"query": "x"}'.encode("utf-16-le")[1:], "UTF-16"),
    ('{"query": "x"}'.encode("utf-16-be"), "UTF-16"),
    ("\ufeff{}".encode(), "byte order mark"),
]


@pytest.mark.parametrize(("line", "says"), CAUSES)
def test_a_line_that_is_no_record_says_what_it_looks_like(line, says):
    with pytest.raises(Malformed) as fault:
        parse_object(line)
    assert fault.value.reason.startswith(("not valid JSON: ", "not UTF-8: ", "the line holds a list, not an object; "))
    assert says in fault.value.reason


@pytest.mark.parametrize(
    "line",
    [b"nope", b"?", b"hello, world", b'{"a" 1}', b"7 8", b'{"a":"\\x41"}', b"{" * 5000 + b'"', b'{"a": "NaN" x}'],
)
def test_a_line_that_looks_like_nothing_gets_the_words_of_the_parser_alone(line):
    with pytest.raises(Malformed) as fault:
        parse_object(line)
    assert fault.value.reason.startswith("not valid JSON: ")
    assert ";" not in fault.value.reason or line.startswith(b"{{")
