"""The matrix rate of the machine: the fastest product of random matrices that an installed library makes.

It gives a lower bound of the time that a model takes. No single library is the fastest everywhere, so several are
measured on a CPU: torch, oneDNN with a packed weight (as the torch engine uses it), OpenVINO and numpy.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

CPU_SIZE, CUDA_SIZE = (4096, 1024, 4096), (8192, 8192, 8192)  # rows, terms, columns
SECONDS = 0.5  # for each library
NUMPY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Product(NamedTuple):
    """The product of two matrices by a library: `multiply()` returns it (m × n, a tensor or an array)."""

    library: str
    multiply: Callable[[], Any]


class Matrix:
    """A task of the worker: the rates of all libraries in one dtype, on one device."""

    def __init__(self, device: str, threads: int | None, size: tuple[int, int, int] | None = None) -> None:
        if threads and "numpy" not in sys.modules:  # numpy reads these when it is imported
            os.environ |= dict.fromkeys(NUMPY_THREADS, str(threads))
        import torch

        self._torch, self._device, self._threads = torch, device, threads
        self._size = size or (CUDA_SIZE if device.startswith("cuda") else CPU_SIZE)
        if threads:
            torch.set_num_threads(threads)

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer has GFLOP/s in `dtype` by library; empty if none has such a product."""
        m, k, n = self._size
        rates: dict[str, float] = {}
        for product in self.products(request["dtype"]):
            try:
                product.multiply()
            except RuntimeError:  # not for this CPU and dtype
                continue
            rates[product.library] = round(2 * m * k * n / self._time_of(product.multiply) / 1e9, 1)
        return {"gflops": rates}

    def factors(self, dtype: str) -> tuple[Any, Any]:
        """Two random matrices (m × k and k × n, tensors on the device), the same ones for all libraries."""
        torch, (m, k, n) = self._torch, self._size
        kind = import_module("rerank_cli.engines.torch_device").TORCH_DTYPES[dtype]
        draw = torch.Generator().manual_seed(0)
        if kind is torch.int8:
            both = (torch.randint(-127, 128, shape, generator=draw).to(kind) for shape in ((m, k), (k, n)))
        else:
            both = (torch.randn(shape, generator=draw).to(kind) for shape in ((m, k), (k, n)))
        a, b = (each.to(self._device) for each in both)
        return a, b

    def products(self, dtype: str) -> Iterator[Product]:
        """The product of `factors` by each library that has it in `dtype`."""
        torch, (a, b) = self._torch, self.factors(dtype)
        multiply = torch._int_mm if dtype == "int8" else torch.mm  # noqa: SLF001 - torch names it so
        yield Product("torch", lambda: multiply(a, b))
        if self._device != "cpu":
            return
        if dtype in ("fp32", "bf16") and (packed := self._packed(b)) is not None:
            yield Product("oneDNN", lambda: packed(a))
        if dtype == "fp32":
            x, y = a.numpy(), b.numpy()
            yield Product("numpy", lambda: x @ y)
        if self._openvino_has(dtype):
            compiled = cache(lambda: self._compiled(b, dtype))  # by the first product: it may fail as that may
            given = a.float().numpy()
            yield Product("OpenVINO", lambda: compiled()(given)[0])

    def _packed(self, b: Any) -> Any:
        """A linear layer with the weight `b`, packed once; None if this torch has none."""
        torch = self._torch
        linear = torch.nn.Linear(*b.shape, bias=False, dtype=b.dtype)
        linear.weight.data = b.T.contiguous()
        packed_linear = import_module("rerank_cli.engines.torch_packed_linear")
        if not packed_linear.computes_the_same(linear):
            return None
        return torch.inference_mode()(packed_linear.PackedLinear(linear))

    def _openvino_has(self, dtype: str) -> bool:
        """Whether OpenVINO is installed and has instructions for `dtype`: emulated bfloat16 takes minutes."""
        if find_spec("openvino") is None or dtype == "fp16":
            return False
        return dtype != "bf16" or bool(import_module("rerank_cli.engines.openvino_runtime").computes_bfloat16())

    def _compiled(self, b: Any, dtype: str) -> Any:
        """A graph of OpenVINO that multiplies by `b`. In int8, both are rounded to 255 levels of one scale."""
        import numpy as np

        openvino = import_module("openvino")
        op = import_module("openvino.opset13")
        m, k, _ = self._size
        given, weight = op.parameter([m, k], np.float32), op.constant(b.float().numpy())
        factors = given, weight
        if dtype == "int8":
            ends = [op.constant(np.float32(end)) for end in (-127, 127)]
            factors = tuple(op.fake_quantize(each, *ends, *ends, levels=255) for each in factors)
        model = openvino.Model([op.matmul(*factors, transpose_a=False, transpose_b=False)], [given])
        runtime = import_module("rerank_cli.engines.openvino_runtime")
        threads = self._threads or self._torch.get_num_threads()
        settings = runtime.settings_for(None, "fp32", half=dtype == "bf16", threads=threads)
        return openvino.Core().compile_model(model, "CPU", settings)

    def _time_of(self, multiply: Callable[[], Any]) -> float:
        """Seconds per product, the minimum within half a second. On CUDA groups of ten are timed."""
        queued = 10 if self._device.startswith("cuda") else 1
        times: list[float] = []
        end = time.perf_counter() + SECONDS
        while not times or time.perf_counter() < end:
            self._wait()
            started = time.perf_counter()
            for _ in range(queued):
                multiply()
            self._wait()
            times.append((time.perf_counter() - started) / queued)
        return min(times)

    def _wait(self) -> None:
        if self._device.startswith("cuda"):
            self._torch.cuda.synchronize(self._device)
        elif self._device == "mps":
            self._torch.mps.synchronize()
