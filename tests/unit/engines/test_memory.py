"""The memory of the machine, and models that cannot fit into it."""

from pathlib import Path

import pytest
from support.tiny import write_larger_than_memory, write_reranker

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import DeviceError, ExitStatus
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.memory import machine_memory, weights_in_memory
from rerank_cli.models.folder import inspect_folder

GIB = 2**30


def memory(folder: Path, total: int = 16, swap: int = 4, own: str = "0::/", **limits: str) -> int | None:
    """What is seen on a machine with so many GiB; `limits` are files of control groups, _ for a folder's slash."""
    (folder / "meminfo").write_text(f"MemTotal: {total * 2**20} kB\nMemFree: 1 kB\nSwapTotal: {swap * 2**20} kB\n")
    (folder / "own").write_text(f"1:cpu:/a\n9:name=systemd:/b\n{own}\n")
    for name, text in limits.items():
        path = folder / "groups" / name.replace("__", "/").replace("_of_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return machine_memory(folder / "meminfo", folder / "groups", folder / "own")


def test_without_a_limit_it_is_the_machine_with_its_swap(tmp_path: Path) -> None:
    assert memory(tmp_path) == 20 * GIB
    assert memory(tmp_path, memory_of_max="max\n") == 20 * GIB
    assert memory(tmp_path, memory__memory_of_limit_in_bytes=str(2**63 - 4096)) == 20 * GIB


@pytest.mark.parametrize(
    ("own", "limits", "gib"),
    [
        ("0::/", {"memory_of_max": f"{8 * GIB}\n"}, 12),
        ("0::/", {"memory_of_max": f"{8 * GIB}\n", "memory_of_swap_of_max": "0\n"}, 8),
        ("0::/", {"memory__memory_of_limit_in_bytes": f"{6 * GIB}\n"}, 10),
        ("0::/job/one", {"job__memory_of_max": f"{3 * GIB}", "job__one__memory_of_max": "max"}, 7),
        ("0::/job/one", {"job__memory_of_max": f"{9 * GIB}", "job__one__memory_of_max": f"{2 * GIB}"}, 6),
        ("0::/", {"memory_of_max": f"{64 * GIB}"}, 20),
        ("4:memory:/slurm/job", {"memory__slurm__job__memory_of_limit_in_bytes": f"{2 * GIB}"}, 6),
        ("4:cpu,memory:/slurm/job", {"memory__slurm__memory_of_limit_in_bytes": f"{2 * GIB}"}, 6),
        ("4:cpuset:/slurm/job", {"memory__slurm__memory_of_limit_in_bytes": f"{2 * GIB}"}, 20),
    ],
)
def test_the_lowest_limit_of_a_control_group_counts(tmp_path: Path, own: str, limits: dict[str, str], gib: int) -> None:
    assert memory(tmp_path, own=own, **limits) == gib * GIB


@pytest.mark.parametrize("text", [None, "", "MemTotal: many kB\n"])
def test_unknown_where_it_cannot_be_seen(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    assert machine_memory(tmp_path / "meminfo", tmp_path, tmp_path / "own") is None


@pytest.mark.parametrize(("engine", "package"), [("torch", "torch"), ("openvino", "openvino")])
def test_a_model_larger_than_the_memory_is_refused_before_its_weights_are_read(
    tmp_path: Path, engine: str, package: str
) -> None:
    """Reading half a terabyte of zeros would not end."""
    pytest.importorskip(package)
    folder = write_larger_than_memory(tmp_path / "m")
    with pytest.raises(DeviceError) as fault:
        open_scorer(ModelConfig(model=str(folder), engine=engine, device="cpu"))
    assert fault.value.status == ExitStatus.DEVICE
    assert "524,288 MiB" in str(fault.value)


def test_weights_are_counted_in_the_dtype_of_the_computation(tmp_path: Path) -> None:
    folder = inspect_folder(ModelConfig(model="m"), write_reranker(tmp_path / "m"), None)
    counts = {dtype: weights_in_memory(folder, dtype) for dtype in ("fp32", "fp16", "bf16", "int8")}
    assert counts["fp32"] == 2 * counts["fp16"] == 2 * counts["bf16"] == 4 * counts["int8"]
    assert counts["fp32"] == pytest.approx(folder.weight_bytes, rel=0.2)  # but for the header
