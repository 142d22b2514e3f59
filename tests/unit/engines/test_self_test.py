"""The tables of the self-test."""

from rerank_cli.engines.registry import DTYPES
from rerank_cli.engines.self_test import SINGLES_TOLERANCE, TOLERANCES


def test_every_dtype_has_tolerances() -> None:
    named = set(DTYPES) - {"auto"}
    assert set(SINGLES_TOLERANCE) == named
    assert all(set(table) == named for table in TOLERANCES.values())
