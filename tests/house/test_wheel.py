"""The wheel holds the embedded model, and nothing that belongs to the checkout alone."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

MINI = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")


@pytest.fixture(scope="module")
def names(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(root / "rerank_cli", source / "rerank_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = target.glob("rerank_cli-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_holds_the_embedded_model_and_its_card(names: list[str]) -> None:
    assert {f"rerank_cli/mini/{name}" for name in MINI} <= set(names)


def test_wheel_is_typed_and_whole(names: list[str], root: Path) -> None:
    ours = {str(path.relative_to(root)) for path in (root / "rerank_cli").rglob("*.py")}
    assert ours | {"rerank_cli/py.typed"} <= set(names)


def test_wheel_holds_no_tests_and_no_samples(names: list[str]) -> None:
    assert not [name for name in names if name.startswith(("tests", "sample_data"))]
