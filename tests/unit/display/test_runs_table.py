"""Several rankings in one table: which figures are marked, what the notes say, as text and as Markdown."""

from array import array

from rerank_cli.display.runs_table import BOLD, PLAIN, RunsTable, markdown_lines, runs_table, table_lines
from rerank_cli.evaluation.measures import parse_measures
from rerank_cli.evaluation.rankings import Ranked, Results
from rerank_cli.evaluation.several import compare_all

GOOD, MIDDLE, BAD = "abcd", "bacd", "dcba"


def results(name: str, orders: list[str], **more) -> Results:
    queries = {f"q{n}": Ranked(tuple(order), array("d", range(len(order), 0, -1))) for n, order in enumerate(orders)}
    return Results(name, queries=queries, **more)


def table(*rankings: Results, measures: str = "", judged: int = 30) -> RunsTable:
    first, *others = rankings
    qrels = {f"q{n}": {"a": 1} for n in range(judged)}
    done = compare_all(first, others, qrels, parse_measures(measures)) if measures else compare_all(first, others)
    return runs_table(first, list(zip(others, done, strict=True)))


def three(**more) -> list[Results]:
    mixed = [MIDDLE, BAD, GOOD] * 10
    return [results("first.run", [MIDDLE] * 30), results("good.run", [GOOD] * 29 + [BAD]), results("mixed.run", mixed)]


def test_a_row_has_the_mean_of_each_measure_and_the_best_is_marked():
    made = table(*three(), measures="RR@10 P@4 Judged@10")
    assert made.columns == ("RR@10", "P@4", "Judged@10")
    assert [(row.letter, row.name) for row in made.rows] == [("A", "first.run"), ("B", "good.run"), ("C", "mixed.run")]
    by_column = list(zip(*(row.cells for row in made.rows), strict=True))
    assert [cell.text for cell in by_column[0]] == ["0.5000", "0.9750", "0.5833"]
    assert [cell.best for cell in by_column[0]] == [False, True, False]
    assert not any(cell.best for cell in by_column[1]), "equal figures have no best"


def test_a_count_of_judgements_has_neither_a_best_nor_a_sign():
    short = [results("long", [GOOD] * 30), results("short", [f"a{'x' * (n % 2)}" for n in range(30)])]
    made = table(*short, results("third", [GOOD] * 30), measures="Judged@10 NumRet")
    assert len({cell.text for cell in (row.cells[0] for row in made.rows)}) == 2
    assert not any(cell.best or cell.differs for row in made.rows for cell in row.cells)


def test_a_sign_marks_a_difference_that_is_significant_after_correction():
    made = table(*three(), measures="RR@10")
    assert [row.cells[0].signed for row in made.rows] == ["0.5000", "0.9750†", "0.5833"]
    assert made.notes[:2] == (
        "Means over 30 judged queries.",
        "† p < 0.05 against A: paired t-test, corrected by Holm for 2 comparisons per measure.",
    )


def test_without_a_significant_difference_a_note_says_so_and_without_a_test_it_does_not():
    first, _, mixed = three()
    made = table(first, mixed, mixed, measures="RR@10")
    assert made.notes[1].startswith("No difference to A has p < 0.05: paired t-test, corrected by Holm for 2 ")
    assert not any("Holm" in note for note in table(first, first, first, measures="RR@10").notes)


def test_notes_count_the_judged_queries_that_a_ranking_lacks():
    made = table(*three(), results("part.run", [GOOD] * 27), measures="RR@10")
    assert "D: 3 judged queries have no results and count as 0." in made.notes
    assert not any(note.startswith(("A:", "B:", "C:")) for note in made.notes)
    assert made.rows[3].cells[0].text == "0.9000"


def test_lists_are_as_long_as_those_of_the_queries_that_both_have():
    first = results("first.run", [MIDDLE] * 29 + ["abcdefgh"])
    part = results("part.run", [GOOD] * 29)
    short = results("short.run", ["ab"] * 30)
    notes = table(first, part, short, measures="P@5").notes
    assert not any("B has at most" in note for note in notes)
    assert "C has at most 2 documents per query, A up to 8." in notes
    assert "Measures beyond rank 2 compare lists of 2 with lists of up to 5." in notes


def test_what_is_said_of_several_rankings_is_said_once():
    made = table(*three(), measures="RR@10", judged=28)
    assert "A, B, C: 2 queries of the results are not judged and do not count." in made.notes


def test_the_same_rankings_under_two_names_are_named():
    first, good, _ = three()
    made = table(first, good, results("copy.run", [MIDDLE] * 30), measures="RR@10")
    assert made.notes[-1] == "A and C have the same rankings."


def test_without_judgements_a_row_has_the_agreement_with_the_first():
    made = table(*three())
    assert made.columns == ("queries", "overlap@10", "RBO, p = 0.9", "Kendall tau", "mean |score - A|")
    assert [cell.text for cell in made.rows[0].cells] == ["30", "", "", "", ""]
    assert [cell.text for cell in made.rows[1].cells][:2] == ["30", "1.0000"]
    assert not any(cell.best for row in made.rows for cell in row.cells)


def test_without_judgements_notes_say_which_queries_count_and_why_scores_do_not():
    first, good, _ = three()
    part = results("part.run", ["abcdefghij"] * 20, scored=False, tag="bm25")
    unscored = results("unscored.run", [GOOD] * 31, scored=False, has_scores=False)
    made = table(first, good, part, unscored)
    assert "Queries in both A and C: 20 (only A 10, only C 0). The figures of C are of those in both." in made.notes
    assert "Queries in both A and D: 30 (only A 0, only D 1). The figures of D are of those in both." in made.notes
    assert "A has at most 4 documents per query, C up to 10." in made.notes
    assert "overlap@10 of C can be at most 0.4000." in made.notes
    assert "Scores of D are not compared with those of A: D has no scores." in made.notes
    assert made.rows[3].cells[-1].text == ""
    assert table(first, unscored, unscored).columns[-1] == "Kendall tau"


def test_columns_are_aligned_and_only_a_terminal_gets_bold():
    made = table(*three(), measures="RR@10 P@4")
    plain = table_lines(made, bold=False)
    assert plain[:8] == [
        "A first.run",
        "B good.run",
        "C mixed.run",
        "",
        "    RR@10     P@4",
        "A  0.5000  0.2500",
        "B  0.9750† 0.2500",
        "C  0.5833  0.2500",
    ]
    bold = table_lines(made, bold=True)
    assert bold[6] == f"B  {BOLD}0.9750†{PLAIN} 0.2500"
    assert [line.replace(BOLD, "").replace(PLAIN, "") for line in bold] == plain


def test_markdown_marks_the_best_and_escapes_names():
    first, good, _ = three()
    good.name = "a|b_*\x1b[2J.run"
    lines = markdown_lines(table(first, good, first, measures="RR@10 P@4"))
    assert lines[:5] == [
        r"| run                      |       RR@10 |    P@4 |",
        r"|:-------------------------|------------:|-------:|",
        r"| A: first.run             |      0.5000 | 0.2500 |",
        r"| B: a\|b\_\*\\x1b\[2J.run | **0.9750**† | 0.2500 |",
        r"| C: first.run             |      0.5000 | 0.2500 |",
    ]
    assert lines[6] == "- Means over 30 judged queries."


def test_no_name_acts_on_a_terminal():
    first, good, mixed = three()
    good.name = "\x1b[2J.run"
    assert "\x1b" not in "".join(table_lines(table(first, good, mixed), bold=False))
