"""`rerank compare` of more than two files: one table, the details where they are requested; and --markdown."""

import re
from pathlib import Path

import pytest
from support.running import forked

ORDERS = {"a.run": "dcba", "b.run": "abcd", "c.run": "badc"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with three runs and judgements of 20 queries; the third lacks one query."""
    for name, order in ORDERS.items():
        queries = range(19 if name == "c.run" else 20)
        rows = [f"q{q} Q0 {docid} 1 {9 - n - q % 2 * n} rerank\n" for q in queries for n, docid in enumerate(order)]
        (tmp_path / name).write_text("".join(rows))
    (tmp_path / "qrels").write_text("".join(f"q{q} 0 {'abcd'[q % 3]} 1\n" for q in range(20)))
    return tmp_path


def shown(folder: Path, *arguments: str) -> str:
    done = forked(*arguments, cwd=folder)
    assert done.code == 0, done.said
    return done.stdout.decode()


def test_three_files_are_one_table_and_details_are_added_where_requested(runs: Path) -> None:
    command = ("compare", *ORDERS, "--qrels", "qrels", "--measures", "RR AP")
    table = shown(runs, *command)
    assert re.search(r"^ +RR +AP\nA +\d\.\d{4}.*\nB +\d\.\d{4}†.*\nC +\d", table, re.MULTILINE)
    assert "C: 1 judged queries have no results and count as 0." in table
    assert "overlap@10" not in table
    assert table.endswith("--moved N adds the details of each comparison.\n")
    details = shown(runs, *command, "--moved", "1")
    assert details.startswith(table.removesuffix("--moved N adds the details of each comparison.\n"))
    assert "\n2 of 2 comparisons, each against A; p is not corrected here\nA a.run\nC c.run\n" in details
    assert "\nqueries in both       19 (only A 1, only C 0)\n" in details
    assert "\nmean |score C - A|    " in details
    assert len(re.findall(r"^q\d+: gain", details, re.MULTILINE)) == 2


def test_two_files_have_no_table_of_files(runs: Path) -> None:
    said = shown(runs, "compare", "a.run", "b.run")
    assert said.startswith("A a.run\nB b.run\n\nqueries in both ")
    assert len(re.findall(r"^q\d+: overlap", said, re.MULTILINE)) == 5


def test_json_is_a_list_with_the_corrected_p_the_letters_and_the_counts(runs: Path) -> None:
    command = ("compare", *ORDERS, "--qrels", "qrels", "--measures", "RR", "--json")
    (made,) = forked(*command, cwd=runs).records
    assert [each["names"] for each in made] == [["A", "B"], ["A", "C"]]
    p_values = [each["differences"][0]["p_value"] for each in made]
    corrected = [each["differences"][0]["p_holm"] for each in made]
    assert min(corrected) == pytest.approx(2 * min(p_values))
    assert max(corrected) == pytest.approx(max(p_values))
    assert [each["judged_queries_without_results"] for each in made[1]["counts"]] == [0, 1]
    assert len(made[0]["moved_most"]) == 5


@pytest.mark.parametrize(
    "command",
    [
        ("compare", *ORDERS),
        ("compare", *ORDERS, "--qrels", "qrels"),
        ("compare", "a.run", "b.run"),
        ("compare", "a.run", "b.run", "--qrels", "qrels"),
        ("eval", "b.run", "--before", "a.run", "--qrels", "qrels"),
        ("eval", "b.run", "--qrels", "qrels"),
    ],
)
def test_markdown_is_a_table_with_cells_of_equal_number_and_width(runs: Path, command: tuple[str, ...]) -> None:
    said = shown(runs, *command, "--markdown")
    head, rule, *rows = [line for line in said.splitlines() if line.startswith("|")]
    assert rows
    assert re.fullmatch(r"\|:-+(\|-+:)+\|", rule)
    assert {len(line) for line in (head, rule, *rows)} == {len(head)}
    assert {len(re.findall(r"(?<!\\)[|]", line)) for line in rows} == {rule.count("|")}
    if "a.run" in command and "--qrels" in command:
        assert re.search(r"\*\*\d\.\d{4}\*\*", said)


@pytest.mark.parametrize("options", [("--json",), ("--moved", "2")])
def test_markdown_goes_with_no_other_form(runs: Path, options: tuple[str, ...]) -> None:
    done = forked("compare", "a.run", "b.run", "--markdown", *options, cwd=runs)
    assert done.code == 2
    assert f"--markdown and {options[0]} do not go together" in done.said
    if options == ("--json",):
        assert forked("eval", "a.run", "--qrels", "qrels", "--markdown", "--json", cwd=runs).code == 2


def test_measures_without_quotes_and_without_judgements_are_named(runs: Path) -> None:
    for command in ("eval", "compare"):
        done = forked(command, "a.run", "b.run", "--qrels", "qrels", "--measures", "RR@5", "nDCG@10", "P@5", cwd=runs)
        assert done.code == 2
        assert "nDCG@10 is read as a file: --measures takes one value" in done.said
        assert "--measures 'RR@5 nDCG@10 P@5'" in done.said
    done = forked("compare", "a.run", "b.run", "--measures", "RR@5", cwd=runs)
    assert (done.code, "--measures needs --qrels" in done.said) == (2, True)
