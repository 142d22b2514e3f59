"""The cases of `rerank doctor --acceptance`: where they are found, and what becomes of an answer."""

import json
import shutil
from pathlib import Path

import pytest
from support.making import fake
from support.running import ROOT

from rerank_cli.cli import doctor
from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.jobs.doctor import rank_cases


def test_the_cases_are_those_of_the_checkout_and_without_one_those_of_this_folder(tmp_path, monkeypatch):
    assert [Path(each).parent for each in doctor.sample_cases([])] == [ROOT / "sample_data"] * 2
    monkeypatch.setattr(doctor, "SAMPLES", (tmp_path / "none", Path("sample_data")))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--acceptance"):
        doctor.sample_cases([])
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    assert doctor.sample_cases([]) == ["sample_data/multilingual.jsonl", "sample_data/quickstart.jsonl"]
    assert doctor.sample_cases(["sample_data/long.jsonl"]) == ["sample_data/long.jsonl"]


def cases(folder, *records):
    path = folder / "cases.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_an_answers_place_and_margin_are_those_of_its_logit(tmp_path):
    texts = [{"id": name, "text": name} for name in "abcd"]
    path = cases(tmp_path, *({"id": name, "query": "w", "best": name, "candidates": texts} for name in "abcd"))
    found = list(rank_cases(fake(), path))
    assert sorted(each.place for each in found) == [1, 2, 3, 4]
    assert [each.place == 1 for each in found] == [each.margin > 0 for each in found]
    assert {each.count for each in found} == {4}


@pytest.mark.parametrize(
    "record",
    [
        {"query": "w", "candidates": [{"id": "a", "text": ""}, {"id": "b", "text": ""}]},
        {"query": "w", "best": "c", "candidates": [{"id": "a", "text": ""}, {"id": "b", "text": ""}]},
        {"query": "w", "best": "a", "candidates": [{"id": "a", "text": ""}]},
        {"query": "w", "best": "a"},
    ],
)
def test_what_is_no_case_is_an_error_with_its_place(tmp_path, record):
    with pytest.raises(InputError, match=r"cases\.jsonl:1"):
        list(rank_cases(fake(), cases(tmp_path, record)))
