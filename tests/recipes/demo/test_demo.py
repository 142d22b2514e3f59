"""The demo: its questions follow from the rule, and its report has the figures of `rerank eval`."""

import json
import runpy
from pathlib import Path

import pytest
from support.running import forked

CHOOSE = Path(__file__).parent / "choose.py"


@pytest.fixture(scope="module")
def questions(root: Path) -> Path:
    return root / "sample_data/demo/questions.jsonl"


def test_the_questions_are_those_of_the_rule(questions: Path, shared: Path) -> None:
    chosen = runpy.run_path(str(CHOOSE))["chosen"](shared)
    assert list(chosen) == [json.loads(line) for line in questions.read_text("utf-8").splitlines()]


def test_the_report_has_the_figures_of_eval(questions: Path, root: Path, tmp_path: Path) -> None:
    output = tmp_path / "demo.jsonl"
    assert forked("score", str(questions), "-o", str(output), "--engine", "fake", cwd=tmp_path).code == 0
    show = runpy.run_path(str(root / "sample_data/demo/report.py"))
    shown = [show["question"](line) for line in output.read_bytes().splitlines()]
    for lang in ("en", "zh", "ar"):
        part = tmp_path / f"{lang}.jsonl"
        lines = [line for line in output.read_bytes().splitlines(keepends=True) if json.loads(line)["lang"] == lang]
        part.write_bytes(b"".join(lines))
        done = forked("eval", str(part), "--measures", "nDCG@10", "--json", cwd=tmp_path)
        (found,) = json.loads(done.stdout)
        (row,) = found["differences"]
        group = [each for each in shown if each.record["lang"] == lang]
        orders = zip(*map(show["Question"].orders, group), strict=True)
        means = [sum(map(show["ndcg"], order)) / len(group) for order in orders]
        assert means == pytest.approx([row["before"], row["after"]], abs=1e-6)


def test_the_report_shows_what_helped_and_what_hurt(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show = runpy.run_path(str(root / "sample_data/demo/report.py"))
    grades = {"up": [0, 1], "down": [1, 0], "same": [1, 1]}
    lines = [
        json.dumps({"query": f"{name}\x1b[31m", "lang": "en", "candidates": [
            {"index": place, "text": f"text {place}", "score": 0.5, "relevance": before[place]} for place in (1, 0)]})
        for name, before in grades.items()
    ]  # fmt: skip
    report = show["report"]([show["question"](line.encode()) for line in lines])
    show["Console"](width=100).print(*report, sep="\n")
    out = capsys.readouterr().out
    assert "\x1b[31m" not in out
    order = [
        "It helped most here: the right answer was at 2, is at 1",
        "up\\x1b[31m",
        "It hurt most here",
        "down\\x1b[31m",
    ]
    assert [out.index(text) for text in order] == sorted(out.index(text) for text in order)
