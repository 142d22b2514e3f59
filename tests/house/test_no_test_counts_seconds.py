"""No test names the seconds that something may take: a loaded machine would fail it. What hangs is ended by HANG_S."""

import ast
from collections.abc import Iterator
from pathlib import Path

from support.running import HANG_S, ROOT

WAITS = ("wait", "join", "communicate")
LONGEST_S = 1.0  # a pause between two looks


def seconds(path: Path) -> Iterator[str]:
    """Limits in seconds that a test file writes as numbers."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        named = [each.value for each in node.keywords if each.arg == "timeout"]
        waits = isinstance(node.func, ast.Attribute) and node.func.attr in WAITS
        for value in [*named, *(node.args if waits else [])]:
            if isinstance(value, ast.Constant) and isinstance(value.value, int | float) and value.value > LONGEST_S:
                yield f"{path.relative_to(ROOT)}:{value.lineno} {value.value}"


def test_no_test_limits_what_may_take_long_on_a_loaded_machine() -> None:
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert [found for path in tests if "measure" not in path.parts for found in seconds(path)] == []


def test_a_hang_is_ended() -> None:
    assert HANG_S > 600
