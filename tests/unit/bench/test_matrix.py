"""The matrix rate is that of true products: every library multiplies the same two matrices."""

import pytest
import torch

from rerank_cli.bench.matrix import Matrix

CLOSE = {"fp32": 1e-5, "bf16": 1e-2, "int8": 0.0}  # relative to the largest value of the exact product


@pytest.mark.slow
@pytest.mark.parametrize("dtype", CLOSE)
def test_every_library_multiplies_the_same_matrices(dtype: str) -> None:
    matrix = Matrix("cpu", None, (64, 32, 48))
    a, b = matrix.factors(dtype)
    exact = a.double() @ b.double()
    multiplied = {}
    for product in matrix.products(dtype):
        found = torch.as_tensor(product.multiply()).double()
        multiplied[product.library] = ((found - exact).abs().max() / exact.abs().max()).item()
    assert "torch" in multiplied
    assert all(error <= CLOSE[dtype] for error in multiplied.values()), multiplied
    if dtype == "fp32":
        assert {"torch", "oneDNN", "numpy"} <= multiplied.keys()


@pytest.mark.slow
def test_rates_are_the_operations_over_the_time_of_the_fastest_repetition() -> None:
    matrix = Matrix("cpu", None, (256, 256, 256))
    rates = matrix({"dtype": "fp32"})["gflops"]
    assert all(0 < rate < 1e5 for rate in rates.values())
    assert rates.keys() >= {"torch", "oneDNN", "numpy"}


def test_a_library_that_cannot_make_the_product_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    matrix = Matrix("cpu", None, (64, 32, 48))

    def refuse(b: object, dtype: str) -> None:
        raise RuntimeError("not on this CPU")

    monkeypatch.setattr(matrix, "_compiled", refuse)
    rates = matrix({"dtype": "fp32"})["gflops"]
    assert set(rates) >= {"torch", "numpy"}
    assert "OpenVINO" not in rates
