"""What a file is, by its first line: each kind, and what is said where another one is expected."""

import json
import shlex

import pytest
from support.making import jsonl
from support.running import forked

from rerank_cli.formats.kinds import COMMAS, JUDGEMENTS, LISTS, RANKS, SCORES, TEXT, THREE, TREC_RUN, kind_of

ROW = {"query-id": "q1", "corpus-id": "d1"}
LINES = {
    "trec": (b"q1 Q0 d1 1 2.5 x", TREC_RUN),
    "trec without a tag": (b"q1\tQ0\td1\t1\t2.5", TREC_RUN),
    "qrels": (b"q1 0 d1 1", JUDGEMENTS),
    "qrels with tabs": (b"q1\t0\td1\t2", JUDGEMENTS),
    "qrels with Q0": (b"q1 Q0 d1 -1", JUDGEMENTS),
    "a table": (b"query-id\tcorpus-id\tscore", SCORES),
    "a table of ranks": (b"qid\tdocno\trank", RANKS),
    "a table of grades": (b"qid docid relevance", JUDGEMENTS),
    "a table of two ids": (b"qid\tdocid\tdocno\tscore", SCORES),
    "three columns": (b"q1\td1\t3", THREE),
    "a table with commas": (b"qid,docid,score", SCORES),
    "ranks with commas": (b"qid,docid,rank", RANKS),
    "a run with its ranks": (b"qid query docno rank score", RANKS),
    "grades with commas": (b"qid,docid,relevance", JUDGEMENTS),
    "three columns with commas": (b"q1,d1,3", COMMAS),
    "trec with commas": (b"q1,Q0,d1,1,2.5,x", COMMAS),
    "qrels with commas": (b"q1,0,d1,1", COMMAS),
    "a text with commas": (b"well,well,what", None),
    "rows": (json.dumps({**ROW, "score": 1}).encode(), SCORES),
    "rows of ranks": (json.dumps({**ROW, "rank": 1}).encode(), RANKS),
    "rows of grades": (json.dumps({**ROW, "relevance": 1}).encode(), JUDGEMENTS),
    "rows of ids": (json.dumps(ROW).encode(), JUDGEMENTS),
    "an object": (b'{"q1": {"d1": 1.5, "d2": 1}}', SCORES),
    "an object on many lines": (b'{\n  "q1": {\n    "d1": 1.5\n  }\n}', SCORES),
    "mteb": (b'{"mteb_model_meta": {"revision": null}, "default": {"test": {"q": {"d": 1}}}}', SCORES),
    "a corpus": (b'{"_id": "d1", "title": "t", "text": "x"}', TEXT),
    "passages": (b'{"pid": "p1", "passage": "x", "docid": "d1"}', TEXT),
    "queries": (b'{"_id": "q1", "query": "x"}', TEXT),
    "queries in columns": (b"q1\twhat is it", TEXT),
    "a corpus in columns": (b"d1\ttitle\ttext", TEXT),
    "a hit with its text": (b'{"qid": "q", "docid": "d", "score": 1, "text": "x"}', TEXT),
    "ranked lists": (b'{"q1": ["d1", "d2"], "q2": [7]}', LISTS),
    "ranked lists on many lines": (b'{\n "q1": [\n  "d1",\n  "d2"\n ]\n}', LISTS),
    "texts in a list": (b'{"hits": ["a text", "another"]}', None),
    "a list of words beside a text": (b'{"hits": ["a", "b"], "q": "x"}', None),
    "documents without a query": (b'{"documents": ["a", "b"]}', None),
    "nothing": (b"what is it", None),
    "four words": (b"the quick brown fox", None),
    "a broken line": (b'{"query": "x", "cand', None),
    "an array": (b"[1, 2]", None),
    "a record without candidates": (b'{"id": "q1", "query": "x"}', None),
    "a record with a field of numbers": (b'{"meta": {"a": 1}, "x": "y"}', None),
}
RECORDS = {
    "native": b'{"id": "q1", "query": "x", "candidates": []}',
    "rank-llm": b'{"query": {"qid": 1, "text": "x"}, "candidates": []}',
    "csv": b"query,passage",
    "ms-marco-top1000": b"1\t2\ta query\ta passage",
}


@pytest.mark.parametrize("name", LINES)
def test_a_first_line_shows_the_kind_of_its_file(name):
    content, kind = LINES[name]
    assert kind_of(content.split(b"\n")) is kind


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_of_their_format(name):
    assert kind_of([RECORDS[name]]).format == name


FILES = {
    "run": b"q1 Q0 d1 1 2.5 x\nq1 Q0 d2 2 1.5 x\n",
    "ranks.jsonl": jsonl({**ROW, "rank": 1}),
    "qrels": b"q1 0 d1 1\nq1 0 d2 0\n",
    "grades.jsonl": jsonl({**ROW, "relevance": 1}),
    "table": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n",
    "table.csv": b"qid,docid,score\nq1,d1,1\n",
    "bare.csv": b"q1,d1,1\nq1,d2,0\n",
    "ranks": b"qid docid rank\nq1 d1 1\n",
    "ranks.csv": b"qid,docid,rank\nq1,d1,1\n",
    "lists.json": b'{"q1": ["d1", "d2"]}\n',
    "lists": b'{\n "q1": [\n  "d1",\n  "d2"\n ]\n}\n',
    "rows.jsonl": jsonl({**ROW, "score": 1}),
    "scores.json": b'{\n "q1": {\n  "d1": 1\n }\n}\n',
    "corpus.jsonl": jsonl({"_id": "d1", "title": "", "text": "one"}, {"_id": "d2", "title": "", "text": "two"}),
    "corpus.tsv": b"d1\tone\nd2\ttwo\n",
    "queries.tsv": b"q1\twhat is it\n",
    "in.jsonl": jsonl({"id": "q1", "query": "x", "candidates": [{"id": "d1", "text": "a"}]}),
    "hits.jsonl": jsonl({"query": {"qid": "q1", "text": "x"}, "candidates": [{"docid": "d1", "doc": {"text": "a"}}]}),
}
SCORE, TEXTS = "score {} -o - --engine fake", "--queries queries.tsv --corpus corpus.tsv"
RUN_COMMAND = "`rerank score --run {0}` reranks it"
QRELS_COMMAND = "`rerank eval RUN --qrels {0}`"
WRONG = [  # command, file, what it is, the command that takes it
    *[(SCORE, name, "a TREC run", RUN_COMMAND) for name in ("run",)],
    *[(SCORE, name, "a run, ", RUN_COMMAND) for name in ("ranks.jsonl",)],
    *[(SCORE, name, "judgements", QRELS_COMMAND) for name in ("qrels", "grades.jsonl")],
    *[(SCORE, name, "a run or judgements", QRELS_COMMAND) for name in ("table", "rows.jsonl", "scores.json")],
    *[(SCORE, name, "a corpus or queries", "--corpus {0}") for name in ("corpus.jsonl", "corpus.tsv", "queries.tsv")],
    (SCORE, "table.csv", "a run or judgements, ", QRELS_COMMAND),
    (SCORE, "bare.csv", "a run or judgements, with commas", "qid,docid,score"),
    ("eval run --qrels {}", "ranks", "a run, ", RUN_COMMAND),
    ("eval run --qrels {}", "ranks.csv", "a run, ", RUN_COMMAND),
    (SCORE, "lists.json", "ranked lists", "jq "),
    (SCORE, "lists", "ranked lists", "jq "),
    ("eval {} --qrels qrels", "lists", "ranked lists", "jq "),
    ("eval run --qrels {}", "lists.json", "ranked lists", "jq "),
    (f"{SCORE} --run {{}} {TEXTS}".replace("score {}", "score"), "lists.json", "ranked lists", "jq "),
    (f"{SCORE} --run {{}} {TEXTS}".replace("score {}", "score"), "lists", "ranked lists", "jq "),
    ("check {}", "qrels", "judgements", QRELS_COMMAND),
    ("convert {} -o -", "scores.json", "a run or judgements", QRELS_COMMAND),
    ("eval {} --qrels qrels", "qrels", "judgements", QRELS_COMMAND),
    ("eval {} --qrels qrels", "grades.jsonl", "judgements", QRELS_COMMAND),
    ("eval {} --qrels qrels", "corpus.jsonl", "a corpus or queries", "--corpus {0}"),
    ("eval {} --qrels qrels", "corpus.tsv", "a corpus or queries", "--corpus {0}"),
    ("compare run {}", "qrels", "judgements", QRELS_COMMAND),
    ("eval run --qrels {}", "run", "a TREC run", RUN_COMMAND),
    ("eval run --qrels {}", "ranks.jsonl", "a run, ", RUN_COMMAND),
    ("eval run --qrels {}", "in.jsonl", "native records", "`rerank score {0} -o OUT`"),
    ("eval run --qrels {}", "hits.jsonl", "rank-llm records", "`rerank score {0} -o OUT`"),
    ("eval run --qrels {}", "corpus.jsonl", "a corpus or queries", "--corpus {0}"),
    (f"{SCORE} --run {{}} {TEXTS}".replace("score {}", "score"), "qrels", "judgements", QRELS_COMMAND),
    (f"{SCORE} --run {{}} {TEXTS}".replace("score {}", "score"), "in.jsonl", "native records", "`rerank score {0} -o"),
    (f"{SCORE} --run {{}} {TEXTS}".replace("score {}", "score"), "corpus.jsonl", "a corpus or queries", "--corpus {0}"),
    (f"{SCORE} --run {{}} {TEXTS}".replace("score {}", "score"), "queries.tsv", "a corpus or queries", "--corpus {0}"),
    ("check --run run --queries queries.tsv --corpus {}", "run", "a TREC run", RUN_COMMAND),
    ("check --run run --queries queries.tsv --corpus {}", "qrels", "judgements", QRELS_COMMAND),
    ("check --run run --queries queries.tsv --corpus {}", "table", "a run or judgements", QRELS_COMMAND),
    ("check --run run --queries queries.tsv --corpus {}", "hits.jsonl", "rank-llm records", "`rerank score {0} -o"),
    ("check --run run --queries {} --corpus corpus.tsv", "run", "a TREC run", RUN_COMMAND),
]


@pytest.mark.parametrize(("command", "name", "what", "advice"), WRONG, ids=[f"{a} {b}" for a, b, _, _ in WRONG])
def test_a_file_in_the_wrong_place_is_named_with_the_command_that_takes_it(tmp_path, command, name, what, advice):
    for each, content in FILES.items():
        (tmp_path / each).write_bytes(content)
    done = forked(*shlex.split(command.format(name)), cwd=tmp_path)
    assert done.code == 2, done.said
    assert f"{name}: looks like {what}" in done.said
    assert advice.format(name) in done.said
    assert not done.stdout


RIGHT = [
    "score in.jsonl -o - --engine fake",
    f"score --run run {TEXTS} -o - --engine fake",
    f"score --run rows.jsonl {TEXTS} -o - --engine fake",
    f"score --run scores.json {TEXTS} -o - --engine fake",
    f"score --run ranks.jsonl {TEXTS} -o - --engine fake",
    "check --run run --queries in.jsonl --corpus corpus.jsonl",  # a record has an id and a query
    "eval run --qrels qrels",
    "eval in.jsonl --qrels scores.json",
    "eval scores.json --qrels rows.jsonl",
    "eval ranks.jsonl --qrels grades.jsonl",
    "eval table --qrels table",
    "eval table.csv --qrels table.csv",
    "eval bare.csv --run-columns qid,docid,score --qrels qrels",
    f"score --run table.csv {TEXTS} -o - --engine fake",
    f"score --run bare.csv --run-columns qid,docid,score {TEXTS} -o - --engine fake",
]


@pytest.mark.parametrize("command", RIGHT)
def test_a_file_in_its_place_is_read(tmp_path, command):
    for each, content in FILES.items():
        (tmp_path / each).write_bytes(content)
    done = forked(*shlex.split(command), cwd=tmp_path)
    assert done.code == 0, done.said


def test_a_record_behind_such_a_line_decides(tmp_path):
    (tmp_path / "in").write_bytes(FILES["run"] + FILES["in.jsonl"])
    done = forked("score", "in", "-o", "-", "--engine", "fake", "-q", cwd=tmp_path)
    assert done.code == 3
    assert len(done.records) == 1


def test_what_comes_through_a_pipe_is_named_too(tmp_path):
    (tmp_path / "texts").write_bytes(FILES["corpus.tsv"])
    done = forked("score", "-", "-o", "-", "--engine", "fake", stdin=FILES["qrels"], cwd=tmp_path)
    assert (done.code, "looks like judgements" in done.said) == (2, True)
    texts = ("--queries", "texts", "--corpus", "texts")
    done = forked("score", "--run", "-", *texts, "-o", "-", "--engine", "fake", stdin=FILES["qrels"], cwd=tmp_path)
    assert (done.code, "looks like judgements" in done.said) == (2, True)
