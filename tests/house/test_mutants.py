"""Each mutant still finds the text that it alters, and the file of the test that must notice it."""

import pytest
from measure.mutants import MUTANTS, Mutant
from support.running import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_finds_its_text_once_and_its_test(mutant: Mutant) -> None:
    assert (ROOT / "rerank_cli" / mutant.file).read_text().count(mutant.text) == 1
    file, _, test = mutant.test.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / "tests" / file).read_text()
