"""Rows: which texts of an example are taken, and with which labels."""

from random import Random

import pytest

from rerank_cli.training.rows import LOSSES, Example, length_of, rows_of

GRADED = Example("q", tuple("abcdefgh"), (3.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0), tuple(map(float, range(8))))


def test_a_grade_is_the_same_label_in_every_record() -> None:
    low = Example("q", ("x", "y"), (1.0, 0.0))
    labels = [row["label"] for each in (low, GRADED) for row in rows_of(each, LOSSES["bce"], 9, Random(1), best=3.0)]
    assert labels == pytest.approx([1 / 3, 0, 1, 0, 1 / 3, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("relevance", "negatives", "relevant", "others"),
    [
        ((1, *[0] * 9), 7, 1, 7),
        (([1] * 6 + [0] * 6), 7, 4, 4),
        (([1] * 9 + [0]), 7, 7, 1),
        ((1, 0), 7, 1, 1),
    ],
)
def test_a_list_is_as_long_as_asked_and_half_of_it_not_relevant(
    relevance: tuple[int, ...], negatives: int, relevant: int, others: int
) -> None:
    example = Example("q", tuple(map(str, range(len(relevance)))), tuple(map(float, relevance)))
    (row,) = rows_of(example, LOSSES["listnet"], negatives, Random(1))
    assert (sum(label > 0 for label in row["label"]), sum(label == 0 for label in row["label"])) == (relevant, others)
    assert [relevance[int(text)] for text in row["texts"]] == row["label"]


def test_margins_are_the_teachers_and_lists_keep_its_logits() -> None:
    margins = {
        (row["positive"], row["negative"]): row["label"] for row in rows_of(GRADED, LOSSES["margin-mse"], 9, Random(1))
    }
    assert margins["a", "b"] == -1.0
    assert margins["c", "h"] == -5.0
    assert len(margins) == 12
    (row,) = rows_of(GRADED, LOSSES["kl"], 9, Random(1))
    assert dict(zip(row["texts"], row["label"], strict=True)) == dict(
        zip("abcdefgh", map(float, range(8)), strict=True)
    )


def test_negatives_are_drawn_by_the_seed() -> None:
    taken = [
        tuple(row["negative"] for row in rows_of(GRADED, LOSSES["triplet"], 2, Random(seed))) for seed in (1, 1, 2)
    ]
    assert len(taken[0]) == 4
    assert taken[0] == taken[1] != taken[2]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_is_as_long_as_its_query_and_longest_text_in_bytes(loss: str) -> None:
    example = Example("who?", ("a", "长城在哪里", "bbbbb"), (1.0, 0.0, 0.0), (3.0, 2.0, 1.0))
    expected = {"bce": [5, 19, 9], "margin-mse": [19, 9], "triplet": [19, 9]}.get(loss, [19])
    assert [length_of(row) for row in rows_of(example, LOSSES[loss], 2, Random(1))] == expected
