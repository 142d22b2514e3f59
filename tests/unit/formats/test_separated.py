"""CSV, TSV and JSON pairs: headers, quoting, widths, groups, and what is refused."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.cells import cells_of, row_line
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.registry import open_format, read_entries
from rerank_cli.formats.suffixes import output_format


@pytest.fixture
def read(tmp_path):
    def entries(*contents, write=None, **options):
        paths = []
        for number, content in enumerate(contents):
            paths.append(str(tmp_path / f"in{number}"))
            with open(paths[-1], "wb") as file:
                file.write(content)
        config = ReadConfig(inputs=tuple(paths), **options)
        inputs = Inputs(config.inputs)
        format = open_format(config, write or WriteConfig(), inputs)
        found = [each for each in read_entries(format, inputs, config, None) if not isinstance(each, Blank)]
        return format, found

    return entries


GOOD = b'query_id,query,docid,text,label,note\nq1,"a, b",d1,"one\ntwo",1,x\nq1,"a, b",d2,three,0,\nq2,c,d3,four,1,\n'


def test_rows_of_one_query_id_are_a_record_and_a_quoted_newline_is_text(read):
    format, [first, second] = read(GOOD)
    assert format.name == "csv"
    assert (first.query, first.texts) == ("a, b", ("one\ntwo", "three"))
    assert (first.origin.line, first.end.line, second.origin.line) == (2, 4, 5)
    assert format.to_native(first) == {
        "id": "q1",
        "query": "a, b",
        "candidates": [
            {"id": "d1", "text": "one\ntwo", "relevance": 1, "note": "x"},
            {"id": "d2", "text": "three", "relevance": 0, "note": ""},
        ],
    }


def test_a_ranking_is_written_best_first_under_the_header_of_the_input(read):
    format, [first, _] = read(GOOD, write=WriteConfig(scored=True))
    out = (format.header + format.write(first, rank([-1.0, 2.0]))).decode()
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert out.startswith("query_id,query,docid,text,label,note,score,logit,rank\n")
    assert [(row["docid"], row["logit"], row["rank"]) for row in rows] == [("d2", "2.0", "1"), ("d1", "-1.0", "2")]
    assert rows[1]["text"] == "one\ntwo"


def test_a_score_of_the_input_is_kept_as_the_previous_one(read):
    format, [entry] = read(b"Query\tPassage\tScore\nw\ta\t3.5\n", write=WriteConfig(scored=True))
    assert format.name == "tsv"
    out = format.header + format.write(entry, rank([2.0], score="logit"))
    assert out == b"Query\tPassage\tScore\tprevious_score\tlogit\trank\nw\ta\t2.0\t3.5\t2.0\t1\n"


def test_without_query_ids_rows_of_one_query_are_a_record(read):
    _, found = read(b"query,text\nw,a\nw,b\nv,c\nw,d\n")
    assert [entry.texts for entry in found] == [("a", "b"), ("c",), ("d",)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"q1,w,a,b,extra", "5 columns, expected 4 (query_id, query, docid, text)"),
        (b"q1,w,a", "3 columns, expected 4 (query_id, query, docid, text)"),
        (b"q1,w,a,te\0xt", "a NUL in column 4"),
        (b"q1,w,a,t\xff", "not UTF-8: byte 0xff at position 9 of the line"),
        (b"q1,w,a,te\rxt", "a lone carriage return outside quotes"),
    ],
)
def test_a_bad_row_is_an_error_record_and_the_others_are_read(read, row, reason):
    _, found = read(b"query_id,query,docid,text\r\nq0,w,a,b\r\n" + row + b"\r\nq2,w,a,b\r\n")
    assert [type(each) for each in found] == [Request, Failure, Request]
    assert found[1].reason == reason
    assert (found[1].origin.line, found[1].raw) == (3, row + b"\r")
    assert found[0].texts == found[2].texts == ("b",)


def test_a_quote_that_is_never_closed_is_an_error_record_that_names_its_column(read):
    _, found = read(b'query,text\nw,a\nv,"b\nw,c\n')
    assert [type(each) for each in found] == [Request, Failure]
    assert found[1].reason == "the quote that begins column 2 is not closed before the end of the file"
    assert found[1].origin.line == 3


def test_a_row_that_is_too_long_is_passed_over_whole(read):
    long = b'v,"' + b'b,""\n' * 5000 + b'"\n'
    _, found = read(b"query,text\nw,a\n" + long + b"x,c\n", max_line_bytes=1000)
    assert [type(each) for each in found] == [Request, Failure, Request]
    assert found[1].reason == (
        "the row of lines 3 to 5003 is longer than --max-line-bytes (1000); a quote may be unclosed"
    )
    assert found[2].origin.line == 5004
    assert found[2].texts == ("c",)


@pytest.mark.parametrize("content", [b"qid,query,text\n1,w,a\n2,v,b\n1,w,c\n", b"query,text\nw,a\nv,b\nw,c\n"])
def test_rows_of_a_query_that_do_not_stand_together_are_said(read, content):
    format, found = read(content)
    assert [entry.texts for entry in found] == [("a",), ("b",), ("c",)]
    [warning] = format.warnings
    assert "not adjacent" in warning
    assert "1 later part is" in warning
    assert (format.notes, format.parts) == ([], 1)


def test_columns_name_what_has_no_header(read):
    format, [entry] = read(b"1\t7\tw\ta\n1\t8\tw\tb\n", columns="qid,pid,query,passage", format="tsv")
    assert format.to_native(entry) == {
        "id": "1",
        "query": "w",
        "candidates": [{"id": "7", "text": "a"}, {"id": "8", "text": "b"}],
    }
    assert format.header == b"qid\tpid\tquery\tpassage\n"


@pytest.mark.parametrize(
    ("contents", "options", "error", "named"),
    [
        ([b"query,text\nw,a\n"], {"columns": "query,text", "format": "csv"}, InputError, ":1"),
        ([b"w,a\n"], {"columns": "query,body", "format": "csv"}, ConfigError, "--columns query,body"),
        ([b"w,a\n"], {"columns": "query,text"}, ConfigError, "--columns"),
        ([b"query,text\nw,a\n"], {"candidates_field": "hits", "format": "csv"}, ConfigError, "--candidates-field hits"),
        ([b"w,a\n"], {"columns": "query,text", "format": "native"}, ConfigError, "--columns"),
        ([b"question,answer\nw,a\n"], {"format": "csv"}, InputError, ":1"),
        ([b"query,text,Text\nw,a,b\n"], {"format": "csv"}, InputError, ":1"),
        (
            [b"query,text,docid\nw,a,b\n"],
            {"format": "csv", "candidate_id_field": "key"},
            InputError,
            "--candidate-id-field key",
        ),
        ([b"query,text,qid\nw,a,b\n"], {"format": "csv", "id_field": "number"}, InputError, "--id-field number"),
        ([b"query,text\nw,a\n", b"text,query\na,w\n"], {"format": "csv"}, InputError, "in1"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_scored(read, contents, options, error, named):
    with pytest.raises(error) as caught:
        read(*contents, **options)
    assert named in str(caught.value)
    assert caught.value.advice


def test_options_name_the_columns_of_other_names(read):
    format, [entry] = read(b"Question;no,Answer\nw,a\n", query_field="Question;no", text_field="answer")
    assert (format.name, entry.query, entry.texts) == ("csv", "w", ("a",))
    assert format.header + format.lines_of(entry) == b"Question;no,Answer\nw,a\n"


def test_options_name_the_columns_of_ids(read):
    rows = b"query,text,Key,pid,No\nw,a,k1,p1,7\nw,b,k2,p2,7\n"
    format, [entry] = read(rows, id_field="no", candidate_id_field="key")
    native = format.to_native(entry)
    assert (native["id"], [each["id"] for each in native["candidates"]]) == ("7", ["k1", "k2"])
    assert [each["pid"] for each in native["candidates"]] == ["p1", "p2"]


def test_a_column_without_a_name_is_a_field_of_its_own(read):
    """pandas writes its index so, and Excel commas at the ends of rows."""
    format, [entry] = read(b",query,text,,label\n0,w,a,x,1\n1,w,b,y,0\n", write=WriteConfig(scored=True))
    assert format.to_native(entry) == {
        "query": "w",
        "candidates": [
            {"text": "a", "relevance": 1, "column 1": "0", "column 4": "x"},
            {"text": "b", "relevance": 0, "column 1": "1", "column 4": "y"},
        ],
    }
    out = format.header + format.write(entry, rank([1.0, 2.0], score="logit"))
    assert out == b",query,text,,label,score,logit,rank\n1,w,b,y,0,2.0,2.0,1\n0,w,a,x,1,1.0,1.0,2\n"


def test_a_field_without_a_name_of_a_pair_is_no_id(read):
    format, [entry] = read(b'{"query":"w","text":"a","":"x"}\n{"query":"w","text":"b","":"y"}\n')
    assert format.to_native(entry)["candidates"] == [{"text": "a", "": "x"}, {"text": "b", "": "y"}]


def test_a_rank_and_a_logit_of_the_input_are_kept_too(read):
    format, [entry] = read(b"query,text,rank,logit\nw,a,7,9\n", write=WriteConfig(scored=True))
    out = format.header + format.write(entry, rank([2.0], score="logit"))
    assert out == b"query,text,rank,logit,previous_logit,previous_rank,score\nw,a,1,2.0,9,7,2.0\n"


def test_columns_may_be_passed_over(read):
    _, [entry] = read(b"w\tx\ta\ty\n", columns="query,_,text,_", format="tsv")
    assert (entry.query, entry.texts) == ("w", ("a",))


def test_lines_that_were_looked_at_are_joined_too(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b'query,text\nw,"a\nb"\nw,c\n')
    inputs = Inputs((str(path),))
    assert len(list(inputs.look_ahead(1000))) == 4
    inputs.join_quoted(b",")
    assert [line.raw for line in inputs.lines(1000)] == [b"query,text", b'w,"a\nb"', b"w,c"]


def test_each_input_has_its_header(read):
    _, found = read(b"query,text\nw,a\n", b"\xef\xbb\xbf\r\nquery,text\r\nv,b\r\n")
    assert [(entry.query, entry.texts) for entry in found] == [("w", ("a",)), ("v", ("b",))]


@pytest.mark.parametrize("lines", [b'{"query": "w", "%s": "a", "label": 1}\n' % name for name in (b"text", b"passage")])
def test_pairs_with_a_label_are_judged_records(read, lines):
    format, [entry] = read(lines)
    assert format.name == "pairs"
    assert format.to_native(entry) == {"query": "w", "candidates": [{"text": "a", "relevance": 1}]}


def test_one_query_id_with_two_queries_is_refused(read):
    for content in (
        b"qid,query,text\n1,w,a\n1,v,b\n",
        b'{"qid":1,"query":"w","text":"a"}\n{"qid":1,"query":"v","text":"b"}\n',
    ):
        _, [failure] = read(content)
        assert "'w' and 'v'" in failure.reason


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(CELL, min_size=2, max_size=5), st.sampled_from(["csv", "tsv"]))
def test_any_text_survives_a_cell(cells, name):
    line = row_line(cells, name)
    assert cells_of(line.removesuffix(b"\n"), name) == cells


@given(st.binary(max_size=40), st.sampled_from(["csv", "tsv"]))
def test_any_bytes_are_cells_or_refused(raw, name):
    try:
        cells = cells_of(raw, name)
    except Malformed as fault:
        reason = fault.reason
    else:
        reason = all(isinstance(cell, str) for cell in cells)
    assert reason


def test_the_suffix_of_an_output_chooses_its_format():
    assert [
        output_format(f"x{suffix}", "same", by_user=False) for suffix in (".csv", ".TSV.gz", ".run", ".trec.zst")
    ] == [
        "csv",
        "tsv",
        "trec",
        "trec",
    ]
    assert output_format("x.jsonl", "same", by_user=False) == "same"
    assert output_format("x.csv", "csv", by_user=True) == "csv"
    for output, chosen in (("x.json", "same"), ("x.json.gz", "native"), ("x.csv", "native"), ("x.run", "same")):
        with pytest.raises(ConfigError) as caught:
            output_format(output, chosen, by_user=chosen != "same" or output == "x.run")
        assert output in str(caught.value)


@pytest.mark.parametrize("name", ["csv", "tsv", "pairs"])
@pytest.mark.parametrize(
    ("ids", "path", "reason"),
    [
        ({}, "$.query", "the next record has the same query 'red', and no id: {0}"),
        ({"id": "q1"}, "$.id", "the next record has the same id 'q1': {0}"),
        ({"id": 7}, "$.id", "the next record has the same id '7': {0}"),
    ],
)
def test_two_records_that_would_become_one_are_named_by_what_they_share(name, ids, path, reason):
    format = open_format(ReadConfig(format="native"), WriteConfig(format=name))
    record = {**ids, "query": "red", "candidates": ["a"]}
    first, second = format.read(iter(lines_of(jsonl(record, record))))
    assert isinstance(first, Failure)
    assert isinstance(second, Request)
    assert first.path == path
    assert first.reason.startswith(reason.format(name))
