"""Rankings of different queries: --common-queries, and what each part of a report is of. Unfinished files."""

import json
from pathlib import Path

import pytest
from support.running import forked

QUERIES = {"a.run": (1, 2, 3, 4), "b.run": (2, 3, 4, 5), "c.run": (3, 4)}
JUDGED = (1, 2, 3, 6)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with three runs of different queries, and judgements."""
    for name, queries in QUERIES.items():
        order = "ab" if name == "a.run" else "ba"
        rows = [f"q{q} Q0 {docid} 1 {-n} t\n" for q in queries for n, docid in enumerate(order)]
        (tmp_path / name).write_text("".join(rows))
    (tmp_path / "qrels").write_text("".join(f"q{q} 0 a 1\n" for q in JUDGED))
    return tmp_path


def measured(folder: Path, *arguments: str) -> list[dict]:
    done = forked(*arguments, "--qrels", "qrels", "--measures", "RR", "--json", cwd=folder)
    assert done.code == 0, done.said
    return done.records[0]


def test_each_part_of_a_comparison_says_which_queries_it_is_of(runs: Path) -> None:
    done = forked("compare", "a.run", "b.run", "--qrels", "qrels", "--measures", "RR", cwd=runs)
    said = done.stdout.decode()
    assert "\nqueries in both       3 (only A 1, only B 1)\n" in said
    assert "\njudged queries        4 (in both 2, only A 1, only B 0, in neither 1)\n" in said
    done = forked("compare", "a.run", "b.run", "--qrels", "qrels", "--measures", "RR", "--markdown", cwd=runs)
    assert (
        "- Measures are of the judged queries: 4 (in both 2, only A 1, only B 0, in neither 1)." in done.stdout.decode()
    )


def test_only_queries_of_all_rankings_are_compared_and_the_others_are_counted(runs: Path) -> None:
    made = measured(runs, "compare", *QUERIES, "--common-queries")
    assert [each["queries"] for each in made] == [2, 2]
    assert [each["differences"][0]["before"] for each in made] == [1.0, 1.0]
    assert [each["differences"][0]["after"] for each in made] == [0.5, 0.5]
    note = "Only the 2 queries that are in all files (--common-queries). Left out: A 2, B 2, C 0, judgements 3."
    assert [each["notes"][0] for each in made] == [note, note]
    table = forked("compare", *QUERIES, "--common-queries", cwd=runs).stdout.decode()
    assert note.replace(", judgements 3", "") in table
    assert "only A" not in table
    without = measured(runs, "compare", *QUERIES)
    assert [each["differences"][0]["before"] for each in without] == [0.75, 0.75]


def test_eval_measures_only_queries_that_the_ranking_before_has_too(runs: Path) -> None:
    (made,) = measured(runs, "eval", "b.run", "--before", "a.run", "--common-queries")
    assert (made["judged_queries"], made["measures"], made["before"]) == (2, {"RR": 0.5}, {"RR": 1.0})
    assert made["notes"][0].endswith("Left out: a.run 1, b.run 1, judgements 2.")
    both = measured(runs, "eval", "b.run", "c.run", "--common-queries")
    assert [each["judged_queries"] for each in both] == [1, 1]


def test_judgements_in_candidates_are_left_out_with_their_queries(tmp_path: Path) -> None:
    for name, queries in (("a", "pq"), ("b", "q")):
        records = [
            {"id": qid, "query": "w", "candidates": [{"id": "x", "text": "", "relevance": int(qid == "q")}]}
            for qid in queries
        ]
        (tmp_path / name).write_text("".join(json.dumps(each) + "\n" for each in records))
    done = forked("eval", "a", "b", "--measures", "RR", "--common-queries", "--json", cwd=tmp_path)
    assert [each["measures"]["RR"] for each in done.records[0]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("eval", "a.run", "--qrels", "qrels"), 2, "--common-queries needs another ranking"),
        (("compare", "a.run", "six.run"), 4, "--common-queries: no query is in all files"),
        (
            ("compare", "b.run", "five.run", "--qrels", "qrels"),
            4,
            "none of the queries that are in all files is judged",
        ),
    ],
)
def test_nothing_in_common_is_an_error(runs: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    for name, query in (("five.run", 5), ("six.run", 6)):
        (runs / name).write_text(f"q{query} Q0 a 1 1 t\n")
    done = forked(*arguments, "--common-queries", cwd=runs)
    assert (done.code, said in done.said) == (code, True), done.said


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "-", "a.run", "-"),
        ("compare", "-", "a.run", "--qrels", "-"),
        ("eval", "-", "--before", "-", "--qrels", "qrels"),
    ],
)
def test_standard_input_is_read_once(runs: Path, arguments: tuple[str, ...]) -> None:
    done = forked(*arguments, stdin=(runs / "b.run").read_bytes(), cwd=runs)
    assert (done.code, "standard input (-) is named twice" in done.said) == (2, True), done.said


def test_an_unfinished_file_is_named_as_such(runs: Path) -> None:
    (runs / "a.run").rename(runs / "a.run.partial")
    for command in (("eval", "a.run.partial", "--qrels", "qrels"), ("compare", "b.run", "a.run.partial")):
        done = forked(*command, cwd=runs)
        assert done.code == 0
        assert "a.run.partial: the output of an unfinished run, which lacks records" in done.stderr.decode()
    done = forked("eval", "a.run", "--qrels", "qrels", cwd=runs)
    assert "No such file" in done.said
    (runs / "a.run.journal").write_text("{}\n")
    done = forked("eval", "a.run", "--qrels", "qrels", cwd=runs)
    assert done.code == 4
    assert "a.run: the run that writes it is unfinished" in done.said
    assert "a.run.partial has the records so far" in done.said
