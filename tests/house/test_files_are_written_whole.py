"""Whatever a user sees appear is written whole and swapped in: who writes files by other means, and why they may."""

import ast

from support.running import ROOT

PACKAGE = ROOT / "rerank_cli"
MEANS = {"write_text", "write_bytes", "savefig", "copyfile", "copy2", "copytree", "mkstemp", "NamedTemporaryFile"}
MAY = {
    "files/append_only.py": "partial files, by commits",
    "bench/benchmark.py": "its own temporary folder",
    "bench/worker.py": "its own temporary folder, and the kernel",
    "cli/process.py": "/dev/null",
    "files/durable.py": "the room that writes files whole",
    "files/parquet.py": "the table that becomes FILE by its last rename",
    "files/journal.py": "the journal, and what is swapped in durably",
    "files/lock.py": "locks",
    "display/chart.py": "into memory",
    "jobs/export.py": "a folder that is put in place when it is whole",
    "engines/graph_export.py": "a folder that is put in place when it is whole",
    "models/graph_files.py": "a folder that is put in place when it is whole",
    "models/resolved.py": "into the folder of an export, which is put in place when it is whole",
    "bench/random_weights.py": "a temporary folder of the benchmark",
    "files/stream_output.py": "streams, and the errors beside them",
}


def writes(call: ast.Call) -> bool:
    """Whether a call itself writes a file, as far as its arguments show."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name != "open":
        return name in MEANS
    given = [*call.args, *(word.value for word in call.keywords)]
    texts = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    flags = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
    modes = [text for text in texts if set(text) <= set("rwxabt+")]
    return any(set(mode) & set("wxa+") for mode in modes) or bool(flags & {"O_WRONLY", "O_RDWR", "O_CREAT"})


def writers(source: str) -> list[int]:
    """The lines of a file that write files."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and writes(node)]


def test_files_are_written_by_those_alone_that_write_them_whole_or_in_private() -> None:
    found = {str(path.relative_to(PACKAGE)): writers(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
    assert {name: lines for name, lines in found.items() if lines and name not in MAY} == {}
    assert [name for name in MAY if not found[name]] == [], "writes no file any more"


def test_the_measure_sees_what_writes() -> None:
    for line in (
        "Path(x).write_text(y)",
        'open(x, "w")',
        'Path(x).open("wb")',
        'open(x, mode="a")',
        "os.open(x, os.O_WRONLY)",
        "figure.savefig(x)",
        "shutil.copyfile(a, b)",
    ):
        assert writers(line) == [1], line
    for line in ('open(x, "rb")', "Path(x).open()", "os.open(x, os.O_RDONLY)", "Path(x).read_text()"):
        assert writers(line) == [], line
