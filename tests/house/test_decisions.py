"""The decisions in the documents: each has a number of its own, by which the others name it."""

import re
from collections import Counter
from pathlib import Path

DECISIONS = Path(__file__).parents[2] / "rerank_cli" / "docs" / "decisions.md"


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = re.findall(r"^- \*\*D(\d+)\*\*", DECISIONS.read_text(), flags=re.MULTILINE)
    assert len(numbers) > 60
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
