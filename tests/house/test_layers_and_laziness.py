"""A wing imports only from lower layers, and heavy packages are imported only where they are needed."""

import fcntl
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.running import HANG_S, ROOT, environment, lines

HEAVY = {
    "torch",
    "transformers",
    "tokenizers",
    "huggingface_hub",
    "numpy",
    "onnxruntime",
    "openvino",
    "pyarrow",
    "ray",
    "sentence_transformers",
    "datasets",
    "peft",
    "matplotlib",
}
PROGRAM = """
import sys
from rerank_cli.cli.process import run
code = int(run(sys.argv[2:]))
print(code, *sorted(set(sys.modules) & set(sys.argv[1].split(","))), file=sys.stderr)
"""


def ended(folder: Path, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """The exit code of a command, and which heavy modules it had imported by then."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(HEAVY), *arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_S,
        check=True,
    )
    code, *modules = done.stderr.decode().splitlines()[-1].split()
    return int(code), modules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(lines(3))
    (tmp_path / "other.jsonl").write_text('{"question": "tea?"}\n')
    (tmp_path / "done.jsonl").write_text("precious\n")
    return tmp_path


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (0, "--help"),
        (0, "--version"),
        (0, "score --help"),
        (0, "doctor --help"),
        (0, "check in.jsonl"),
        (3, "check other.jsonl"),
        (4, "check none.jsonl"),
        (2, "score in.jsonl -o out.jsonl --no-such-option"),
        (2, "score in.jsonl -o out.jsonl --top-k 0"),
        (2, "score in.jsonl -o in.jsonl"),
        (2, "score in.jsonl -o out.jsonl --max-errors some"),
        (2, "score in.jsonl -o out.jsonl --engine steam"),
        (4, "score none.jsonl -o out.jsonl"),
        (4, "score other.jsonl -o out.jsonl"),
        (4, "score other.jsonl -o -"),
        (5, "score in.jsonl -o none/out.jsonl"),
        (8, "score in.jsonl -o done.jsonl"),
        (0, "score in.jsonl -o out.jsonl --engine fake"),
        (0, "models"),
        (6, "models ./none"),
    ],
)
def test_nothing_heavy_is_imported_for(folder: Path, code: int, command: str) -> None:
    assert ended(folder, *command.split()) == (code, [])


@pytest.mark.parametrize("options", [[], ["--dtype", "int8"], ["--device", "cpu"]])
def test_a_model_is_described_without_torch_and_transformers(folder: Path, options: list[str]) -> None:
    assert ended(folder, "models", "mini", *options) == (0, ["tokenizers"])


def test_nothing_heavy_is_imported_for_a_refusal_because_of_another_run(folder: Path) -> None:
    with (folder / "out.jsonl.lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ended(folder, "score", "in.jsonl", "-o", "out.jsonl") == (11, [])


def placed(folder: Path, kind: str) -> str:
    """How to name a tiny reranker: its folder, or its id where the hub cache in `folder` holds it."""
    from support.tiny import write_reranker

    if kind == "a folder":
        return str(write_reranker(folder / "model"))
    repository, commit = folder / "home/hub/models--someone--tiny", "5" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots").mkdir()
    write_reranker(repository / "snapshots" / commit)
    return "someone/tiny"


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("auto", "a model of the hub"),
        ("torch", "a folder"),
        pytest.param("onnx", "a folder", marks=pytest.mark.slow),
    ],
)
def test_nothing_heavy_is_imported_by_a_run_that_has_nothing_to_do(folder: Path, engine: str, kind: str) -> None:
    pytest.importorskip("onnxruntime")
    model = placed(folder, kind)
    command = ["score", "in.jsonl", "-o", "out.jsonl", "--resume", "--engine", engine, "--device", "cpu"]
    code, modules = ended(folder, *command, "--model", model, HF_HOME=str(folder / "home"))
    assert code == 0
    assert "tokenizers" in modules
    assert ended(folder, *command, "--model", model, HF_HOME=str(folder / "home")) == (0, [])


@pytest.mark.parametrize(
    ("engine", "library"), [("openvino", "openvino"), pytest.param("onnx", "onnxruntime", marks=pytest.mark.slow)]
)
def test_a_run_on_a_graph_that_is_there_imports_neither_torch_nor_transformers(
    folder: Path, engine: str, library: str
) -> None:
    pytest.importorskip(library)
    model = placed(folder, "a folder")
    command = ["score", "in.jsonl", "-o", "-", "--engine", engine]
    assert ended(folder, *command, "--model", model)[0] == 0, "makes the graph"
    assert ended(folder, *command, "--model", model) == (0, sorted([library, "numpy", "tokenizers"]))
    assert ended(folder, "export", "--model", model, "-o", "exported", "--format", engine)[0] == 0
    empty = str(folder / "empty")
    assert ended(folder, *command, "--model", "exported", RERANK_CACHE=empty) == (
        0,
        sorted([library, "numpy", "tokenizers"]),
    )


def test_the_measure_sees_heavy_modules_where_they_are_needed(folder: Path) -> None:
    _, modules = ended(folder, "doctor", "--engine", "fake")
    assert "huggingface_hub" in modules


def test_every_module_keeps_to_its_floor() -> None:
    pytest.importorskip("importlinter")
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    assert b"2 kept, 0 broken" in done.stdout


def test_the_contract_is_about_every_module_of_the_package() -> None:
    contract, _ = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert contract["type"] == "layers"
    assert contract["exhaustive"] is True
    assert contract["containers"] == ["rerank_cli"]


def test_the_linter_bans_the_same_modules() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert set(lint["flake8-tidy-imports"]["banned-module-level-imports"]) == HEAVY
    assert "TID253" in lint["select"]
