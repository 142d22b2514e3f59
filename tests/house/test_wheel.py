"""The wheel holds the package whole, and runs where nothing is but what it requires."""

import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from support.running import HANG_S, environment, lines

MINI = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
EXTRAS = ("openvino", "onnxruntime", "pyarrow", "ir_measures", "scipy", "sentence_transformers", "matplotlib")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(root / "rerank_cli", source / "rerank_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.glob("rerank_cli-*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def required(requirements: list[str]) -> set[str]:
    """The distributions that these requirements need, and those that they need, as installed here; without extras."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        line = waiting.pop()
        name = re.match(r"[A-Za-z0-9._-]+", line)[0].lower()
        if "extra ==" in line or name in found:
            continue
        try:
            waiting += metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:  # for another platform, or another Python
            continue
        found.add(name)
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own: the wheel installed, and links to the packages that it requires."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    (ours,) = site.glob("rerank_cli-*.dist-info")
    for name in required(metadata.Distribution.at(ours).requires):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return folder / "bin" / "python"


def ended(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program with these arguments, run to its end in `folder`."""
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def test_the_environment_has_no_extras(python: Path, tmp_path: Path) -> None:
    program = f"from importlib.util import find_spec; print([name for name in {EXTRAS} if find_spec(name)])"
    assert ended(python, tmp_path, "-c", program).stdout == "[]\n"


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "check in.jsonl",
        "help guide",
        "score in.jsonl -o out.jsonl --engine fake",
        pytest.param("score in.jsonl -o out.jsonl --model mini --offline", marks=pytest.mark.slow),
    ],
)
def test_the_wheel_runs_elsewhere_without_extras(python: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(3))
    done = ended(python.with_name("rerank"), tmp_path, *command.split())
    assert done.returncode == 0, done.stderr
    if "-o" in command:
        assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 3


def test_wheel_holds_the_embedded_model_and_its_card(names: list[str]) -> None:
    assert {f"rerank_cli/models/mini/{name}" for name in MINI} <= set(names)


def test_wheel_is_typed_and_whole(names: list[str], root: Path) -> None:
    ours = {str(path.relative_to(root)) for path in (root / "rerank_cli").rglob("*.py")}
    prose = {str(path.relative_to(root)) for path in (root / "rerank_cli" / "docs").rglob("*.md")}
    beside = {"rerank_cli/py.typed", "rerank_cli/display/report.html.j2"}
    assert "rerank_cli/docs/experiments/mini.md" in prose
    assert ours | prose | beside <= set(names)


def test_wheel_holds_no_tests_and_no_samples(names: list[str]) -> None:
    assert not [name for name in names if name.startswith(("tests", "sample_data"))]
