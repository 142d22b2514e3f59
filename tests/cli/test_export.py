"""`rerank export`: a folder that scores as the model it was made from."""

import json
import shutil
from pathlib import Path

import pytest
from support.running import rerank
from support.tiny import write_reranker

slow = pytest.mark.slow  # one form of each library stands for the others
RECORD = '{"query": "what is panda?", "candidates": ["hi", "panda is a b c", "what", "x y z"]}\n'


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_reranker(tmp_path / "tiny")


def logits(folder: Path, source: Path, *options: str) -> dict[int, float]:
    done = rerank("score", source, "-o", "-", "--model", folder, "-q", *options)
    assert done.code == 0, done.stderr
    return {candidate["index"]: candidate["logit"] for candidate in json.loads(done.stdout)["candidates"]}


@pytest.mark.parametrize(
    ("form", "package", "dtype"),
    [
        pytest.param("openvino", "openvino", "fp32", marks=slow),
        pytest.param("openvino", "openvino", "fp16", marks=slow),
        pytest.param("openvino", "openvino", "int8", marks=slow),
        pytest.param("onnx", "onnxruntime", "fp32", marks=slow),
        pytest.param("onnx", "onnxruntime", "fp16", marks=slow),
        pytest.param("onnx", "onnxruntime", "int8", marks=slow),
    ],
)
def test_exported_folder_scores_as_its_model_does(
    form: str, package: str, dtype: str, tiny: Path, tmp_path: Path
) -> None:
    pytest.importorskip(package)
    source, target = tmp_path / "in.jsonl", tmp_path / "exported"
    source.write_text(RECORD)
    done = rerank("export", "-o", target, "--model", tiny, "--format", form, "--dtype", dtype, "--records", source)
    assert done.code == 0, done.stderr
    assert f"format                  {form}, {dtype}\n" in done.stdout.decode()
    assert "parity with torch fp32  4 pairs, 1 queries\n" in done.stdout.decode()
    parity = json.loads((target / "rerank_export.json").read_text())["parity"]
    expected = logits(tiny, source, "--engine", "torch")
    shutil.rmtree(tiny)
    found = logits(target, source)
    assert found.keys() == expected.keys()
    worst = max(abs(found[index] - expected[index]) for index in found)
    assert worst == pytest.approx(parity["max_delta"], abs=1e-6)
    bound = {"fp32": 2e-6, "int8": 2e-3}.get(dtype, 5e-4)  # onnxruntime's int8 differs by 0.0012 on some CPUs
    assert worst <= bound  # logits are all near -0.002; others tell mini's apart


@pytest.mark.slow
def test_what_is_in_the_way_is_refused_and_left_alone(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years")
    for more in ((), ("--overwrite",)):
        done = rerank("export", "-o", mine, "--model", tiny, *more)
        assert done.code == 8, done.stderr
        assert (mine / "thesis.tex").read_text() == "years"
    made = tmp_path / "made"
    assert rerank("export", "-o", made, "--model", tiny).code == 0
    note = (made / "rerank_export.json").read_bytes()
    assert rerank("export", "-o", made, "--model", tiny).code == 8
    assert rerank("export", "-o", made, "--model", tiny, "--dtype", "int8", "--overwrite").code == 0
    assert (made / "rerank_export.json").read_bytes() != note
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "mine", "tiny"]


@pytest.mark.slow
def test_damaged_exported_folder_is_refused(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    source, target = tmp_path / "in.jsonl", tmp_path / "exported"
    source.write_text(RECORD)
    assert rerank("export", "-o", target, "--model", tiny).code == 0
    with (target / "openvino_model.bin").open("r+b") as file:
        file.write(b"x")
    done = rerank("score", source, "-o", tmp_path / "out.jsonl", "--model", target)
    assert done.code == 6
    assert b"openvino_model.bin: changed since the export" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--format", "coreml"], 2, b"--format coreml"),
        (["--dtype", "int4"], 2, b"--dtype int4"),
        (["--records", "absent.jsonl"], 4, b"absent.jsonl"),
        pytest.param(["--model", "./absent"], 6, b"no such model folder", marks=pytest.mark.slow),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    options: list[str], code: int, said: bytes, tiny: Path, tmp_path: Path
) -> None:
    pytest.importorskip("nncf")
    done = rerank("export", "-o", "out", "--model", str(tiny), *options, cwd=tmp_path)
    assert (done.code, said in done.stderr) == (code, True), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


@slow
def test_engine_that_a_folder_was_not_exported_for_is_refused(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    source, target = tmp_path / "in.jsonl", tmp_path / "exported"
    source.write_text(RECORD)
    assert rerank("export", "-o", target, "--model", tiny).code == 0
    done = rerank("score", source, "-o", "-", "--model", target, "--engine", "torch")
    assert done.code == 2
    assert b"was exported for openvino" in done.stderr
    done = rerank("score", source, "-o", "-", "--model", target, "--dtype", "int8")
    assert done.code == 2
    assert b"was exported as fp32" in done.stderr
    assert rerank("export", "-o", tmp_path / "again", "--model", target).code == 2


@pytest.mark.slow
def test_a_file_that_somebody_put_into_an_exported_folder_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    target, theirs = tmp_path / "exported", tmp_path / "theirs"
    arguments = ("--model", tiny, "--format", "openvino", "--overwrite")
    assert rerank("export", "-o", target, *arguments).code == 0
    notes = target / "my_notes.txt"
    notes.write_text("mine")
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    done = rerank("export", "-o", target, *arguments)
    assert done.code == 8
    assert "my_notes.txt" in done.said
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    notes.unlink()
    assert rerank("export", "-o", target, *arguments).code == 0
    theirs.mkdir()
    (theirs / "file").write_text("mine")
    assert rerank("export", "-o", theirs, *arguments).code == 8
    assert [path.name for path in theirs.iterdir()] == ["file"]
