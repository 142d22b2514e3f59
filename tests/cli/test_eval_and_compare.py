"""`rerank eval` and `rerank compare`: tables, JSON, CSV, and a page that opens in a browser."""

import csv
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.running import ROOT, environment, files_of, forked, rerank

from rerank_cli.core.printable import ACTING

COLLECTION = ROOT / "sample_data" / "collection"
QRELS = COLLECTION / "qrels" / "test.tsv"
RUN = COLLECTION / "first-stage.run"
HOSTILE = '</td><script>document.title="hit"</script><img src=x onerror=alert(1)> \x1b[2J "quoted" &amp; {{ 7*7 }}'


def test_a_result_is_measured_against_its_input_order(ranked: Path) -> None:
    done = forked("eval", ranked, "--qrels", QRELS, "--json")
    assert done.code == 0, done.said
    ((made,),) = done.records
    assert made["before_run"] == "input order"
    assert made["judged_queries"] == 8
    against = forked("eval", ranked, "--qrels", QRELS, "--before", RUN, "--json").records[0][0]
    assert against["differences"] == made["differences"]
    assert forked("eval", RUN, "--qrels", QRELS, "--json").records[0][0]["measures"] == made["before"]


def test_the_table_says_what_counts_and_what_does_not(ranked: Path, tmp_path: Path) -> None:
    records = ranked.read_bytes().splitlines(keepends=True)
    (tmp_path / "odd.jsonl").write_bytes(
        b"".join(records[:6])
        + records[0]
        + b'{"id": "q99", "query": "w", "candidates": [{"id": "d", "text": ""}]}\n{\n'
    )
    done = forked("eval", tmp_path / "odd.jsonl", "--qrels", QRELS)
    assert done.code == 0, done.said
    shown = done.stdout.decode()
    assert "1 queries of the results are not judged and do not count" in shown
    assert "2 judged queries have no results and count as 0" in shown
    assert "1 records repeat a query" in shown
    assert "1 records could not be read" in shown


def test_every_query_is_in_the_csv(ranked: Path, tmp_path: Path) -> None:
    path = tmp_path / "queries.csv"
    done = forked("eval", ranked, "--qrels", QRELS, "--measures", "nDCG@10 RR@10", "--per-query", path)
    assert done.code == 0, done.said
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len(rows) == 16
    assert {row["measure"] for row in rows} == {"nDCG@10", "RR@10"}
    made = forked("eval", ranked, "--qrels", QRELS, "--measures", "nDCG@10", "--json").records[0][0]
    after = [float(row["after"]) for row in rows if row["measure"] == "nDCG@10"]
    assert sum(after) / len(after) == pytest.approx(made["measures"]["nDCG@10"])


def test_the_csv_tells_no_result_from_a_measured_zero_and_has_the_gain(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("q1 Q0 a 1 2 t\nq1 Q0 b 2 1 t\nq2 Q0 a 1 1 t\n")
    (tmp_path / "after").write_text("q1 Q0 b 1 2 t\nq1 Q0 a 2 1 t\n")
    (tmp_path / "qrels").write_text("q1 0 b 1\nq2 0 b 1\nq3 0 b 1\n")
    measured = ("eval", "after", "--qrels", "qrels", "--measures", "RR", "--per-query", "csv")
    assert forked(*measured, "--before", "before", cwd=tmp_path).code == 0
    assert (tmp_path / "csv").read_text().splitlines() == [
        "run,query,measure,before,after,gain,documents_before,documents",
        "after,q1,RR,0.5,1.0,0.5,2,2",
        "after,q2,RR,0.0,0.0,0.0,1,0",
        "after,q3,RR,0.0,0.0,0.0,0,0",
    ]
    assert forked(*measured, cwd=tmp_path).code == 0
    assert (tmp_path / "csv").read_text().splitlines()[1:] == [
        "after,q1,RR,,1.0,,,2",
        "after,q2,RR,,0.0,,,0",
        "after,q3,RR,,0.0,,,0",
    ]
    (tmp_path / "csv").write_text("run,query,measure,before,after\nafter,q1,RR,,1.0\n")
    assert forked(*measured, cwd=tmp_path).code == 0, "a table with fewer columns is ours too"


def test_judgements_may_stand_in_the_candidates(tmp_path: Path) -> None:
    candidates = [{"id": "a", "text": "x", "grade": 0}, {"id": "b", "text": "y", "grade": 2}]
    (tmp_path / "in").write_text(json.dumps({"id": "q", "query": "w", "candidates": candidates}) + "\n")
    done = forked("eval", tmp_path / "in", "--relevance-field", "grade", "--measures", "RR@10", "--json")
    assert done.records[0][0]["measures"] == {"RR@10": 0.5}


def test_a_measure_is_known_in_any_letter_case(tmp_path: Path) -> None:
    (tmp_path / "in").write_text(
        json.dumps({"id": "q", "query": "w", "candidates": [{"id": "a", "text": "t", "grade": 1}]})
    )
    done = forked("eval", tmp_path / "in", "--relevance-field", "grade", "--measures", "ndcg@10 Mrr@5 map", "--json")
    assert list(done.records[0][0]["measures"]) == ["nDCG@10", "RR@5", "AP"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("eval", "none", "--qrels", QRELS), 4, "No such file"),
        (("eval", RUN), 4, "no judgements"),
        (("eval", RUN, "--qrels", "none"), 4, "No such file"),
        (("eval", RUN, "--qrels", QRELS, "--measures", "nope@3"), 2, "is not a measure"),
        (("eval", RUN, "--qrels", QRELS, "--per-query", "none/x.csv"), 5, "--per-query"),
        (("eval", RUN, "--qrels", QRELS, "--html", "none/x.html"), 5, "--html"),
        (("eval",), 2, "Missing argument"),
        (("compare", RUN), 2, "Name two or more"),
        (("compare", RUN, "none"), 4, "No such file"),
        (("compare", QRELS, RUN), 0, "which are named with --qrels"),
    ],
)
def test_what_cannot_be_measured_says_why(arguments: tuple, code: int, said: str, tmp_path: Path) -> None:
    done = forked(*arguments, cwd=tmp_path)
    assert done.code == code, done.said
    assert said in done.said


def test_three_files_are_compared_with_the_first(ranked: Path, tmp_path: Path) -> None:
    done = forked("compare", RUN, ranked, RUN, "--qrels", QRELS, "--json")
    assert done.code == 0, done.said
    (first, same) = done.records[0]
    assert same["rbo"] == pytest.approx(1.0)
    assert same["tau"] == pytest.approx(1.0)
    assert {each["gain"] for each in same["differences"]} == {0.0}
    assert first["rbo"] < 1
    assert first["differences"][0]["measure"] == "nDCG@10"


def test_of_three_files_each_is_compared_with_the_first_and_the_output_says_so(ranked: Path) -> None:
    done = forked("compare", RUN, ranked, RUN, "--moved", "0")
    heads = re.findall(r"^\d of .*$", done.stdout.decode(), re.MULTILINE)
    assert heads == ["1 of 2 comparisons, each against A", "2 of 2 comparisons, each against A"]
    assert " comparisons" not in forked("compare", RUN, ranked, "--moved", "0").stdout.decode()


def test_a_run_with_a_tag_of_its_own_is_compared_by_its_scores_when_asked(ranked: Path, tmp_path: Path) -> None:
    score = ("score", COLLECTION, "--run", RUN, "--engine", "fake", "-q")
    for tag in ("rerank", "mine"):
        assert forked(*score, "-o", f"{tag}.run", "--tag", tag, cwd=tmp_path).code == 0
    same, other, asked = (
        forked("compare", ranked, *rest, "--moved", "0", cwd=tmp_path)
        .stdout.decode()
        .partition("mean |score B - A|")[2]
        for rest in (["rerank.run"], ["mine.run"], ["mine.run", "--any-scores"])
    )
    assert same.strip().startswith("0.0000")
    assert other.strip() == "not compared: B has the tag 'mine', not 'rerank'; --any-scores compares them"
    assert asked == same
    page = tmp_path / "page.html"
    assert forked("compare", ranked, "mine.run", "--html", page, cwd=tmp_path).code == 0
    assert "not &#39;rerank&#39;; --any-scores compares them" in page.read_text()


def test_ids_and_the_text_of_queries_that_moved_are_in_the_terminal_and_in_json(ranked: Path) -> None:
    (made,) = forked("compare", RUN, ranked, "--moved", "2", "--json").records[0]
    assert len(made["moved_most"]) == 2
    shown = forked("compare", RUN, ranked, "--moved", "2").stdout.decode()
    for move in made["moved_most"]:
        assert f"{move['query']}: overlap@10" in shown
        assert f"\n  {move['text']}\n" in shown
        assert move["first_documents"] != move["other_documents"]
        for left, right in zip(move["first_documents"], move["other_documents"], strict=True):
            assert re.search(rf"^ +\d+  {left} +{right} +\S+$", shown, re.MULTILINE)


def test_queries_that_moved_are_shown_side_by_side(ranked: Path) -> None:
    done = forked("compare", RUN, ranked, "--moved", "2")
    shown = done.stdout.decode()
    assert len(re.findall(r"^q\d: overlap@10", shown, re.MULTILINE)) == 2
    assert re.search(r"^   1  q\d-d01 +q\d-d\d\d +(↑\d+|=)$", shown, re.MULTILINE), shown


def test_judgements_of_candidates_that_were_cut_are_not_measured(tmp_path: Path) -> None:
    candidates = [{"id": f"d{n}", "text": f"text {n}", "relevance": n % 2} for n in range(6)]
    (tmp_path / "in").write_text(json.dumps({"id": "q", "query": "w", "candidates": candidates}) + "\n")
    for options, code in (((), 0), (("--top-k", "3"), 4)):
        scored = forked("score", "in", "-o", "out", "--engine", "fake", "--overwrite", *options, cwd=tmp_path)
        assert scored.code == 0
        done = forked("eval", "out", "--json", cwd=tmp_path)
        assert done.code == code, done.said
    assert "candidates were left out" in done.said
    (tmp_path / "qrels").write_text("q 0 d1 1\n")
    shown = forked("eval", "out", "--qrels", "qrels", cwd=tmp_path).stdout.decode()
    assert "no ranking before: 1 of 1 queries lacks candidates of the input. Name one with --before" in shown


def test_judgements_may_come_through_a_pipe_and_are_on_the_page(ranked: Path, tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m rerank_cli eval '{ranked}' --qrels <(cat '{QRELS}') --html page.html"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "relevance 1" in (tmp_path / "page.html").read_text()


def test_a_page_says_what_its_chart_shows_and_no_moves_where_nothing_moved(ranked: Path, tmp_path: Path) -> None:
    assert forked("compare", RUN, ranked, "--html", tmp_path / "c.html").code == 0
    page = (tmp_path / "c.html").read_text()
    assert "<h3>RBO, query by query</h3>" in page
    assert 'class="rise"' not in page
    assert forked("eval", RUN, "--qrels", QRELS, "--html", tmp_path / "e.html").code == 0
    page = (tmp_path / "e.html").read_text()
    assert "moved most" not in page
    assert "query by query" not in page


@pytest.mark.sampled(1)
@pytest.mark.parametrize("content", ["json", "run"])
def test_results_may_come_through_a_pipe(ranked: Path, content: str) -> None:
    whole = (ranked if content == "json" else RUN).read_bytes()
    named = forked("eval", ranked if content == "json" else RUN, "--qrels", QRELS, "--json").records[0][0]
    piped = rerank("eval", "-", "--qrels", QRELS, "--json", stdin=whole)
    assert piped.code == 0, piped.said
    assert piped.records[0][0]["measures"] == named["measures"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("option", ["--html", "--per-query"])
@pytest.mark.parametrize("place", ["ranked.jsonl", "qrels", "first"])
def test_nothing_that_is_read_is_written_over(ranked: Path, tmp_path: Path, option: str, place: str) -> None:
    shutil.copy(QRELS, tmp_path / "qrels")
    shutil.copy(RUN, tmp_path / "first")
    before = files_of(tmp_path)
    command = ("eval", ranked, "--qrels", "qrels", "--before", "first", option, place)
    assert forked(*command, cwd=tmp_path).code == 2
    if option == "--html":
        assert forked("compare", "first", ranked, "--qrels", "qrels", option, place, cwd=tmp_path).code == 2
    assert files_of(tmp_path) == before


# pages


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def hostile(folder: Path) -> Path:
    candidates = [{"id": f"d{n}{HOSTILE}", "text": f"{n} {HOSTILE}", "index": 2 - n, "logit": -n} for n in range(3)]
    records = [{"id": f"q{n}", "query": HOSTILE, "candidates": candidates} for n in range(5)]
    (folder / "hostile.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    (folder / "qrels").write_text("q0\td1\t1\nq1\td0\t1\n")
    return folder / "hostile.jsonl"


def test_a_page_needs_no_network_and_holds_nothing_that_data_brought(tmp_path: Path) -> None:
    path = hostile(tmp_path)
    for command in (
        ("eval", path, "--qrels", "qrels"),
        ("compare", path, path),
        ("compare", path, path, "--qrels", "qrels"),
    ):
        done = forked(*command, "--html", "page.html", cwd=tmp_path)
        assert done.code == 0, done.said
        text = (tmp_path / "page.html").read_text()
        page = Tags()
        page.feed(text)
        names = [tag for tag, _ in page.tags]
        assert names.count("script") == 1
        assert "img" not in names
        assert "49" not in re.findall(r"\{\{ 7\*7 \}\}|\b49\b", text)
        assert not [attrs for _, attrs in page.tags if {"src", "href", "onerror"} & attrs.keys()]
        assert "http" not in re.sub(r"https?://(www\.)?w3\.org\S*", "", text)
        assert "\x1b" not in text


def test_no_character_that_acts_on_a_terminal_reaches_a_page_or_a_document(tmp_path: Path) -> None:
    acts = "".join(char for char in ACTING.findall("".join(map(chr, range(0x3000)))) if char not in "\t\n")
    record = {"id": f"q{acts}", "query": acts, "candidates": [{"id": name, "text": acts} for name in ("d1", "d2")]}
    (tmp_path / "a").write_text(json.dumps(record) + "\n")
    (tmp_path / "b").write_text(json.dumps({**record, "candidates": record["candidates"][::-1]}) + "\n")
    done = forked("compare", "a", "b", "--json", "--html", "page.html", cwd=tmp_path)
    assert done.code == 0, done.said
    assert ACTING.findall(done.stdout.decode()) == ["\n"]
    assert json.loads(done.stdout)[0]["moved_most"][0]["query"] == f"q{acts}"
    assert set(ACTING.findall((tmp_path / "page.html").read_text(encoding="utf-8"))) == {"\n"}


def test_a_document_is_json_in_any_encoding_of_standard_output(tmp_path: Path) -> None:
    record = {"id": "é", "query": "茶", "candidates": [{"id": name, "text": "tea"} for name in ("d1", "d2")]}
    (tmp_path / "a").write_text(json.dumps(record) + "\n")
    (tmp_path / "b").write_text(json.dumps({**record, "candidates": record["candidates"][::-1]}) + "\n")
    documents = []
    for encoding in ("utf-8", "ascii", "latin-1"):
        done = rerank("compare", "a", "b", "--json", cwd=tmp_path, PYTHONIOENCODING=encoding)
        assert done.code == 0, done.said
        documents.append(json.loads(done.stdout.decode(encoding)))
    assert documents[0] == documents[1] == documents[2]
    assert documents[0][0]["moved_most"][0]["query"] == "é"


def test_a_page_of_many_queries_stays_small(tmp_path: Path) -> None:
    lines = []
    for n in range(2000):
        candidates = [{"id": f"d{k}", "text": "word " * 100, "index": (k + n) % 10, "logit": -k} for k in range(10)]
        lines.append(json.dumps({"id": f"q{n}", "query": f"query {n}", "candidates": candidates}))
    (tmp_path / "a").write_text("\n".join(lines))
    (tmp_path / "qrels").write_text("".join(f"q{n} 0 d{n % 10} 1\n" for n in range(2000)))
    done = forked("eval", "a", "--qrels", "qrels", "--html", "page.html", cwd=tmp_path)
    assert done.code == 0, done.said
    text = (tmp_path / "page.html").read_text()
    assert text.count("<details>") == 200
    assert len(text) < 2_000_000
