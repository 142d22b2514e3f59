"""The tables of the self-test."""

from rerank_cli.core.dtypes import DTYPES
from rerank_cli.engines.self_test import SINGLES_TOLERANCE, TOLERANCES


def test_every_dtype_has_tolerances() -> None:
    assert set(SINGLES_TOLERANCE) == set(DTYPES)
    assert all(set(table) == set(DTYPES) for table in TOLERANCES.values())
