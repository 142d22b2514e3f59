"""The value of each loss on a few rows is what its definition gives for the model's logits."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder
from torch.nn import functional

from rerank_cli.training.rows import LOSSES, Example, rows_of
from rerank_cli.training.trainer_losses import make_loss

EXAMPLES = (
    Example("what is a ?", ("b c", "a d", "c d", "d a"), (0.0, 2.0, 0.0, 1.0), (-1.0, 3.0, -2.0, 0.5)),
    Example("what is b ?", ("b c", "a d", "c c", "d a"), (1.0, 0.0, 0.0, 0.0), (2.0, 0.0, -3.0, 1.0)),
)


@pytest.fixture(scope="module")
def model(base: Path) -> CrossEncoder:
    made = CrossEncoder(str(base), num_labels=1, device="cpu", local_files_only=True)
    torch.manual_seed(3)
    torch.nn.init.normal_(made.model.classifier.weight)
    found = torch.cat([logits(made, each.query, list(each.texts)) for each in EXAMPLES])
    made.model.classifier.bias.data -= found.mean()
    for part in made.model.classifier.parameters():
        part.data *= 2 / found.std()  # so that logits are like a trained model's
    return made.eval()


def logits(model: CrossEncoder, query: str, texts: list[str]) -> torch.Tensor:
    return torch.tensor(model.predict([(query, text) for text in texts], activation_fn=torch.nn.Identity()))


def value(model: CrossEncoder, name: str, made: list[dict[str, Any]]) -> float:
    """The loss of these rows, given as the trainer gives them: columns of texts, and labels."""
    columns = [[row[name] for row in made] for name in made[0] if name != "label"]
    labels = [row.get("label") for row in made]
    lists = isinstance(labels[0], list)
    given = (
        [torch.tensor(each) for each in labels] if lists else torch.tensor(labels) if labels[0] is not None else None
    )
    with torch.no_grad():
        return float(make_loss(name, model)(columns, given))


def of_all(name: str) -> list[dict[str, Any]]:
    return [row for each in EXAMPLES for row in rows_of(each, LOSSES[name], 7, Random(1), best=2.0)]


def test_bce_is_binary_cross_entropy_of_graded_labels(model: CrossEncoder) -> None:
    texts = [(each.query, text) for each in EXAMPLES for text in each.texts]
    found = torch.cat([logits(model, query, [text]) for query, text in texts])
    wanted = torch.tensor([0, 1, 0, 0.5, 0.5, 0, 0, 0])
    expected = functional.binary_cross_entropy_with_logits(found, wanted)
    assert value(model, "bce", of_all("bce")) == pytest.approx(expected.item(), abs=1e-3)


@pytest.mark.parametrize(("name", "field"), [("listnet", "relevance"), ("kl", "teacher")])
def test_lists_are_cross_entropy_to_the_softmax_of_grades_or_of_a_teacher(
    model: CrossEncoder, name: str, field: str
) -> None:
    parts = []
    for each in EXAMPLES:
        wanted = torch.softmax(torch.tensor(getattr(each, field)), 0)
        parts.append(-(wanted * torch.log_softmax(logits(model, each.query, list(each.texts)), 0)).sum())
    assert value(model, name, of_all(name)) == pytest.approx(torch.stack(parts).mean().item(), abs=1e-3)


def differences(model: CrossEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Of relevant and other texts: the model's difference of logits, and the teacher's."""
    ours, theirs = [], []
    for each in EXAMPLES:
        found = logits(model, each.query, list(each.texts))
        for place in each.positives:
            for other in each.negatives:
                ours.append(found[place] - found[other])
                theirs.append((each.teacher or ())[place] - (each.teacher or ())[other])
    return torch.stack(ours), torch.tensor(theirs)


def test_margin_mse_is_the_squared_difference_of_margins(model: CrossEncoder) -> None:
    ours, theirs = differences(model)
    assert value(model, "margin-mse", of_all("margin-mse")) == pytest.approx(
        functional.mse_loss(ours, theirs).item(), rel=1e-3
    )


def test_triplet_is_what_is_missing_to_the_margin(model: CrossEncoder) -> None:
    expected = torch.relu(1 - differences(model)[0]).mean()
    assert value(model, "triplet", of_all("triplet")) == pytest.approx(expected.item(), abs=1e-3)


def test_lambda_asks_for_the_order_and_for_no_more(model: CrossEncoder) -> None:
    """A list in the right order by far costs nothing, the reverse much; ListNet would cost in both."""
    texts = ("b c", "a d", "c d")
    order = torch.argsort(logits(model, "what is a ?", list(texts)), descending=True).tolist()
    grades = {place: float(2 - rank) for rank, place in enumerate(order)}
    right = Example("what is a ?", texts, tuple(grades[place] for place in range(3)))
    wrong = Example("what is a ?", texts, tuple(2 - grades[place] for place in range(3)))
    costs = [value(model, "lambda", list(rows_of(each, LOSSES["lambda"], 7, Random(1)))) for each in (right, wrong)]
    assert costs[0] < 0.5 * costs[1]
