"""The pages of `rerank eval` and `rerank compare`: what they show, in which order, and in which width."""

import html
import json
import re
from pathlib import Path

from support.running import ROOT, forked

COLLECTION = ROOT / "sample_data" / "collection"
QRELS = COLLECTION / "qrels" / "test.tsv"
RUN = COLLECTION / "first-stage.run"


def records(path: Path, orders: list[list[int]], query: str = "which is it", name: str = "q") -> Path:
    """A record for each order of candidates, of which the first of the input is relevant."""
    lines = []
    for number, order in enumerate(orders):
        candidates = [
            {"id": f"d{k}", "text": f"{query} {k}", "index": k, "logit": -place, "relevance": int(k == 0)}
            for place, k in enumerate(order)
        ]
        lines.append(json.dumps({"id": f"{name}{number}", "query": f"{query} {number}", "candidates": candidates}))
    path.write_text("\n".join(lines))
    return path


def page_of(folder: Path, *command: str | Path) -> str:
    done = forked(*command, "--html", folder / "page.html", cwd=folder)
    assert done.code == 0, done.said
    return (folder / "page.html").read_text(encoding="utf-8")


def part(page: str, begin: str, end: str) -> str:
    """The text of a page between two headings, without tags."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page.partition(begin)[2].partition(end)[0]))


SAME, LAST = [0, 1, 2], [1, 2, 0]


def test_the_result_comes_first_and_the_counts_come_last(tmp_path: Path) -> None:
    records(tmp_path / "a", [LAST] * 3 + [SAME] * 2)
    page = page_of(tmp_path, "eval", "a", "--measures", "RR nDCG@10")
    parts = ["RR falls from 1.0000 to 0.6000 over 5 judged queries", "<h3>Measures", "<h3>Gain in RR, query by query"]
    parts += ["<h3>All queries", "queries that gained or lost most", "<h3>What was counted", "<footer>"]
    places = [page.index(each) for each in parts]
    assert places == sorted(places)
    assert "The results have 5 queries, the judgements 5." in page
    assert "queries cut" not in page


def test_what_may_be_chance_has_a_neutral_class_and_words_that_say_so(tmp_path: Path) -> None:
    records(tmp_path / "a", [LAST] + [SAME] * 4)
    page = page_of(tmp_path, "eval", "a", "--measures", "RR")
    assert "This may be chance: the 95 % interval of the gain, −0.4000 to 0.0000, contains 0." in page
    assert '<td class="v open">−0.1333</td>' in page
    assert not re.search(r'class="(v|wide) (up|down)"', page)
    records(tmp_path / "a", [LAST] * 30 + [SAME])
    page = page_of(tmp_path, "eval", "a", "--measures", "RR")
    assert '<td class="v down">−0.6452</td>' in page
    assert "may be chance:" not in page


def test_a_bar_says_which_query_it_is_and_both_of_its_figures(tmp_path: Path) -> None:
    records(tmp_path / "a", [SAME, LAST], query="<b>&")
    page = page_of(tmp_path, "eval", "a", "--measures", "RR")
    titles = re.findall(r"<title>(.*?)</title>", page.partition("<svg")[2], re.DOTALL)
    first, second = "q1\n&lt;b&gt;&amp; 1\ngain −0.6667: 1.0000 before, 0.3333 after", "q0\n&lt;b&gt;&amp; 0"
    assert titles[0] == first
    assert titles[1].startswith(second)


def test_what_did_not_move_is_in_no_list_of_what_moved(tmp_path: Path) -> None:
    records(tmp_path / "a", [SAME, LAST, [0, 2, 1]])
    page = page_of(tmp_path, "eval", "a", "--measures", "RR")
    assert "q1" in part(page, "The query that gained or lost", "The query that moved without")
    moved = part(page, "The query that moved without gain or loss", "What was counted")
    assert "q2" in moved
    assert "q0" not in moved
    assert "1 query has the same order in both rankings." in moved
    records(tmp_path / "b", [SAME, SAME])
    for command in (("eval", "b", "--measures", "RR"), ("compare", "b", "b")):
        page = page_of(tmp_path, *command)
        assert "No query moved: both rankings are the same." in page
        assert "<details>" not in page


def test_the_table_of_all_queries_has_texts_and_both_sides_and_shows_how_it_is_sorted(tmp_path: Path) -> None:
    records(tmp_path / "a", [SAME, LAST])
    page = page_of(tmp_path, "eval", "a", "--measures", "RR AP")
    rows = re.findall(r"<tr>(<td>q.*?)</tr>", page)
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert cells[0] == ["q1", "which is it 1", "1.0000", "0.3333", "−0.6667", "−0.6667"]
    assert cells[1] == ["q0", "which is it 0", "1.0000", "1.0000", "0.0000", "0.0000"]
    assert re.findall(r'<th scope="col" aria-sort="ascending"><button type="button">(.*?)</button>', page) == ["gain"]
    page = page_of(tmp_path, "eval", RUN, "--qrels", QRELS)
    assert ">query</button>" not in page


def test_a_page_says_when_and_how_it_was_made(tmp_path: Path) -> None:
    done = forked("score", COLLECTION, "--run", RUN, "-o", "a b.run", "--engine", "fake", "-q", cwd=tmp_path)
    assert done.code == 0, done.said
    page = page_of(tmp_path, "eval", "a b.run", "--qrels", QRELS, "--measures", "nDCG@10 RR")
    about = part(page, "<footer>", "</footer>")
    assert re.search(r"Written\s+\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", about)
    assert f"rerank eval 'a b.run' --qrels {QRELS} --measures 'nDCG@10 RR' --html" in about
    assert re.search(r"a b\.run: \S+ \(.*fake.*\), by rerank \d", about)
    assert re.search(r"rerank \d[\d.]*, ir-measures \d", about)
    page = page_of(tmp_path, "compare", "a b.run", RUN)
    assert "ir-measures" not in page
    assert "paired t-test" not in page


def test_both_sides_are_defined_before_they_are_named(tmp_path: Path) -> None:
    records(tmp_path / "a", [SAME] * 2)
    records(tmp_path / "b", [LAST] * 2)
    page = page_of(tmp_path, "compare", "a", "b")
    assert part(page, "</h2>", '<p class="result">').split() == ["A", "a", "B", "b"]
    assert "A and B share 100% of their first 10 documents" in page
    assert "not which is better" in page


def test_several_rankings_are_in_one_table_first(tmp_path: Path) -> None:
    for name, orders in (("a", [SAME] * 20), ("b", [LAST] * 20), ("c", [LAST] * 19 + [SAME])):
        records(tmp_path / name, orders)
    (tmp_path / "qrels").write_text("".join(f"q{number} 0 d0 1\n" for number in range(20)))
    measures = ("--qrels", "qrels", "--measures", "RR")
    page = page_of(tmp_path, "compare", "b", "a", "c", *measures)
    assert page.index("RR is highest in B: 1.0000, against 0.3333 in A.") < page.index("B against A")
    first = part(page, 'aria-label="Summary"', "</section>")
    assert re.search(r"A\s+b\s+B\s+a\s+C\s+c\s", first)
    assert "C against A" in page
    assert "corrected by Holm for 2 comparisons" in page
    page = page_of(tmp_path, "compare", "a", "b", "c", *measures)
    assert "No ranking has a higher RR than A (1.0000)." in page
    page = page_of(tmp_path, "eval", "a", "c", "--before", "b", *measures)
    assert "RR is highest in a: 1.0000, against 0.3333 before." in page
    assert "not corrected for several runs" in page
    assert "The difference may be chance." not in page
    page = page_of(tmp_path, "eval", "b", "c", "--before", "b", *measures)
    assert "RR is highest in c: 0.3667, against 0.3333 before. The difference may be chance." in page
    page = page_of(tmp_path, "compare", "b", "a", "c")
    assert "C is most like A: its rank-biased overlap with A is" in page


def test_a_comparison_says_which_queries_it_shows_and_counts_those_that_one_file_lacks(tmp_path: Path) -> None:
    records(tmp_path / "a", [SAME] * 4)
    records(tmp_path / "b", [LAST] * 3)
    (tmp_path / "qrels").write_text("q0 0 d0 1\nq1 0 d0 1\nq3 0 d0 1\n")
    page = page_of(tmp_path, "compare", "a", "b", "--qrels", "qrels", "--measures", "RR")
    assert "<h3>All judged queries in both rankings</h3>" in page
    assert "2 judged queries in both rankings in ascending order of gain." in page
    counts = part(page, "What was counted", "</section>")
    assert "3 queries are in both rankings, 1 only in A, 0 only in B." in counts
    assert "Judged queries: 3 (in both 2, only A 1, only B 0, in neither 0)." in counts
    assert "<h3>All queries</h3>" in page_of(tmp_path, "compare", "a", "a")


def test_a_query_without_a_result_is_no_query_that_scored_0(tmp_path: Path) -> None:
    records(tmp_path / "a", [SAME] * 2)
    records(tmp_path / "b", [[1, 2]])
    (tmp_path / "qrels").write_text("q0 0 d0 1\nq1 0 d0 1\n")
    for more in ((), ("--before", "a")):
        page = page_of(tmp_path, "eval", "b", *more, "--qrels", "qrels", "--measures", "RR")
        rows = dict(re.findall(r"<tr><td>(q\d)</td>(.*?)</tr>", page))
        assert "<td>0.0000</td>" in rows["q0"]
        assert "<td>0 (no result)</td>" in rows["q1"]
