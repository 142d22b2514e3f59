"""How runs and judgements are laid out: what the first line shows, what each line then says, what is refused."""

import json

import pytest
from support.making import jsonl

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.judgement_layouts import layout_of_judgements
from rerank_cli.formats.registry import failure_line, open_format, open_inputs, read_entries
from rerank_cli.formats.run_layouts import layout_of_run, read_run_columns
from rerank_cli.formats.run_survey import survey

QUERIES = b"q1\ta query\nq2\tanother\n"
CORPUS = b"".join(b"d%d\ttext %d\n" % (n, n) for n in range(9))


@pytest.fixture
def read(tmp_path):
    """What makes a configuration for a run with this content."""
    (tmp_path / "q.tsv").write_bytes(QUERIES)
    (tmp_path / "c.tsv").write_bytes(CORPUS)

    def made(content: bytes, **more) -> ReadConfig:
        path = tmp_path / "run"
        path.write_bytes(content)
        texts = {"queries": (str(tmp_path / "q.tsv"),), "corpus": (str(tmp_path / "c.tsv"),)}
        return ReadConfig(inputs=(str(path),), run=str(path), **texts, **more)

    return made


def entries_of(read: ReadConfig) -> list[Request | Failure]:
    inputs = open_inputs(read)
    return [
        each for each in read_entries(open_format(read, WriteConfig(), inputs), inputs, read, None) if each.size > 1
    ]


def rows_of(entries: list[Request | Failure]) -> list[tuple[str, str, float]]:
    assert all(isinstance(each, Request) for each in entries), entries
    return [(each.body["qid"], docid, score) for each in entries for docid, score in each.body["rows"]]


ROWS = [("q1", "d1", 2.5), ("q1", "d2", -1.0), ("q2", "d1", 0.125)]
BODY = {"q1": {"d1": 2.5, "d2": -1.0}, "q2": {"d1": 0.125}}
LAYOUTS = {
    "trec": b"q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 -1 x\nq2 Q0 d1 1 .125 x\n",
    "trec-with-header": b"qid Q0 docno rank score run_id\nq1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 -1 x\nq2 Q0 d1 1 .125 x\n",
    "table": b"query-id\tcorpus-id\tscore\nq1\td1\t2.5\nq1\td2\t-1.0\nq2\td1\t0.125\n",
    "table-with-a-comment": b"# made by hand\nquery-id\tcorpus-id\tscore\nq1\td1\t2.5\nq1\td2\t-1.0\nq2\td1\t0.125\n",
    "quoted-table": b'"query-id"\t"corpus-id"\t"score"\n"q1"\t"d1"\t2.5\n"q1"\t"d2"\t-1.0\n"q2"\t"d1"\t0.125\n',
    "other-order": b"docid score qid\nd1 2.5 q1\nd2 -1 q1\nd1 0.125 q2\n",
    "commas": b"qid,docid,score\r\nq1,d1,2.5\r\nq1,d2,-1.0\r\nq2,d1,0.125\r\n",
    "commas-and-blanks": b'Query ID, Doc ID, Score\nq1, d1, 2.5\nq1, "d2", -1.0\nq2, d1, 0.125\n',
    "quotes": b'"qid","docid","score"\n"q1","d1","2.5"\n"q1","d2","-1"\n"q2","d1",.125\n',
    "pandas": b',qid,query,docno,rank,score\n0,q1,"a, b",d1,0,2.5\n1,q1,x,d2,1,-1\n2,q2,x,d1,0,.125\n',
    "pyterrier": b"qid\tquery\tdocno\trank\tscore\nq1\ta\td1\t0\t2.5\nq1\ta\td2\t1\t-1\nq2\tx\td1\t0\t.125\n",
    "json-lines": jsonl(*({"query-id": q, "corpus-id": d, "score": s} for q, d, s in ROWS)),
    "json-lines-otherwise": jsonl(*({"score": s, "x": [1], "qid": q, "pid": d} for q, d, s in ROWS)),
    "json": json.dumps(BODY).encode(),
    "pretty-json": json.dumps(BODY, indent=4).encode(),
    "mteb": json.dumps({"mteb_model_meta": {"revision": None}, "default": {"test": BODY}}).encode(),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_says_the_same(read, name):
    found = entries_of(read(LAYOUTS[name]))
    assert rows_of(found) == ROWS
    assert [(each.query, each.texts) for each in found] == [("a query", ("text 1", "text 2")), ("another", ("text 1",))]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("separator", [b" ", b"\t"])
def test_three_columns_are_ranks_where_each_query_counts_them_from_one(read, end, separator):
    lines = (b"q1 d3 1", b"q1 d1 2", b"q1 d2 3", b"q2 d1 1")
    config = read(end.join(lines).replace(b" ", separator) + end)
    expected = [("q1", "d3", -1.0), ("q1", "d1", -2.0), ("q1", "d2", -3.0), ("q2", "d1", -1.0)]
    assert rows_of(entries_of(config)) == expected
    assert any("qid, docid and rank" in note for note in open_format(config, WriteConfig()).notes)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"q1 d1 2.5\n", "run:1"),
        (b"q1 d1 1\nq1 d2 1\n", "run:2"),
        (b"q1 d1 1\nq1 d2 3\n", "run:2"),
        (b"q1 d1 2\nq1 d2 1\n", "run:1"),
        (b"q1 d1 0\nq1 d2 1\n", "run:1"),
        (b"q1 d1 1\nq1 d2 2\nq2 d1 3\n", "run:3"),
        (b"q1 d1 1\nq1 d2 -2\n", "run:2"),
        (b"q1 d1 1\nq2 d1 1\n\nq2 d2 0.5\n", "run:4"),
    ],
)
def test_three_columns_that_are_no_ranks_throughout_are_refused_until_they_are_named(read, content, place):
    with pytest.raises(ConfigError, match=place) as caught:
        open_format(read(content), WriteConfig())
    assert "--run-columns qid,docid,score" in caught.value.advice
    scores = rows_of(entries_of(read(content, run_columns=("qid", "docid", "score"))))
    assert [score for *_, score in scores] == [float(line.split()[2]) for line in content.splitlines() if line]


def test_named_ranks_and_scores_turn_a_ranking_round(read):
    content = b"q1 d1 7\nq1 d2 5\n"
    assert rows_of(entries_of(read(content, run_columns=("qid", "docid", "score")))) == [
        ("q1", "d1", 7),
        ("q1", "d2", 5),
    ]
    ranks = rows_of(entries_of(read(content, run_columns=("qid", "docid", "rank"))))
    assert ranks == [("q1", "d1", -7), ("q1", "d2", -5)]


def test_columns_are_named_in_any_order_and_others_left_out(read):
    config = read(b"x d1 3 1.5 q1\n", run_columns=("_", "docid", "rank", "score", "qid"))
    assert rows_of(entries_of(config)) == [("q1", "d1", 1.5)]


@pytest.mark.parametrize("header", [b"", b"qid,docid,score\n", b"Query ID,Doc ID,Score\n"])
def test_named_columns_may_have_commas_between_them(read, header):
    content = header + b'q1,d1,2.5\nq1,"d2",-1\nq2,d1,.125\n'
    assert rows_of(entries_of(read(content, run_columns=("qid", "docid", "score")))) == ROWS


def test_commas_in_ids_are_no_separators(read):
    lines = (b"q,1 d,1 2.5", b"q1 Q0 a,b,c 1 2.5 t", b"q,1\td,1\t2.5")
    found = [layout_of_run(line, ("qid", "docid", "score")).row(line) for line in lines]
    assert [row[:3] for row in found] == [("q,1", "d,1", 2.5), ("q1", "a,b,c", 2.5), ("q,1", "d,1", 2.5)]
    line = b"q1,Q0 x d,1,2 1 2.5 t"
    assert layout_of_run(line).row(line)[:2] == ("q1,Q0", "d,1,2")


def test_a_cell_that_is_not_closed_is_a_failure_of_its_own(read):
    good, bad = entries_of(read(b'qid,docid,score\nq1,d1,1\nq2,"d1,1\n'))
    assert (isinstance(good, Request), "not closed" in bad.reason) == (True, True)


def test_a_header_above_named_columns_is_none_of_them(read):
    config = read(b"qid\tdocid\tdocno\tscore\nq1\t0\td1\t1.5\n", run_columns=("qid", "_", "docid", "score"))
    assert rows_of(entries_of(config)) == [("q1", "d1", 1.5)]


@pytest.mark.parametrize(
    ("line", "columns", "reason"),
    [
        (b"q1 d1 x", "qid,docid,score", "the score is 'x'"),
        (b"q1 d1 1e39", "qid,docid,score", "beyond the range of float32"),
        (b"q1 d1 nan", "qid,docid,score", "the score is 'nan'"),
        (b"q1 d1 1.5", "qid,docid,rank", "the rank is '1.5'"),
        (b"q1 d1 -1", "qid,docid,rank", "the rank is '-1'"),
        (b"q1 d1", "qid,docid,rank", "2 columns, expected 3"),
        (b"q1 Q0 d1 1 2.5 x", "qid,docid,rank", "6 columns, expected 3"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_failure_of_its_own(read, line, columns, reason):
    (good, bad) = entries_of(read(b"q1 d1 1\n" + line + b"\n", run_columns=read_run_columns(columns)))
    assert isinstance(good, Request)
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"query-id": "q1", "corpus-id": "d2"}, "$.score"),
        ({"query-id": "q1", "corpus-id": "d2", "score": None}, "$.score"),
        ({"query-id": "q1", "corpus-id": "d2", "score": "2"}, "$.score"),
        ({"query-id": "q1", "corpus-id": "d2", "score": True}, "$.score"),
        ({"query-id": "q1", "corpus-id": "d2", "score": 1e39}, "$.score"),
        ({"query-id": "q1", "corpus-id": None, "score": 1}, "$.corpus-id"),
        ({"query-id": "q1", "corpus-id": 1.5, "score": 1}, "$.corpus-id"),
        ({"query-id": ["q1"], "corpus-id": "d2", "score": 1}, "$.query-id"),
        ({"corpus-id": "d2", "score": 1}, "$.query-id"),
        ({"query-id": "", "corpus-id": "d2", "score": 1}, "$"),
        (b'{"query-id": "q1", "corpus-id": "d2", "score": NaN}', "$"),
        (b"q1 Q0 d2 1 2.5 x", "$"),
    ],
)
def test_a_json_line_that_is_no_score_is_refused_with_its_path(read, body, path):
    first = {"query-id": "q1", "corpus-id": "d1", "score": 1}
    good, bad = entries_of(read(jsonl(first, body)))
    assert isinstance(good, Request)
    assert bad.path == path


def test_a_score_that_is_null_in_an_object_is_refused_with_its_path(read):
    good, bad = entries_of(read(b'{"q1": {"d1": 1, "d2": null}}'))
    assert rows_of([good]) == [("q1", "d1", 1.0)]
    assert bad.path == '$["q1"]["d2"]'
    assert json.loads(json.loads(failure_line(bad))["raw"]) == {"query-id": "q1", "corpus-id": "d2"}


@pytest.mark.parametrize(
    "first",
    [
        b'{"qid": "q1", "query_id": "q1", "docid": "d1", "score": 1}',
        b"qid\tdocid\tdocno\tscore",
    ],
)
def test_two_names_for_one_thing_are_refused(first):
    with pytest.raises(Malformed, match=r"query_id|docno"):
        layout_of_run(first)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("qid,docid", "score or rank"),
        ("docid,score", "qid"),
        ("qid,rank", "docid"),
        ("qid,docid,score,score", "score"),
        ("", "qid"),
    ],
)
def test_columns_that_are_not_named_or_twice_are_refused(text, place):
    with pytest.raises(ConfigError, match=place):
        read_run_columns(text)


def test_named_columns_must_be_as_many_as_the_line_has(read):
    with pytest.raises(Malformed, match="--run-columns"):
        layout_of_run(b"q1 d1 1 2", ("qid", "docid", "score"))
    assert rows_of(entries_of(read(LAYOUTS["trec"], run_columns=("qid", "docid", "score")))) == ROWS  # TREC says itself


@pytest.mark.parametrize("name", ["table", "json-lines", "json", "trec"])
def test_a_query_whose_lines_do_not_stand_together_is_refused_in_every_layout(read, name):
    again = {
        "table": b"q1\td3\t1\n",
        "json-lines": jsonl({"query-id": "q1", "corpus-id": "d3", "score": 1}),
        "json": b'{"q1": {"d3": 1}}',
        "trec": b"q1 Q0 d3 3 1 x\n",
    }
    first, second, third = entries_of(read(LAYOUTS[name] + again[name]))
    assert isinstance(second, Request)
    assert "'q1'" in first.reason
    assert first.reason == third.reason


def test_a_survey_finds_what_stands_apart_and_the_layout(read):
    config = read(b"q1 d1 1\nq2 d1 1\nq1 d2 2\n")
    found = survey(config.run, (), 1000)
    found.apart.refuse("q2")
    with pytest.raises(Malformed, match="q1"):
        found.apart.refuse("q1")
    assert found.layout.row(b"q1 d9 7").score == -7


# judgements

GRADES = {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 1}}
JUDGEMENTS = {
    "trec": (b"q1 0 d1 2", "2"),
    "three": (b"q1\td1\t2", "2"),
    "table": (b'{"query-id": "q1", "corpus-id": "d1", "score": 2}', "2"),
    "float": (b'{"query_id": "q1", "doc_id": "d1", "relevance": 2.0}', "2.0"),
    "label": (b'{"qid": 1, "pid": 7, "label": -1}', "-1"),
    "NanoBEIR": (b'{"query-id": "q1", "corpus-id": "d1"}', "1"),
}


@pytest.mark.parametrize("name", JUDGEMENTS)
def test_a_line_of_judgements_is_read_by_the_layout_that_it_shows(name):
    line, grade = JUDGEMENTS[name]
    assert layout_of_judgements(line).judgement(line).grade == grade


TABLES = {
    "another order": b"doc_id query_id relevance\nd1 q1 2\n",
    "the grade first": b"query-id\tscore\tcorpus-id\nq1\t2\td1\n",
    "an index": b"\tquery-id\tcorpus-id\tscore\n0\tq1\td1\t2\n",
    "a score beside the label": b"query-id corpus-id label score\nq1 d1 2 0.5\n",
    "a rank beside the label": b"qid docid rank label\nq1 d1 1 2\n",
    "an iteration at the end": b"query_id\tdoc_id\trelevance\titeration\nq1\td1\t2\t0\n",
    "texts": b"query_id\tquery\tdoc_id\ttitle\trelevance\nq1\ta b\td1\tx\t2\n",
    "commas": b"qid,docid,score\nq1,d1,2\n",
    "commas and an index": b",qid,docid,relevance\n0,q1,d1,2\n",
    "quotes": b'"query-id","corpus-id","score"\n"q1","d1","2"\n',
    "JSON": b'{"qid": "q1", "docid": "d1", "score": 0.5, "label": 2}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_columns_of_judgements_are_read_by_their_names(name):
    lines = TABLES[name].splitlines()
    layout = layout_of_judgements(lines[0])
    qid, _, docid, grade = layout.judgement(lines[-1])
    assert (qid, docid, grade) == ("q1", "d1", "2")
    assert layout.header in (b"", lines[0])


@pytest.mark.parametrize(
    "first",
    [
        b"qid docid rank",
        b"qid docid rank score",
        b"qid,docid,score,tag",
        b"qid docid docno relevance",
        b"qid docid label relevance",
        b"qid score foo",
        b'{"qid": "q1", "docid": "d1", "rank": 1, "score": 2}',
        b'{"qid": "q1", "docid": "d1", "label": 1, "relevance": 2}',
    ],
)
def test_columns_of_a_run_and_those_that_are_not_clear_are_no_judgements(first):
    with pytest.raises(Malformed):
        layout_of_judgements(first)
