"""`rerank eval` and `rerank compare` with few judged queries, or with lists that end early: they say so."""

import json
from pathlib import Path

from support.running import forked


def run_of(path: Path, queries: int, documents: int) -> Path:
    path.write_text(
        "".join(f"q{q} Q0 d{d} {d + 1} {-d - (q * d) % 3} t\n" for q in range(queries) for d in range(documents))
    )
    return path


def judgements(folder: Path, queries: int) -> Path:
    path = folder / "qrels"
    path.write_text("".join(f"q{q} 0 d{1 + q % 4} 1\n" for q in range(queries)))
    return path


def reversed_run(path: Path, source: Path) -> Path:
    """The same documents, worst first."""
    rows = [line.split() for line in source.read_text().splitlines()]
    path.write_text("".join(f"{q} Q0 {d} 1 {-float(s)} t\n" for q, _, d, _, s, _ in rows))
    return path


def said_by(command: str, first: Path, other: Path, qrels: Path, *more: str | Path) -> str:
    files = (other, "--before", first) if command == "eval" else (first, other)
    done = forked(command, *files, "--qrels", qrels, "--measures", "nDCG@10 RR", *more)
    assert done.code == 0, done.said
    return done.stdout.decode()


def test_few_judged_queries_are_no_evidence_in_tables_json_and_page(tmp_path: Path) -> None:
    for queries, few in ((3, True), (19, True), (20, False)):
        first = run_of(tmp_path / "a", queries, 5)
        other, qrels = reversed_run(tmp_path / "b", first), judgements(tmp_path, queries)
        note = f"Only {queries} judged queries: the interval is too narrow, and the gain is a hint, not evidence."
        for command in ("eval", "compare"):
            page = tmp_path / "page.html"
            assert (note in said_by(command, first, other, qrels, "--html", page)) == few
            assert (note in page.read_text()) == few
            (made,) = json.loads(said_by(command, first, other, qrels, "--json"))
            assert any(each.startswith(note) for each in made["notes"]) == few


def test_one_judged_query_has_no_interval_and_the_note_names_none(tmp_path: Path) -> None:
    first = run_of(tmp_path / "a", 1, 5)
    said = said_by("eval", first, reversed_run(tmp_path / "b", first), judgements(tmp_path, 1))
    assert "Only 1 judged query: the gain is a hint, not evidence." in said


def test_lists_that_end_before_the_depth_of_a_measure_are_named_with_their_lengths(tmp_path: Path) -> None:
    first, other = run_of(tmp_path / "a", 2, 13), run_of(tmp_path / "b", 2, 3)
    qrels = judgements(tmp_path, 2)
    said = said_by("compare", first, other, qrels)
    assert "B has at most 3 documents per query, A up to 13.\n" in said
    assert "overlap@10 can be at most 0.3000.\n" in said
    assert "Measures beyond rank 3 compare lists of 3 with lists of up to 10.\n" in said
    assert "A has at most 3 documents per query, B up to 13.\n" in said_by("compare", other, first, qrels)
    said = said_by("eval", first, other, qrels)
    assert f"{other} has at most 3 documents per query, {first} up to 13.\n" in said
    assert "Measures beyond rank 3 compare" in said


def test_lists_of_equal_length_and_lists_as_deep_as_the_measures_need_no_note(tmp_path: Path) -> None:
    qrels = judgements(tmp_path, 2)
    for lengths in ((3, 3), (10, 13)):
        first, other = (run_of(tmp_path / name, 2, length) for name, length in zip("ab", lengths, strict=True))
        for command in ("eval", "compare"):
            said = said_by(command, first, other, qrels)
            assert "documents per query" not in said
            assert "can be at most" not in said


def test_a_cut_ranking_without_one_before_says_how_deep_it_is(tmp_path: Path) -> None:
    candidates = [{"index": n, "id": f"d{n}", "text": "x", "logit": -n, "num_candidates": 13} for n in range(3)]
    (tmp_path / "out").write_text(json.dumps({"id": "q0", "query": "w", "candidates": candidates}))
    done = forked("eval", tmp_path / "out", "--qrels", judgements(tmp_path, 1), "--measures", "nDCG@10")
    assert "out has at most 3 documents per query: measures beyond rank 3 see no more.\n" in done.stdout.decode()


def test_queries_that_are_in_the_ranking_before_alone_are_counted_as_losses_and_named(tmp_path: Path) -> None:
    first, qrels = run_of(tmp_path / "a", 5, 5), judgements(tmp_path, 30)
    for queries, said in ((3, "2 judged queries have results in {} and none in {}: they count as losses."), (5, "")):
        other = run_of(tmp_path / "b", queries, 5)
        for command, names in (("eval", (first, other)), ("compare", ("A", "B"))):
            shown = said_by(command, first, other, qrels)
            assert (said.format(*names) in shown) if said else ("count as losses" not in shown)
