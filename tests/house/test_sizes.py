"""The size of things, measured: files, functions, annotations, and tests compared with source.

Run with -s to see figures.
"""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import ROOT

PACKAGE = ROOT / "rerank_cli"
Function = ast.FunctionDef | ast.AsyncFunctionDef

MAX_FILE, MAX_CLASS, MAX_FUNCTION, MAX_MEDIAN, MAX_NINETIETH = 300, 150, 50, 6, 18


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Every function of a file, those inside others too, with a name to report."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


ALL = [found for path in sources(PACKAGE) for found in functions(path)]


def length(node: Function) -> int:
    """Lines of a function with its `def`, without its decorators and its docstring."""
    first = node.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return node.end_lineno - node.lineno + 1 - docstring


def body_length(node: Function) -> int:
    """Lines from the first statement on: parameters that a command line needs, one a line, are no complexity."""
    return length(node) - (node.body[0].lineno - node.lineno - 1)


def test_no_file_is_longer_than_300_lines() -> None:
    sizes = {str(path.relative_to(ROOT)): count_lines(path) for path in sources(PACKAGE)}
    longest = max(sizes, key=lambda name: sizes[name])
    print(f"\n{len(sizes)} files, {sum(sizes.values())} lines, longest {longest} with {sizes[longest]}")
    assert {name: size for name, size in sizes.items() if size > MAX_FILE} == {}


def test_no_class_is_longer_than_150_lines() -> None:
    sizes = {
        f"{path.relative_to(ROOT)}: {node.name}": node.end_lineno - node.lineno + 1
        for path in sources(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    longest = max(sizes, key=lambda name: sizes[name])
    print(f"\n{len(sizes)} classes, longest {longest} with {sizes[longest]} lines")
    assert {name: size for name, size in sizes.items() if size > MAX_CLASS} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    sizes = {name: body_length(node) for name, node in ALL}
    longest = max(sizes, key=lambda name: sizes[name])
    print(f"\n{len(sizes)} functions, longest {longest} with {sizes[longest]} lines")
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION} == {}


def test_half_of_the_functions_have_at_most_6_lines_and_nine_in_ten_at_most_18() -> None:
    sizes = [length(node) for _, node in ALL]
    median, ninetieth = statistics.median(sizes), statistics.quantiles(sizes, n=10)[8]
    print(f"\nmedian {median}, 90th percentile {ninetieth:.1f}")
    assert median <= MAX_MEDIAN
    assert ninetieth <= MAX_NINETIETH


def test_every_function_says_what_it_returns() -> None:
    assert [name for name, node in ALL if node.returns is None and node.name != "__init__"] == []


def test_every_file_says_what_it_is() -> None:
    assert [path.name for path in sources(PACKAGE) if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_every_config_takes_its_values_by_name() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {node.name}": any(
            "kw_only=True" in ast.unparse(each) for each in node.decorator_list
        )
        for path in sources(PACKAGE)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config")
    }
    assert found
    assert [name for name, by_name in found.items() if not by_name] == []


def test_there_are_at_least_as_many_lines_of_tests_as_of_source() -> None:
    source = sum(map(count_lines, sources(PACKAGE)))
    tests = sum(map(count_lines, sources(ROOT / "tests")))
    print(f"\nsource {source} lines, tests {tests} lines, {tests / source:.2f} to 1")
    assert tests >= source


@pytest.mark.parametrize("folder", ["unit", "properties", "oracle", "cli", "faults", "house", "docs", "gpu"])
def test_every_kind_of_test_has_its_folder(folder: str) -> None:
    assert list((ROOT / "tests" / folder).rglob("test_*.py")), folder


def pinned(path: Path) -> Iterator[str]:
    """Sentences that tests expect in errors: two words in a row in a `match=`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "match":
            for each in ast.walk(node.value):
                if isinstance(each, ast.Constant) and re.search(
                    r"(?<![-\w])[A-Za-z]{2,} [A-Za-z]{2,}", str(each.value)
                ):
                    yield f"{path.relative_to(ROOT)}:{each.lineno} {each.value!r}"


def test_no_match_of_an_error_holds_a_sentence() -> None:
    """Transcripts pin wording. Elsewhere a test expects an error's class, and the option, place or value it names."""
    assert [found for path in sources(ROOT / "tests") for found in pinned(path)] == []
