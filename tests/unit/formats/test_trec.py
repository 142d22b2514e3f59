"""TREC runs: read with their texts, written so that every evaluator sees our order."""

import gzip
import json
import math
import os
import random
import struct
from dataclasses import replace
from itertools import pairwise

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.decimals import shortest_float32
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.formats.beir import in_folder
from rerank_cli.formats.lookup import Lookup
from rerank_cli.formats.registry import open_format
from rerank_cli.formats.trec import below

QUERIES = b"q1\ta query\nq2\tanother\n"
CORPUS = jsonl(
    {"_id": "d1", "title": "One", "text": "first"},
    {"_id": "d2", "title": "", "text": "second"},
    {"id": 3, "contents": "third"},
)
RUN = b"q1 Q0 d1 1 2.5 bm25\nq1\tQ0\td2\t2\t2\tbm25\nq2 Q0 3 1 7 bm25\n"


@pytest.fixture
def read(tmp_path):
    for name, content in (("q.tsv", QUERIES), ("c.jsonl", CORPUS), ("run", RUN)):
        (tmp_path / name).write_bytes(content)
    return ReadConfig(
        inputs=(str(tmp_path / "run"),),
        run=str(tmp_path / "run"),
        queries=(str(tmp_path / "q.tsv"),),
        corpus=(str(tmp_path / "c.jsonl"),),
    )


def entries(read, run=RUN, write=None):
    format = open_format(read, write or WriteConfig())
    return format, list(format.read(iter(lines_of(run))))


def test_a_run_gets_its_texts_from_queries_and_corpus(read):
    format, found = entries(read)
    assert format.name == "trec"
    assert [(entry.query, entry.texts) for entry in found] == [
        ("a query", ("One first", "second")),
        ("another", ("third",)),
    ]
    assert format.to_native(found[0]) == {
        "id": "q1",
        "query": "a query",
        "candidates": [
            {"id": "d1", "title": "One", "text": "first", "score": 2.5},
            {"id": "d2", "title": "", "text": "second", "score": 2.0},
        ],
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"q1 Q0 d1 2.5 bm25\n", "5 columns, expected 6 (qid Q0 docid rank score tag)"),
        (b"q1\td1\t1\n", "3 columns, expected 6"),
        (b"q1 Q0 d1 1 1e39 bm25\n", "beyond the range of float32"),
        (b"q1 Q0 d1 1 x bm25\n", "the score is 'x', not a number"),
        (b"q1 Q0 d1 1 nan bm25\n", "not a number"),
        (b"q9 Q0 d1 1 2 bm25\n", "query 'q9' is not in "),
        (b"q1 Q0 d9 1 2 bm25\n", "document 'd9' is not in "),
        (b"q1 Q0 d\xff 1 2 bm25\n", "not UTF-8"),
        (b"{}\n", "1 columns"),
    ],
)
def test_a_line_that_cannot_be_is_a_failure(read, line, reason):
    _, (failure,) = entries(read, line)
    assert isinstance(failure, Failure)
    assert reason in failure.reason


def test_the_hashes_of_the_texts_are_part_of_a_run(read):
    format, _ = entries(read)
    assert set(format.hashes) == {"queries_sha256", "corpus_sha256"}
    with open(read.corpus[0], "ab") as file:
        file.write(jsonl({"_id": "d4", "text": "x"}))
    assert open_format(read, WriteConfig()).hashes["corpus_sha256"] != format.hashes["corpus_sha256"]


def test_a_run_without_texts_is_refused(read):
    with pytest.raises(ConfigError, match="--run"):
        open_format(ReadConfig(run=read.run, queries=read.queries), WriteConfig())


# looking up


@pytest.mark.parametrize("compress", [lambda content: content, gzip.compress], ids=["plain", "gz"])
def test_texts_are_found_by_id_wherever_they_stand(tmp_path, compress):
    path = tmp_path / "corpus"
    lines = b"\xef\xbb\xbf" + b"\n".join(b"d%d\tT%d\ttext %d \xe6\x96\x87" % (n, n, n) for n in range(3000)) + b"\n\n"
    path.write_bytes(compress(lines))
    lookup = Lookup([str(path)], 1000)
    names = [f"d{n}" for n in random.Random(1).sample(range(4000), 2000)]
    found = lookup.entries(names)
    assert set(found) == {name for name in names if int(name[1:]) < 3000}
    assert all(found[name] == {"id": name, "title": f"T{name[1:]}", "text": f"text {name[1:]} 文"} for name in found)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"d1\n", "corpus:1: 1 "),
        (b"<top>\n<num> Number: 1\n", "corpus:1: 1 .*SGML"),
        (b"d1\ta\tb\tc\n", "corpus:1: 4 "),
        (b'[{"_id": "d1", "text": "x"},\n', "corpus:1: .*array"),
        (b'{"text": "x"}\n', "corpus:1: .*_id"),
        (b'{"_id": "x"}\n', "corpus:1: .*contents"),
        (b'{"_id": true, "text": "x"}\n', r"corpus:1: .*\$\._id"),
        (b'{"_id": "x", "text": 3}\n', r"corpus:1: .*\$\.text"),
        (b'{"_id": \n', "corpus:1: .*JSON"),
        (b"d1\t\xff\n", "corpus:1: .*UTF-8"),
        (b"d1\t" + b"x" * 2000, "corpus:1: .*--max-line-bytes"),
    ],
)
def test_a_file_of_texts_that_cannot_be_used_says_where(tmp_path, content, place):
    path = tmp_path / "corpus"
    path.write_bytes(content)
    with pytest.raises(InputError, match=place):
        Lookup([str(path)], 1000)


def test_a_beir_folder_holds_queries_and_corpus_plain_or_compressed(tmp_path):
    with pytest.raises(InputError, match=r"queries.jsonl"):
        in_folder(str(tmp_path))
    (tmp_path / "queries.jsonl").touch()
    with pytest.raises(InputError, match=r"corpus.jsonl"):
        in_folder(str(tmp_path))
    (tmp_path / "corpus.jsonl.gz").touch()
    assert in_folder(str(tmp_path)) == ((str(tmp_path / "queries.jsonl"),), (str(tmp_path / "corpus.jsonl.gz"),))


# writing


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_below_is_the_next_smaller_float32(value):
    smaller = below(value)
    assert smaller < value
    middle = struct.unpack("<f", struct.pack("<f", (smaller + value) / 2))[0] if math.isfinite(smaller) else value
    assert middle in (smaller, value)


def written(logits, **options):
    body = {"id": "q", "query": "w", "candidates": [{"id": f"d{n:03}", "text": "x"} for n in range(len(logits))]}
    format = open_format(ReadConfig(format="native"), WriteConfig(format="trec"))
    (entry,) = format.read(iter(lines_of(jsonl(body))))
    ranking = rank([struct.unpack("<f", struct.pack("<f", logit))[0] for logit in logits], **options)
    return [line.split() for line in format.write(entry, ranking).decode().splitlines()], ranking


@given(st.lists(st.floats(-20, 20, width=32) | st.sampled_from([0.0, -0.0, 1.5, -1.5, 1e-45]), min_size=1, max_size=60))
def test_scores_fall_strictly_as_float32_in_our_order(logits):
    rows, ranking = written(logits)
    assert [row[2] for row in rows] == [f"d{index:03}" for index in ranking.indices]
    assert [int(row[3]) for row in rows] == list(range(1, len(rows) + 1))
    scores = [struct.unpack("<f", struct.pack("<f", float(row[4])))[0] for row in rows]
    assert [shortest_float32(score) for score in scores] == [float(row[4]) for row in rows]
    assert all(later < earlier for earlier, later in pairwise(scores))
    assert all(shortest_float32(score) <= logit for score, logit in zip(scores, ranking.logits, strict=True))


MEASURES = ["nDCG@10", "RR@10", "AP", "R@20", "P@5", "Success@1"]


@pytest.mark.parametrize("provider", ["ir_measures", "pytrec_eval"])
def test_evaluators_find_the_measures_of_our_order_with_ties_in_the_data(provider):
    chance = random.Random(7)
    run, qrels, expected = [], {}, {}
    for query in range(40):
        logits = [chance.choice([-1.0, 0.0, 0.5, 0.5, 2.0]) for _ in range(30)]
        rows, ranking = written(logits)
        relevant = {f"d{n:03}": chance.choice([0, 0, 1, 2]) for n in range(30)}
        name = f"q{query}"
        qrels[name] = relevant
        run += [(name, row[2], float(row[4])) for row in rows]
        expected[name] = [f"d{index:03}" for index in ranking.indices]
    assert any(len(set(scores)) < 30 for scores in ([0.5, 0.5] * 15,))
    ours = {name: {docid: float(-place) for place, docid in enumerate(order)} for name, order in expected.items()}
    theirs = {name: {} for name in expected}
    for name, docid, score in run:
        theirs[name][docid] = score
    if provider == "ir_measures":
        measures = [ir_measures.parse_measure(each) for each in MEASURES]
        assert ir_measures.calc_aggregate(measures, qrels, theirs) == ir_measures.calc_aggregate(measures, qrels, ours)
    else:
        pytrec_eval = pytest.importorskip("pytrec_eval")
        evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut", "map", "recip_rank", "P", "recall"})
        assert evaluator.evaluate(theirs) == evaluator.evaluate(ours)


def test_a_candidate_without_a_score_is_converted_in_its_place():
    format = open_format(ReadConfig(format="native"), WriteConfig(format="trec"))
    body = {"id": "q", "query": "w", "candidates": [{"id": "a", "text": ""}, {"id": "b", "text": ""}]}
    (entry,) = format.read(iter(lines_of(jsonl(body))))
    assert isinstance(entry, Request)
    rows = [line.split() for line in format.lines_of(entry).decode().splitlines()]
    assert [row[2] for row in rows] == ["a", "b"]
    assert json.loads(rows[0][4]) > json.loads(rows[1][4])


@pytest.mark.parametrize("score", [1e39, -1e39, 3.4028235e38])
def test_a_score_that_no_run_can_hold_is_a_failure(score):
    format = open_format(ReadConfig(format="native"), WriteConfig(format="trec"))
    (failure,) = format.read(
        iter(lines_of(jsonl({"id": "q", "query": "w", "candidates": [{"id": "a", "text": "", "score": score}]})))
    )
    assert isinstance(failure, Failure)
    assert "beyond" in failure.reason


def test_a_corpus_that_is_rewritten_meanwhile_is_an_error(read):
    format = open_format(read, WriteConfig())
    with open(read.corpus[0], "r+b") as file:
        file.write(CORPUS[::-1])
    os.utime(read.corpus[0], (0, 0))
    with pytest.raises(InputError, match="changed"):
        list(format.read(iter(lines_of(RUN))))


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
def test_texts_are_not_looked_up_in_a_pipe(read, path):
    with pytest.raises((ConfigError, InputError)):
        open_format(replace(read, corpus=(path,)), WriteConfig())


def test_a_title_of_null_is_no_title(read):
    with open(read.corpus[0], "ab") as file:
        file.write(jsonl({"_id": "d9", "title": None, "text": "ninth"}))
    _, (entry,) = entries(read, b"q1 Q0 d9 1 2 bm25\n")
    assert entry.texts == ("ninth",)


# lines of queries and of a corpus that are odd


def texts_of(tmp_path, run, queries, corpus):
    for name, content in (("q", queries), ("c", corpus), ("run", run)):
        (tmp_path / name).write_bytes(content)
    path, texts = str(tmp_path / "run"), {"queries": (str(tmp_path / "q"),), "corpus": (str(tmp_path / "c"),)}
    format, found = entries(ReadConfig(inputs=(path,), run=path, **texts), run)
    return format, [(e.query, *e.texts) if isinstance(e, Request) else e.reason for e in found]


def test_all_behind_the_first_tab_is_the_query(tmp_path):
    queries = b"q1\tto work with\tcomputer terminals\ton a daily basis?\r\nq2\tb\n"
    run = b"q1 Q0 d1 1 2.0 x\nq2 Q0 d1 1 2.0 x\n"
    _, found = texts_of(tmp_path, run, queries, b"d1\tone\n")
    assert found == [("to work with\tcomputer terminals\ton a daily basis?", "one"), ("b", "one")]


@pytest.mark.parametrize(
    ("corpus", "text"), [(b"d1\tone\nd2\ta\tb\nd3\tc\n", "one"), (b"d1\tOne\tone\nd2\tb\nd3\tC\tc\n", "One one")]
)
def test_a_line_with_other_columns_than_the_first_fails_only_the_queries_that_need_it(tmp_path, corpus, text):
    run = b"q1 Q0 d1 1 2.0 x\nq2 Q0 d2 1 2.0 x\nq3 Q0 d3 1 2.0 x\n"
    format, found = texts_of(tmp_path, run, b"q1\ta\nq2\ta\nq3\ta\n", corpus)
    assert found[0] == ("a", text)
    assert ("3 columns" if text == "one" else "2 columns") in found[1]
    assert found[2][0] == "a"
    assert any("1 lines cannot be read" in note for note in format.notes)


@pytest.mark.parametrize(
    "bad",
    [b'{"_id": "d2", "text": null}', b'{"_id": "d2"}', b'{"_id": "d2", "text": "x"}\n{"_id": "d2", "text": "y"}'],
)
@pytest.mark.parametrize("compress", [lambda content: content, gzip.compress], ids=["plain", "gz"])
def test_a_bad_line_of_a_corpus_fails_only_the_queries_that_need_it(tmp_path, bad, compress):
    corpus = compress(b'{"_id": "d1", "text": "one"}\n' + bad + b'\n{"text": "no id"}\n')
    format, found = texts_of(tmp_path, b"q1 Q0 d1 1 2.0 x\nq2 Q0 d2 1 2.0 x\n", b"q1\ta\nq2\ta\n", corpus)
    assert found[0] == ("a", "one")
    assert "'d2' cannot be read" in found[1]
    assert any("cannot be read" in note for note in format.notes)


def test_a_header_with_the_title_last_decides_for_all_lines(tmp_path):
    corpus = b"pid\tpassage\ttitle\nd1\tlong text\tTitle\n"
    _, found = texts_of(tmp_path, b"q1 Q0 d1 1 2.0 x\n", b"q1\ta\n", corpus)
    assert found == [("a", "Title long text")]


def test_a_logit_of_the_corpus_is_no_score_of_a_run(tmp_path):
    corpus = b'{"_id": "d1", "text": "one", "logit": 1}\n{"_id": "d2", "text": "two", "logit": 5}\n'
    for name, content in (("q", b"q1\ta\n"), ("c", corpus), ("run", b"q1 Q0 d1 1 9.0 x\nq1 Q0 d2 2 3.0 x\n")):
        (tmp_path / name).write_bytes(content)
    read = ReadConfig(
        inputs=(str(tmp_path / "run"),),
        corpus=(str(tmp_path / "c"),),
        queries=(str(tmp_path / "q"),),
        run=str(tmp_path / "run"),
    )
    format, (entry,) = entries(read, (tmp_path / "run").read_bytes())
    assert [(each["id"], each["score"], each.get("logit")) for each in format.to_native(entry)["candidates"]] == [
        ("d1", 9.0, None),
        ("d2", 3.0, None),
    ]


def test_queries_whose_lines_do_not_stand_together_are_refused(tmp_path):
    run = b"q1 Q0 d1 1 2.0 x\nbad\nq1 Q0 d2 1 1.0 x\nq2 Q0 d1 1 2.0 x\nq3 Q0 d1 1 2.0 x\nq2 Q0 d1 1 1.0 x\n"
    _, found = texts_of(tmp_path, run, b"q1\ta\nq2\tb\nq3\tc\n", b"d1\tone\nd2\ttwo\n")
    assert found[0] == ("a", "one", "two")
    assert found[3] == ("c", "one")
    assert all("'q2' are not adjacent" in found[place] for place in (2, 4))


def test_equal_lines_of_a_corpus_are_one(tmp_path):
    corpus = b'{"_id": "d1", "text": "one"}\n{"_id": "d2", "text": "two"}\r\n{"_id": "d1", "text": "one"}\n' * 3
    format, found = texts_of(tmp_path, b"q1 Q0 d1 1 2.0 x\nq1 Q0 d2 1 1.0 x\n", b"q1\ta\nq1\ta\n", corpus)
    assert found == [("a", "one", "two")]
    assert sorted(note.partition(": ")[2] for note in format.notes) == [
        "1 duplicate lines were skipped",
        "7 duplicate lines were skipped",
    ]


def test_a_missing_document_says_how_many_lines_cannot_be_read(tmp_path):
    corpus = b'{"_id": "d1", "text": "one"}\n{"text": "no id"}\n'
    _, found = texts_of(tmp_path, b"q1 Q0 d9 1 2.0 x\n", b"q1\ta\n", corpus)
    assert "document 'd9' is not in" in found[0]
    assert "1 of its lines cannot be read" in found[0]


def test_a_corpus_may_be_several_files(tmp_path):
    parts = {
        "a.tsv": b"d1\tone\n",
        "b.jsonl.gz": gzip.compress(b'{"_id": "d2", "title": "T", "text": "two"}\n'),
        "c.tsv": b"d3\tT\tthree\n",
    }
    for name, content in parts.items():
        (tmp_path / name).write_bytes(content)
    lookup = Lookup([str(tmp_path / name) for name in parts], 1000)
    found = lookup.entries(["d1", "d2", "d3", "d4"])
    assert {name: (each.get("title"), each["text"]) for name, each in found.items()} == {
        "d1": (None, "one"),
        "d2": ("T", "two"),
        "d3": ("T", "three"),
    }
    assert lookup.name.endswith("b.jsonl.gz and 1 more files")
