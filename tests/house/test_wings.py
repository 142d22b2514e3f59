"""The wings: what lies where, who imports whom, and no circles. A string given to `import_module` is an import."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from support.running import ROOT

PACKAGE = ROOT / "rerank_cli"
WINGS = {
    "cli",
    "display",
    "bench",
    "jobs",
    "training",
    "evaluation",
    "reranking",
    "engines",
    "models",
    "formats",
    "files",
    "core",
}
BESIDE = {"docs", "__init__.py", "__main__.py", "py.typed", "README.md"}
MAX_PAIRS = 45  # of wings of which one imports the other
MAX_INIT = 40  # lines


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def named(node: ast.AST) -> Iterator[str]:
    """What a statement or a string imports: dotted names, of which the last part may be no module."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{each.name}" for each in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("rerank_cli."):
        yield node.value.partition(":")[0]
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        prefix = str(node.values[0].value)
        if prefix.startswith("rerank_cli.") and prefix.endswith("."):
            yield from (name for name in MODULES if name.startswith(prefix))


def imported(source: str) -> set[str]:
    """Every dotted name that a module imports, also inside functions and by name."""
    return {name for node in ast.walk(ast.parse(source)) for name in named(node)}


def graph() -> dict[str, set[str]]:
    """The modules of the package that each module imports."""
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        ours = set()
        for name in imported(path.read_text()):
            known = name if name in MODULES else name.rpartition(".")[0]
            if known in MODULES and known not in (module, "rerank_cli"):
                ours.add(known)
        found[module] = ours
    return found


GRAPH = graph()


def test_no_import_is_relative() -> None:
    """`named` would not see it."""
    trees = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}
    assert [
        module
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ] == []


def wing_of(module: str) -> str:
    return module.split(".")[1]


def pairs() -> set[tuple[str, str]]:
    """Wings of which one imports the other."""
    return {
        (wing_of(importer), wing_of(module))
        for importer, modules in GRAPH.items()
        for module in modules
        if importer not in ("rerank_cli", "rerank_cli.__main__") and wing_of(importer) != wing_of(module)
    }


def test_the_package_holds_the_wings_and_nothing_else() -> None:
    files = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file())
    found = {path.parts[0] for path in files if "__pycache__" not in path.parts}
    assert found == WINGS | BESIDE


def test_no_module_imports_itself_by_a_detour() -> None:
    try:
        list(TopologicalSorter(GRAPH).static_order())
    except CycleError as fault:
        raise AssertionError(" -> ".join(fault.args[1])) from None


def test_few_wings_know_each_other() -> None:
    found = pairs()
    print(f"\n{len(found)} pairs of wings")
    assert len(found) <= MAX_PAIRS, sorted(found)


def test_reranking_knows_values_and_the_contract_of_an_engine_alone() -> None:
    assert {wing for importer, wing in pairs() if importer == "reranking"} == {"core"}


def test_names_given_to_import_module_keep_to_the_floors() -> None:
    """As import-linter proves it of statements; it does not read strings."""
    floors = [
        {"cli"},
        {"display", "bench"},
        {"jobs", "training"},
        {"evaluation", "reranking", "engines"},
        {"formats", "models"},
        {"files"},
        {"core"},
    ]
    floor = {wing: number for number, wings in enumerate(floors) for wing in wings}
    assert [(upper, lower) for upper, lower in sorted(pairs()) if floor[upper] >= floor[lower]] == []


def test_core_imports_the_standard_library_alone() -> None:
    foreign = defaultdict(set)
    for module, path in MODULES.items():
        if wing_of(f"{module}.") == "core":
            for name in imported(path.read_text()):
                if name.partition(".")[0] not in (*sys.stdlib_module_names, "rerank_cli"):
                    foreign[module].add(name)
    assert foreign == {}


def test_a_wing_begins_with_little_more_than_what_it_is() -> None:
    inits = {name: MODULES[f"rerank_cli.{name}"] for name in WINGS}
    assert [name for name, path in inits.items() if len(path.read_text().splitlines()) > MAX_INIT] == []


def test_the_measure_sees_imports_of_every_kind() -> None:
    for source, name in (
        ("import rerank_cli.core.plan", "rerank_cli.core.plan"),
        ("def f():\n    from rerank_cli.core import plan", "rerank_cli.core.plan"),
        ('import_module("rerank_cli.engines.fake")', "rerank_cli.engines.fake"),
        ('ENGINES = {"fake": "rerank_cli.engines.fake:FakeScorer"}', "rerank_cli.engines.fake"),
        ('import_module(f"rerank_cli.formats.{name}")', "rerank_cli.formats.trec"),
    ):
        assert name in imported(source), source
