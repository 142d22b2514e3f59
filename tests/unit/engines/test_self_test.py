"""The tables of the self-test."""

from rerank_cli.core.dtypes import DTYPES
from rerank_cli.engines.known_scores import known_models
from rerank_cli.engines.self_test import KNOWN_ORDER, SINGLES_TOLERANCE


def test_every_dtype_has_tolerances() -> None:
    assert set(SINGLES_TOLERANCE) == set(DTYPES)


def test_a_model_whose_order_is_known_is_a_known_model() -> None:
    assert set(known_models()) >= KNOWN_ORDER
