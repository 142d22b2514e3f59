"""The run that wrote a file of results: only meta data of ours that describes this very file counts."""

import json
from pathlib import Path

import pytest

from rerank_cli.evaluation.made_by import made_by

META = {
    "output_bytes": 3,
    "output_crc32": 1,
    "fingerprint": {},
    "model": "mini",
    "revision": None,
    "engine": "openvino",
    "dtype": "fp32",
    "finished_at": "2026-11-30T03:16:09+00:00",
    "versions": {"rerank": "0.1.0"},
}


def with_meta(folder: Path, meta: object) -> str:
    (folder / "out").write_text("abc")
    (folder / "out.meta.json").write_text(json.dumps(meta))
    return str(folder / "out")


def test_a_model_is_named_as_the_run_named_it(tmp_path: Path) -> None:
    made = made_by(with_meta(tmp_path, META))
    assert made is not None
    assert made == ("mini", "", "openvino", "fp32", "0.1.0", "2026-11-30T03:16:09+00:00")


@pytest.mark.parametrize("meta", [META | {"output_bytes": 4}, {"model": "mini"}, [], None])
def test_other_meta_data_and_meta_data_of_another_size_say_nothing(meta: object, tmp_path: Path) -> None:
    assert made_by(with_meta(tmp_path, meta)) is None
    assert made_by(str(tmp_path / "none")) is None


def test_what_is_of_another_type_is_left_out(tmp_path: Path) -> None:
    made = made_by(with_meta(tmp_path, META | {"versions": 3, "model": ["x"]}))
    assert made is not None
    assert (made.version, made.model, made.dtype) == ("", "", "fp32")
