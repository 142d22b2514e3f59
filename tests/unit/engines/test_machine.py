"""What the machine is."""

from pathlib import Path

import pytest

from rerank_cli.engines.machine import cpu_info, has_vnni, lacks_bfloat16


@pytest.mark.parametrize(
    ("architecture", "flags", "exact"),
    [
        ("x86_64", "fpu avx2 fma", False),
        ("x86_64", "fpu avx2 avx512f avx512_vnni", True),
        ("AMD64", "fpu avx2 avx_vnni", True),
        ("aarch64", "fp asimd", True),
    ],
)
def test_x86_adds_products_of_bytes_exactly_only_with_vnni(
    tmp_path: Path, architecture: str, flags: str, exact: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: vnni in a name\nflags\t\t: {flags}\n")
    assert has_vnni(architecture, cpu_info(tmp_path / "cpuinfo")) is exact


def test_x86_that_tells_nothing_is_taken_to_saturate(tmp_path: Path) -> None:
    assert not has_vnni("x86_64", cpu_info(tmp_path / "none"))


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        ("flags\t\t: fpu avx512f avx512_vnni", True),
        ("flags\t\t: fpu avx512f avx512_bf16", False),
        ("flags\t\t: fpu amx_bf16 amx_tile", False),
        ("Features\t: fp asimd i8mm bf16", False),
        ("Features\t: fp asimd", True),
        ("model name\t: a CPU whose instructions are not listed", False),
    ],
)
def test_bfloat16_is_lacking_only_where_instructions_are_listed_without_it(line: str, lacks: bool) -> None:
    assert lacks_bfloat16([line]) is lacks
