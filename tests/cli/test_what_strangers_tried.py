"""Inputs with which people who did not write the code found faults, each typed as they typed it, with the right answer.

Each case is files, a command, the exit code, and words that must stand in what is said or written, or must not.
"""

# ruff: noqa: UP031 (inputs stand as they were typed)

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.running import forked


@dataclass(frozen=True)
class Case:
    name: str
    files: dict[str, bytes]
    command: str
    code: int
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ("Traceback", "this is a bug")
    left: dict[str, bytes] = field(default_factory=dict)  # files with what they must hold afterwards


def native(record: str) -> dict[str, bytes]:
    return {"in.jsonl": record.encode() + b"\n"}


RUN = b"q1 Q0 d1 1 3.0 x\nq1 Q0 d2 2 2.0 x\nq2 Q0 d1 1 2.0 x\n"
SHOES = '{"id":"q1","query":"red shoes","candidates":[{"id":"d1",%s},{"id":"d2","text":"y"}]}'
CONVERT = "convert in.jsonl -o - --output-format "
SCORE = "score in.jsonl -o - --model fake -q "
KETTLES = '{"query":{"text":"kettle","qid":"1"},"candidates":[%s]}' % ",".join(
    '{"docid":"%s","score":1.0,"doc":{"title":"%s","contents":"It boils."}}' % pair
    for pair in (("d1", "Heron"), ("d2", "Kettle"))
)
CASES = [
    Case(
        "F1 a query with nothing but junk judgements",
        {"a.run": RUN, "q": b"q1 0 d1 -1\nq1 0 d2 1\nq2 0 d1 -2\n"},
        'eval a.run --qrels q --measures "nDCG@10 AP"',
        0,
        ("0.3155", "0.2500"),
    ),
    Case(
        "F2 tevatron",
        native(SHOES % '"query_id":"old","query":"first draft","docid":"zzz","text":"x"'),
        CONVERT + "tevatron",
        0,
        ('{"query_id":"q1","query":"red shoes","docid":"d1","text":"x"}', "dropped 3 fields"),
        ("first draft", "zzz"),
    ),
    Case(
        "F2 rank-llm",
        native(SHOES % '"text":"the real text","contents":"another","segment":"seg 4"'),
        CONVERT + "rank-llm",
        0,
        ('"doc":{"contents":"the real text"}',),
        ("another", "seg 4"),
    ),
    Case(
        "F2 flag-embedding",
        native('{"query":"q","pos":"ADJ","candidates":[{"text":"x","relevance":1},{"text":"y","relevance":0}]}'),
        "score in.jsonl -o - --model fake -q --output-format flag-embedding",
        0,
        ('"pos":["x"],"neg":["y"]',),
        ("ADJ",),
    ),
    Case(
        "F3 a tab in a query",
        {"a.run": b"q1 Q0 d1 1 3.0 x\n", "q": b"q1\thow to split\tby its tabs\n", "c": b"d1\tx\n"},
        "check --run a.run --queries q --corpus c",
        0,
        ("how to split", "by its tabs"),
    ),
    Case(
        "F4 a space in an id of a table with tabs",
        {
            "r.jsonl": b'{"id":"q 1","query":"a","candidates":[{"id":"d1","text":"x","score":1.0}]}\n'
            b'{"id":"q2","query":"a","candidates":[{"id":"d1","text":"x","score":1.0}]}\n',
            "q": b"query-id\tcorpus-id\tscore\nq 1\td1\t1\nq2\td1\t1\n",
        },
        "eval r.jsonl --qrels q --measures RR@10",
        0,
        ("1.0000",),
    ),
    Case(
        "F5 scores that are strings",
        native(
            '{"id":"q1","query":"a","candidates":[{"id":"d1","text":"x","score":"3.5"},'
            '{"id":"d2","text":"y","score":9.25},{"id":"d3","text":"z","score":"12.0"}]}'
        ),
        CONVERT + "trec",
        0,
        ("q1 Q0 d3 1 12.0", "q1 Q0 d2 2 9.25", "q1 Q0 d1 3 3.5"),
    ),
    Case(
        "F5 scores of some",
        native('{"id":"q1","query":"a","candidates":[{"id":"d1","text":"x","score":-2.0},{"id":"d2","text":"y"}]}'),
        CONVERT + "trec",
        4,
        ("$.candidates[1].score",),
        ("Q0", "looks like another format"),
    ),
    Case(
        "F6 raw scores",
        native('{"query":"a","documents":["x","y"],"raw_scores":true}'),
        SCORE,
        0,
        ("-1.757", "-6.69"),
    ),
    Case(
        "F6 top_k",
        native('{"query":"a","documents":["x","y"]}\n{"query":"a","documents":["x"],"top_k":1}'),
        SCORE,
        3,
        ("top_k",),
    ),
    Case(
        "F6 truncate",
        native('{"query":"delta","texts":["%s","short"],"truncate":false}' % ("word " * 1200)),
        SCORE + "--format tei --max-length 64",
        3,
        ("forbids truncation", "$.texts[0]"),
    ),
    Case("F7 the title of a rank-llm document", native(KETTLES), "check in.jsonl", 0, ("Kettle It boils.",)),
    Case(
        "F8 a document twice in a run",
        {
            "a.run": b"a1 Q0 a1 1 3.0 x\na1 Q0 a2 2 2.0 x\na1 Q0 a1 3 1.0 x\n",
            "q": b"a1\ta query\n",
            "c": b"a1\tone\na2\ttwo\n",
        },
        "score --run a.run --queries q --corpus c -o - --model fake",
        0,
        (" 2 ", "repeat a document"),
        (" 3 ",),
    ),
    Case(
        "F9 fields that are dropped",
        native(
            '{"query":"a","documents":[{"id":"A","page_content":"x","type":"Document","metadata":{"id":"B","text":"m"}}]}'
        ),
        "convert in.jsonl -o -",
        0,
        ("dropped 2 fields", "documents[].metadata.id (1)"),
    ),
    Case(
        "F10 ids that are null",
        native('{"query":"a","documents":[{"id":null,"page_content":"y","metadata":{"id":12.0,"source":"s"}}]}'),
        SCORE,
        0,
        ('"id":12.0',),
    ),
    *(
        Case(
            f"F11 a run, {name}",
            {"a.run": content, "q": b"q1 0 d1 1\n"},
            "eval a.run --qrels q --measures RR",
            code,
            holds,
            ("Name the ids", "Traceback"),
        )
        for name, content, code, holds in (
            ("without a tag", b"q1 Q0 d1 1 3.0\n", 0, ("1.0000",)),
            ("with words behind the tag", b"q1 Q0 d1 1 3.0 x and more\n", 0, ("1.0000",)),
            ("with a comment", b"# made by hand\nq1 Q0 d1 1 3.0 x\n", 0, ("1.0000",)),
            ("of ranks in three columns", b"q1\td1\t1\n", 0, ("1.0000",)),
            ("of scores in three columns", b"q1\td1\t1.5\n", 2, ("--run-columns qid,docid,score",)),
        )
    ),
    Case(
        "G1 a grade of 1.0", {"a.run": RUN, "q": b"q1\td1\t1.0\n"}, "eval a.run --qrels q --measures RR", 0, ("1.0000",)
    ),
    Case(
        "G2 a comment in qrels",
        {"a.run": RUN, "q": b"# hand\nq1 0 d1 1\n"},
        "eval a.run --qrels q --measures RR",
        0,
        ("1.0000",),
    ),
    Case(
        "G3 a bad line of a corpus that nobody needs",
        {
            "a.run": RUN,
            "q": b"q1\ta\nq2\tb\n",
            "c": b'{"_id":"d1","text":"x"}\n{"_id":"d2","text":"y"}\n{"_id":"d3","text":null}\n',
        },
        "score --run a.run --queries q --corpus c -o - --model fake",
        0,
        ("q1 Q0 d1", "1 lines cannot be read"),
    ),
    Case(
        "G4 documents that are not in the corpus",
        {"a.run": RUN, "q": b"q1\ta\nq2\tb\n", "c": b"d9\tx\n"},
        "score --run a.run --queries q --corpus c -o - --model fake",
        4,
        ("is not in",),
        ("another format",),
    ),
    Case(
        "G5 a title that may be missing",
        native('{"query":"q","candidates":[{"text":"x"},{"text":"y","title":null}]}'),
        SCORE + "--doc-template '{title?} {text}'",
        0,
    ),
    Case("G6 NaN", native('{"query":"q","candidates":[{"text":"x","score":NaN}]}'), SCORE, 4, ("NaN",)),
    Case(
        "G6 an array with one object a line",
        native('[{"query":"a","candidates":["x"]},\n{"query":"b","candidates":["y"]}]'),
        SCORE,
        4,
        ("jq -c '.[]'",),
    ),
    Case("G6 UTF-16", {"in.jsonl": '{"query":"a"}'.encode("utf-16")}, SCORE, 4, ("UTF-16",)),
    Case("G6 bz2", {"in.jsonl": b"BZh91AY&SY\x00\x00\x00\x00"}, SCORE, 4, ("bz",)),
    Case("G7 positives alone", native('{"query":"a","pos":"x"}'), SCORE, 0, ('"pos_scores"',)),
    Case(
        "11 a number beyond 64 bits",
        native('{"query":"a","candidates":["x"]}'),
        SCORE + "--top-k 99999999999999999999",
        2,
        ("--top-k",),
    ),
    Case(
        "11 an engine that sleeps for NaN",
        native('{"query":"a","candidates":["x"]}'),
        "score in.jsonl -o - --model fake:slow=nan",
        2,
    ),
    *(
        Case(
            f"12 {measure}",
            {"a.run": RUN, "q": b"q1 0 d1 1\nq2 0 d1 0\n"},
            f"eval a.run --qrels q --measures '{measure}'",
            2,
            (measure,),
        )
        for measure in ("AP(rel=0)", "R(rel=0)@5", "nDCG@999999999999999999999")
    ),
    Case(
        "19 a document judged twice",
        native(
            '{"id":"1","query":"x","candidates":[{"id":"8","text":"a","score":1,"relevance":1},{"id":"8","text":"a","score":1,"relevance":0}]}'
        ),
        "eval in.jsonl --measures RR@10",
        4,
        ("relevance of 8",),
    ),
    Case(
        "5 a lock that is not ours",
        {**native('{"query":"a","candidates":["x"]}'), "uv.lock": b"mine\n"},
        "score in.jsonl -o uv --model fake -q",
        0,
        left={"uv.lock": b"mine\n"},
    ),
    Case(
        "6 statistics that are not ours",
        {**native('{"query":"a","candidates":["x"]}'), "p.meta.json": b"mine\n"},
        "score in.jsonl -o p --model fake -q",
        8,
        ("p.meta.json",),
        left={"p.meta.json": b"mine\n"},
    ),
    Case(
        "6 errors that are not ours",
        {**native('{"query":"a","candidates":["x"]}'), "q.partial": b"mine\n"},
        "score in.jsonl -o p --errors q --model fake -q",
        0,
        left={"q.partial": b"mine\n"},
    ),
    Case(
        "18 a model without a name",
        native('{"query":"a","candidates":["x"]}'),
        "score in.jsonl -o - --model ''",
        2,
        ("--model",),
    ),
    Case(
        "21 a record without candidates in a run",
        native('{"id":"1","query":"a","candidates":[]}'),
        SCORE + "--output-format trec",
        4,
        ("no candidates",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_what_strangers_tried_is_answered_rightly(case, tmp_path: Path) -> None:
    for name, content in case.files.items():
        (tmp_path / name).write_bytes(content)
    done = forked(*shlex.split(case.command), cwd=tmp_path)
    said = done.stdout.decode() + done.said
    assert done.code == case.code, said
    for words in case.holds:
        assert words in said
    for words in case.lacks:
        assert words not in said
    for name, content in case.left.items():
        assert (tmp_path / name).read_bytes() == content
