"""The table of engines: each row is true, and asking it imports nothing heavy."""

import subprocess
import sys
import tomllib
from importlib import import_module

import pytest
from support.running import ROOT, environment

from rerank_cli.core.dtypes import DTYPES, GRAPH_DTYPES
from rerank_cli.engines.registry import ENGINES, GRAPHS, not_installed
from rerank_cli.models.graph_files import MAIN

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("name", ENGINES)
def test_a_row_names_a_scorer_and_precisions_that_exist(name: str) -> None:
    engine = ENGINES[name]
    if not_installed(engine.export_packages):
        pytest.skip("not installed")
    scorer = getattr(import_module(f"rerank_cli.engines.{engine.module}"), engine.scorer)
    assert all(hasattr(scorer, verb) for verb in ("load", "prepare", "score", "close"))
    assert set(engine.dtypes) <= set(DTYPES)
    assert all(set(dtypes) <= set(engine.dtypes) for dtypes in engine.benchmarked.values())


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_stored_in_a_precision_for_each_that_is_computed(name: str) -> None:
    graphs = GRAPHS[name]
    assert tuple(graphs.stored) == ENGINES[name].dtypes
    assert {dtype for stored in graphs.stored.values() for dtype in stored} <= set(GRAPH_DTYPES)
    if not not_installed(ENGINES[name].export_packages):
        assert callable(import_module(graphs.maker).make_graph)


def test_every_format_of_a_graph_has_an_engine() -> None:
    assert set(GRAPHS) == set(MAIN)


@pytest.mark.parametrize("name", [name for name, engine in ENGINES.items() if engine.packages])
def test_the_extra_installs_what_an_engine_needs(name: str) -> None:
    installed = {each.partition(">")[0] for each in EXTRAS[ENGINES[name].extra]}
    assert installed == set(ENGINES[name].export_packages)


def test_asking_the_table_imports_no_engine() -> None:
    program = "import sys, rerank_cli.engines.registry; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = {engine.module for engine in ENGINES.values()}
    heavy = {"torch", "transformers", "numpy", "openvino", "onnxruntime"}
    assert {name for name in done.stdout.split() if name in heavy or name.rpartition(".")[2] in modules} == set()
