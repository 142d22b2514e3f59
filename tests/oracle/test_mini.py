"""The embedded model is the one that its card describes. A successor changes this file and nothing else."""

from pathlib import Path

import pytest

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.known_scores import known_models
from rerank_cli.engines.self_test import PAIRS, score_together
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder

WEIGHTS_SHA256 = "361dfffc5c997df0dad87e0d0185c4d34f28a063cb89df91b5b38bc9115c6dbc"


@pytest.fixture(scope="module")
def mini() -> TorchCrossEncoder:
    scorer = TorchCrossEncoder(ModelConfig(model="mini", device="cpu", dtype="fp32"))
    scorer.load()
    return scorer


def test_mini_has_the_weights_of_its_card(mini: TorchCrossEncoder) -> None:
    assert mini.identity.weights_sha256 == WEIGHTS_SHA256


def test_mini_gives_the_scores_that_its_card_states_and_doctor_expects(mini: TorchCrossEncoder, root: Path) -> None:
    known = known_models()["mini"].scores
    assert [(each.query, each.document) for each in known] == PAIRS
    expected = [each.expected for each in known]
    assert score_together(mini, mini.prepare(PAIRS)) == pytest.approx(expected, abs=2e-3)
    card = (root / "rerank_cli/models/mini/README.md").read_text(encoding="utf-8")
    assert all(f"{logit}" in card for logit in expected)


def test_mini_says_when_it_lowers_a_length_that_was_asked_for(mini: TorchCrossEncoder) -> None:
    assert mini.identity.max_length == 512
    assert mini.notes == []
    asked = ModelConfig(model="mini", device="cpu", dtype="fp32", requested=("max_length",))
    assert any("1024" in note and "512" in note for note in TorchCrossEncoder(asked).notes)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("WHO WROTE THE ODYSSEY?", "THE ODYSSEY IS AN EPIC BY HOMER."),
        ("ПЕРШИЙ ЗАКОН", "ΤΟ ΤΑΞΙΔΙ ΤΟΥ ΟΔΥΣΣΕΑ, ÉCRIT PAR HOMÈRE"),
        ("ＦＵＬＬ ＷＩＤＴＨ", "H₂O IS ½ OF THE ANSWER"),
    ],
)
def test_mini_reads_capitals_as_small_letters(mini: TorchCrossEncoder, query: str, text: str) -> None:
    pairs = [(query, text), (query.lower(), text.lower()), (query.capitalize(), text.title())]
    logits = score_together(mini, mini.prepare(pairs))
    assert logits == pytest.approx([logits[0]] * 3, abs=1e-4)


def test_mini_carries_its_card_and_a_licence(root: Path) -> None:
    assert "license: apache-2.0" in (root / "rerank_cli/models/mini/README.md").read_text(encoding="utf-8")
