"""What an extra needs, and the command that installs it where this program runs."""

import shlex
import sys
import tomllib

import pytest
from support.running import ROOT

from rerank_cli.core import installation
from rerank_cli.jobs.surroundings import EXTRAS

EXTRAS_OF_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", ["openvino", "onnx", "bench", "parquet", "eval"])
def test_the_packages_of_an_extra_are_those_of_the_project_file(extra: str) -> None:
    assert sorted(installation.packages_of(extra)) == sorted(EXTRAS_OF_PROJECT[extra])


def test_an_extra_within_an_extra_is_resolved() -> None:
    packages = [installation.name_of(each) for each in installation.packages_of("train")]
    assert {"ir-measures", "sentence-transformers", "peft"} <= set(packages)
    assert "rerank-cli" not in packages


def test_doctor_knows_what_each_extra_is_for() -> None:
    assert EXTRAS.keys() == EXTRAS_OF_PROJECT.keys() - {"all"}


def test_the_command_is_for_this_environment_and_a_shell() -> None:
    words = shlex.split(installation.installation("parquet"))
    assert sys.executable in words
    assert words[-1] == EXTRAS_OF_PROJECT["parquet"][0]
    assert words[:2] == (["uv", "pip"] if words[0] == "uv" else [sys.executable, "-m"])


def test_an_unknown_extra_is_asked_of_the_distribution() -> None:
    assert installation.packages_of("nope") == ()
    assert shlex.split(installation.installation("nope"))[-1] == "rerank-cli[nope]"
