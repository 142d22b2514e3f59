"""Judgements and runs as others publish them: separators, widths, comments, headers, grades, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.running import Finished, forked

from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.results import read_results
from rerank_cli.formats.columns import is_comment, row_of_run
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.run_survey import GUESSED
from rerank_cli.formats.trec import column

RUN = "q1 Q0 d1 1 3.0 x\nq1 Q0 d2 2 2.0 x\nq2 Q0 d1 1 2.0 x\n"
JUNK = "q1 0 d1 -1\nq1 0 d2 1\nq2 0 d1 -2\n"


def put(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def record(qid: str, *candidates: tuple[str, Any]) -> str:
    fields = [{"id": name, "text": f"text {name}", "relevance": grade} for name, grade in candidates]
    return json.dumps({"id": qid, "query": f"query {qid}", "candidates": fields}) + "\n"


def measured(done: Finished) -> dict[str, float]:
    assert done.code == 0, done.said
    return {name: round(value, 4) for name, value in done.records[0][0]["measures"].items()}


# grades below 0


@pytest.mark.sampled(1)
@pytest.mark.parametrize("turned", [False, True])
def test_junk_judgements_are_not_relevant_whoever_brings_them(tmp_path: Path, turned: bool) -> None:
    lines = RUN.splitlines(keepends=True)
    put(tmp_path, qrels=JUNK, run="".join(reversed(lines) if turned else lines))
    records = [record("q1", ("d1", -1), ("d2", 1)), record("q2", ("d1", -2))]
    put(tmp_path, carried="".join(reversed(records) if turned else records))
    measures = ("--measures", "nDCG@10 AP Judged@10", "--json")
    expected = {"nDCG@10": 0.3155, "AP": 0.25, "Judged@10": 1.0}
    assert measured(forked("eval", "run", "--qrels", "qrels", *measures, cwd=tmp_path)) == expected
    assert measured(forked("eval", "carried", *measures, cwd=tmp_path)) == expected
    done = forked("compare", "run", "run", "--qrels", "qrels", *measures, "--html", "page.html", cwd=tmp_path)
    assert done.code == 0, done.said
    assert {each["measure"]: round(each["after"], 4) for each in done.records[0][0]["differences"]} == expected


# separators


def test_blanks_beside_a_tab_are_no_part_of_a_column(tmp_path: Path) -> None:
    put(tmp_path, qrels="q1 \t0\td1 \t1\nq1\t0\t d2\t0\n", run="q1\tQ0\td1 \t1\t9.0\tt\nq1 Q0 d2 2 3.0 t\n")
    done = forked("eval", "run", "--qrels", "qrels", "--measures", "RR@10 Judged@10", "--json", cwd=tmp_path)
    assert measured(done) == {"RR@10": 1.0, "Judged@10": 1.0}


@pytest.mark.parametrize("header", ["query_id\tdoc_id\titeration\tfoo", "qid docid foo iter"])
def test_a_header_that_names_other_columns_is_refused(tmp_path: Path, header: str) -> None:
    put(tmp_path, run=RUN, qrels=header + "\n" + ("q1\td1\t0\t1\n" if "\t" in header else "q1 d1 1 0\n"))
    done = forked("eval", "run", "--qrels", "qrels", cwd=tmp_path)
    assert done.code == 4
    assert "the columns are" in done.said


def test_results_of_which_nothing_is_judged_are_said(tmp_path: Path) -> None:
    put(tmp_path, run=RUN, qrels="q1\td1\t1\t0\n")
    done = forked("eval", "run", "--qrels", "qrels", cwd=tmp_path)
    assert done.code == 0
    assert b"none of the 2 documents in the top 10 is judged" in done.stdout


def test_two_reports_do_not_share_a_file(tmp_path: Path) -> None:
    put(tmp_path, run=RUN, qrels=JUNK)
    done = forked("eval", "run", "--qrels", "qrels", "--html", "a", "--per-query", "./a", cwd=tmp_path)
    assert done.code == 2
    assert "would be both" in done.said
    assert not (tmp_path / "a").exists()


SPACES = st.sampled_from(
    ["a", "b c", "AC\N{NO-BREAK SPACE}Milan", "x\u3000y", "\u2028", "#1", "#", "é", "enwiki:Foo%20bar"]
)


@pytest.mark.parametrize("header", ["", "query-id\tcorpus-id\tscore\n", '"query-id"\t"corpus-id"\t"score"\n'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@settings(max_examples=30, deadline=None)
@given(qid=SPACES, docid=SPACES)
def test_a_table_with_tabs_keeps_blanks_in_ids(
    tmp_path_factory: pytest.TempPathFactory, header: str, end: str, qid: str, docid: str
) -> None:
    quote = '"' if '"' in header else ""
    path = tmp_path_factory.mktemp("table") / "qrels"
    text = f"{header}{quote}{qid}{quote}\t{quote}{docid}{quote}\t1\n"
    path.write_bytes(text.replace("\n", end).encode())
    if qid == "#" and not quote:
        with pytest.raises(InputError, match="judgements"):  # the only line is a comment
            read_qrels(str(path))
    else:
        assert read_qrels(str(path)) == {qid: {docid: 1}}


def test_ids_with_blanks_are_found_in_results(tmp_path: Path) -> None:
    put(tmp_path, qrels="query-id\tcorpus-id\tscore\nq 1\td1\t1\nq2\tAC\N{NO-BREAK SPACE}Milan\t1\n")
    put(tmp_path, results=record("q 1", ("d1", None)) + record("q2", ("AC\N{NO-BREAK SPACE}Milan", None)))
    done = forked("eval", "results", "--qrels", "qrels", "--measures", "RR@10", "--json", cwd=tmp_path)
    assert measured(done) == {"RR@10": 1.0}


@pytest.mark.parametrize("separator", [" ", "   ", "\t", " \v\f"])
def test_a_run_is_split_as_trec_eval_splits_it(separator: str) -> None:
    line = separator.join(["q1", "Q0", "AC\N{NO-BREAK SPACE}Mi\x1flan\x85", "1", "2.5", "tag"])
    assert row_of_run((line + "\r").encode()) == ("q1", "AC\N{NO-BREAK SPACE}Mi\x1flan\x85", 2.5, "tag")


@given(st.text(max_size=6) | SPACES)
def test_an_id_is_written_into_a_run_exactly_if_it_is_read_back(name: str) -> None:
    lines = [f"{name} Q0 d 1 2.0 t", f"q Q0 {name} 1 2.0 t"]
    try:
        read = [row_of_run(line.encode()) for line in lines if not is_comment(line.encode())]
    except (Malformed, UnicodeEncodeError):
        read = []
    fits = [row[:2] for row in read] == [(name, "d"), ("q", name)] and "\n" not in name
    try:
        column(name)
    except Malformed:
        assert not fits
    else:
        assert fits or any("\ud800" <= letter <= "\udfff" for letter in name)


# widths, comments, headers, grades of runs and judgements


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "line",
    [
        "q Q0 d 1 2.5",
        "q\tQ0\td\t1\t2.5",
        "q\tQ0\td\t1\t2.5\t",
        "q Q0 d 1 2.5 my tag has words",
        "q Q0 d 1 2.5 tag # a remark",
        "# by hand\n#\n#\tx\nq Q0 d 1 2.5 tag",
        "\n\nq Q0 d 1 2.5 tag\n\n# the end",
        "q Q0 d 1 2.5 tag\r",
    ],
)
def test_a_run_may_lack_its_tag_and_have_words_behind_it_and_comments(tmp_path: Path, line: str) -> None:
    put(tmp_path, run=line + "\n", queries="q\tquery\n", corpus="d\ttext\n", qrels="# mine\nq 0 d 1.0\n")
    done = forked("eval", "run", "--qrels", "qrels", "--measures", "RR@10", "--json", cwd=tmp_path)
    assert measured(done) == {"RR@10": 1.0}
    options = ("--run", "run", "--queries", "queries", "--corpus", "corpus", "--model", "fake", "-q")
    done = forked("score", *options, "-o", "out.run", cwd=tmp_path)
    assert done.code == 0, done.said
    assert (tmp_path / "out.run").read_text().startswith("q Q0 d 1 ")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q d x", "3 columns, expected 6 (qid Q0 docid rank score tag)"),
        ("q d", "2 columns, expected 6"),
        ("q 0 d x", "4 columns, expected 6"),
        ("q d 1 2.5 tag", "5 columns, expected 6"),
        ("q d 1 3 7", "5 columns, expected 6"),
        ("q 1 Q0 d1 1 2.0 tag", "7 columns, expected 6"),  # a blank in the query's id
        ("q Q0 d 1 1 2.0 tag", "7 columns, expected 6"),  # and in the document's
        ("q Q0 d x 1 2.0 tag", "7 columns, expected 6"),
        ("q Q0 d\t1\t2.0\ttag", "4 columns, expected 6"),  # tabs and blanks mixed
        ("<top>", "1 columns, expected 6 (qid Q0 docid rank score tag); it looks like SGML"),
        ("[", "1 columns, expected 6 (qid Q0 docid rank score tag); it looks like a JSON array"),
        ("q Q0 d 1 1_000 tag", "the score is '1_000', not a number"),
    ],
)
def test_other_widths_are_refused_alike_by_all_that_read_a_run(tmp_path: Path, line: str, reason: str) -> None:
    put(tmp_path, run=line + "\n", other=RUN, queries="q\tquery\n", corpus="d\ttext\n", qrels="q 0 d 1\n")
    for command in (("eval", "run", "--qrels", "qrels"), ("compare", "run", "other"), ("compare", "other", "run")):
        done = forked(*command, cwd=tmp_path)
        assert done.code == 4
        assert f"run:1: {reason}" in done.said
    options = ("--run", "run", "--queries", "queries", "--corpus", "corpus", "--model", "fake", "-q")
    done = forked("score", *options, "-o", "out.run", cwd=tmp_path)
    assert done.code in (3, 4)
    assert reason in json.loads((tmp_path / "out.errors.jsonl").read_text())["reason"] if done.code == 3 else done.said


@pytest.mark.parametrize(
    "first",
    ["query-id\tcorpus-id\tscore", "q_id\tdoc_id\tscore", "topic\tdocid\trel", '"query-id"\t"corpus-id"\t"score"'],
)
@pytest.mark.parametrize("grade", ["1", "1.0", "+1", "1e0"])
def test_headers_and_whole_grades_are_read_as_people_write_them(tmp_path: Path, first: str, grade: str) -> None:
    put(tmp_path, qrels=f"# exported\n{first}\nq1\td1\t{grade}\nq1\td2\t0.0\n")
    assert read_qrels(str(tmp_path / "qrels")) == {"q1": {"d1": 1, "d2": 0}}


def test_a_first_line_of_numbers_is_no_header_whatever_its_query_is_called(tmp_path: Path) -> None:
    put(tmp_path, qrels="topic 0 d1 1\n")
    assert read_qrels(str(tmp_path / "qrels")) == {"topic": {"d1": 1}}


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("q1 0 d1 0.5\n", ":1: the relevance is '0.5', not an integer"),
        ("q1 0 d1 1_0\n", "the relevance is '1_0'"),
        ("q1 0 d1 ١\n", "the relevance is"),
        ("q1 0 d1 nan\n", "the relevance is"),
        ("q1 0 d1 1e300\n", "a relevance beyond 10,000"),
        ("q1 0 d1 1 x\n", ":1: 5 columns, expected 4 (qid iter docid grade) or 3 (qid docid grade)"),
        ("q1\t0\td1\t1\tx\n", "5 columns"),
        ("q1,d1,1\n", "1 columns, expected 4 (qid iter docid grade) or 3 (qid docid grade); it looks like CSV"),
        ("q1 0 d1 1\nq1 d2 1\n", ":2: 3 columns, expected 4 as in the first line"),
        ("q1 0\td1\t1\nq2 0 d1 1\n", ":2: 4 columns, expected 3"),
        ("query-id\tcorpus-id\tscore\nq1 d1 1\n", ":2: 1 columns"),
        ("query-id score foo\nq1 1 5\n", "the columns are query_id, score, foo"),
        ("qid,docid,score\nq1,d1\n", ":2: 2 columns, expected 3"),
        ("\td1\t1\n", "an empty qid"),
        ("1 1 d 0\n1 2 d 1\n", ":2: 1 d has another judgement in an earlier line; the second column differs"),
        ("1 0 d 0\n1 0 d 1\n", ":2: 1 d has another judgement in an earlier line"),
        (
            "<top>\n<num> Number: 301\n",
            ":1: 1 columns, expected 4 (qid iter docid grade) or 3 (qid docid grade); it looks",
        ),
        ('{"q1": {"d1": 1, "d2": 0.5}}\n', ":2: the relevance is '0.5', not an integer"),
        ('{"q1": {"d1": null }}\n', ':1: the score is null, not a number (at $["q1"]["d1"])'),
        ('{"q1": {"d1": 1}}\n{"q1": {"d1": 2}}\n', ":2: q1 d1 has another judgement in an earlier line"),
        ('{"qid": "q1", "docid": "d1", "score": 0.5}\n', ":1: the relevance is '0.5', not an integer"),
        ('{"qid": "q1", "docid": "d1", "label": "1"}\n', ":1: label is a string, not a number (at $.label)"),
        ('{"qid": "q1", "docid": "d1", "x": 1}\n', ':1: no "score" (found "qid", "docid", "x") (at $.score)'),
        ("{\n", "it looks like JSON"),
        (b"q1 0 d\xff 1\n", ":1: not UTF-8"),
    ],
)
def test_what_are_no_judgements_is_named(tmp_path: Path, content: str | bytes, reason: str) -> None:
    put(tmp_path, qrels=content, run=RUN)
    with pytest.raises(InputError) as caught:
        read_qrels(str(tmp_path / "qrels"))
    assert reason in caught.value.message
    assert forked("eval", "run", "--qrels", "qrels", cwd=tmp_path).code == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"q1": {"d1": 1.5}, "q2": {"d1": null}}\n', ':2: the score is null, not a number (at $["q2"]["d1"])'),
        (
            '{\n  "q1": {\n    "d1": NaN,\n    "d2": 1\n  }\n}\n',
            ':1: the score is NaN, not a number (at $["q1"]["d1"])',
        ),
        ('{"q1": {"d1": 1}, "q2": {"d1": [1]}}\n', '$["q2"]["d1"] is a list, expected a score'),
    ],
)
def test_results_in_objects_that_are_no_scores_are_named(tmp_path: Path, content: str, reason: str) -> None:
    put(tmp_path, run=content)
    with pytest.raises(InputError) as caught:
        read_results(str(tmp_path / "run"))
    assert reason in caught.value.message


def test_a_parquet_table_of_judgements_or_scores_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"q_id": ["q1", "q1"], "doc_id": ["d1", "d2"], "score": [1, 2]})
    parquet.write_table(table, str(tmp_path / "table.parquet"))
    assert read_qrels(str(tmp_path / "table.parquet")) == {"q1": {"d1": 1, "d2": 2}}
    assert read_results(str(tmp_path / "table.parquet")).queries["q1"].docids == ("d2", "d1")


GRADED = {
    "a table": ("qid\tdocid\tscore\nq1\td1\t1\nq1\td2\t0\n", True),
    "an object": ('{"q1": {"d1": 4, "d2": -1}}', True),
    "three columns that are always 1": ("q1 d1 1\nq2 d1 1\n", True),
    "three columns of ranks": ("q1 d1 1\nq1 d2 2\n", False),
    "a table with a fraction": ("qid\tdocid\tscore\nq1\td1\t1\nq1\td2\t0.5\n", False),
    "TREC's columns": ("q1 Q0 d1 1 1 t\nq1 Q0 d2 2 0 t\n", False),
    "ranks": ("qid\tdocid\trank\nq1\td1\t0\nq1\td2\t1\n", False),
}


@pytest.mark.parametrize("name", GRADED)
def test_a_run_whose_scores_look_like_grades_is_noted(tmp_path: Path, name: str) -> None:
    content, noted = GRADED[name]
    put(tmp_path, run=content, queries="q1\tx\nq2\ty\n", corpus="d1\tone\nd2\ttwo\n")
    assert any("--qrels" in note for note in read_results(str(tmp_path / "run")).notes) is noted
    done = forked("check", "--run", "run", "--queries", "queries", "--corpus", "corpus", cwd=tmp_path)
    assert (b"--qrels" in done.stdout) is noted


COUNTING = {
    "a ranking": ("q1\td3\t1\nq1\td1\t2\nq1\td2\t3\n", True),
    "a ranking with blanks": ("# a run\nq1 d3 1\nq1 d1 2\nq1 d2 3\nq2 d1 1\nq2 d2 2\n", True),
    "a ranking and a query of one line": ("q1 d3 1\nq1 d1 2\nq1 d2 3\nq2 d1 0\n", True),
    "queries that take turns": ("q1 d3 1\nq2 d1 1\nq1 d1 2\nq2 d2 2\nq1 d2 3\n", True),
    "grades that are all 1": ("q1 d3 1\nq2 d1 1\nq3 d1 1\n", False),
    "two lines a query": ("q1 d3 1\nq1 d1 2\n", False),
    "a query that does not count": ("q1 d3 1\nq1 d1 2\nq1 d2 3\nq2 d1 1\nq2 d2 1\n", False),
    "a header": ("qid docid relevance\nq1 d3 1\nq1 d1 2\nq1 d2 3\n", False),
    "TREC's columns": ("q1 0 d3 1\nq1 0 d1 2\nq1 0 d2 3\n", False),
}


@pytest.mark.parametrize("name", COUNTING)
def test_judgements_in_three_columns_that_count_are_refused_as_a_run(tmp_path: Path, name: str) -> None:
    content, is_run = COUNTING[name]
    put(tmp_path, qrels=content)
    if not is_run:
        assert read_qrels(str(tmp_path / "qrels"))["q1"]["d3"] == 1
        return
    with pytest.raises(ConfigError, match="like a run") as caught:
        read_qrels(str(tmp_path / "qrels"))
    assert "rerank score --run" in caught.value.advice
    assert "qid docid relevance" in caught.value.advice


def test_three_columns_that_are_read_as_ranks_are_noted_by_eval_too(tmp_path: Path) -> None:
    put(tmp_path, run=COUNTING["a ranking"][0], qrels="q1 0 d3 1\n")
    done = forked("eval", "run", "--qrels", "qrels", cwd=tmp_path)
    assert done.code == 0, done.said
    assert GUESSED in done.said


def test_a_run_whose_ids_look_like_json_is_a_run(tmp_path: Path) -> None:
    put(tmp_path, run="{q1} Q0 {d1} 1 2.0 t\n{q1} Q0 d2 2 1.0 t\n")
    assert read_results(str(tmp_path / "run")).queries["{q1}"].docids == ("{d1}", "d2")


def test_records_behind_a_line_that_cannot_be_read_are_results(tmp_path: Path) -> None:
    put(tmp_path, out="# results\nnonsense\n" + record("q", ("a", None)))
    found = read_results(str(tmp_path / "out"))
    assert (list(found.queries), found.bad) == (["q"], 2)


# a document twice


def test_what_score_writes_of_a_run_with_a_document_twice_can_be_measured(tmp_path: Path) -> None:
    put(tmp_path, run="a1 Q0 a1 1 3.0 t\na1 Q0 a2 2 2.0 t\na1 Q0 a1 3 1.0 t\nb Q0 a2 1 1 t\nb Q0 a2 2 1 t\n")
    put(tmp_path, queries="a1\tquery\nb\tother\n", corpus="a1\ttext\na2\tanother\n", qrels="a1 0 a1 1\nb 0 a2 1\n")
    options = ("--run", "run", "--queries", "queries", "--corpus", "corpus")
    for name, more in (("out.run", ()), ("out.jsonl", ("--output-format", "native"))):
        done = forked("score", *options, "-o", name, "--model", "fake", *more, cwd=tmp_path)
        assert done.code == 0, done.said
        assert forked("eval", name, "--qrels", "qrels", cwd=tmp_path).code == 0
    assert sorted(line.split()[2] for line in (tmp_path / "out.run").read_text().splitlines()) == ["a1", "a2", "a2"]
    native = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {each["id"]: each["previous_score"] for each in native[0]["candidates"]} == {"a1": 3.0, "a2": 2.0}


def test_a_line_that_comes_twice_counts_once_and_another_score_is_refused(tmp_path: Path) -> None:
    put(tmp_path, run=RUN + "q1 Q0 d1 9 3.00 x\n", other=RUN + "q1 Q0 d1 9 1.0 x\n", qrels="q1 0 d1 1\n")
    done = forked("eval", "run", "--qrels", "qrels", cwd=tmp_path)
    assert done.code == 0
    assert b"1 documents are repeated in their query" in done.stdout
    done = forked("eval", "other", "--qrels", "qrels", cwd=tmp_path)
    assert done.code == 4
    assert "other:4: q1 has d1 twice" in done.said


# judgements that candidates carry


@pytest.mark.parametrize(("value", "grade"), [("1", 1), ("1.0", 1), (1.0, 1), (True, 1), (False, 0), ("-2", -2)])
def test_a_judgement_of_a_candidate_is_a_whole_number_however_it_is_written(
    tmp_path: Path, value: Any, grade: int
) -> None:
    put(tmp_path, out=record("q", ("a", value)))
    assert read_results(str(tmp_path / "out")).relevance == {"q": {"a": grade}}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kept", [1, 0])
def test_a_document_judged_twice_is_refused_unless_both_agree(tmp_path: Path, turned: bool, kept: int) -> None:
    pairs = [("8", 1), ("8", kept)]
    within = record("1", *(reversed(pairs) if turned else pairs), ("7", 0))
    apart = [record("1", pair, ("7", 0)) for pair in (reversed(pairs) if turned else pairs)]
    for content in (within, "".join(apart), record("2", ("8", 1)).join(apart)):
        put(tmp_path, out=content, qrels="1 0 8 1\n")
        done = forked("eval", "out", cwd=tmp_path)
        assert done.code == (0 if kept else 4), done.said
        assert kept or "the relevance of 8 is" in done.said
        assert forked("eval", "out", "--qrels", "qrels", cwd=tmp_path).code == 0  # what candidates carry is not used


# kinds of published files


def test_published_kinds_of_judgements_are_read(tmp_path: Path) -> None:
    kinds = {
        "web": ("101 0 clueweb09-en0000-00-00142 -2\n101 0 clueweb09-en0000-00-03321 1\n103 0 clueweb09 -2\n", 3),
        "crlf": ("q1 0 d1 1\r\nq1 0 d2 0\r\n", 2),
        "tabs": ("1\t0\tMSMARCO_1\t3\n1\t0\tMSMARCO_2\t0\n", 2),
        "Q0": ("1 Q0 d1 1\n2 Q0 d1 0\n", 2),
        "wiki": ("q1 0 enwiki:Avocado%20toast/f4#b%2Fc 1\n", 1),
        "subtopics": ("1 1 d1 1\n1 2 d1 1\n1 1 d2 0\n", 2),
    }
    for name, (content, count) in kinds.items():
        put(tmp_path, **{name: content})
        assert sum(map(len, read_qrels(str(tmp_path / name)).values())) == count, name
    assert read_qrels(str(tmp_path / "web"))["103"] == {"clueweb09": -2}
