"""The map's "How to add …", tried: a toy engine, a toy format and a toy command in a copy of the package."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import HANG_S, ROOT, environment

MAP = (ROOT / "rerank_cli" / "README.md").read_text()
MOST_LINES, MOST_STEPS = 150, 5

ENGINE = '''"""An engine that counts the words which a query and a text share."""

from collections.abc import Iterator, Sequence

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.scorer import Batch, Identity, PreparedPair, Traits


class Toy:
    """Its logit is the number of shared words."""

    traits = Traits(multiple=0, batch_tokens=64, window_batches=4)

    def __init__(self, config: ModelConfig) -> None:
        self.notes: list[str] = []
        self.identity = Identity(
            engine="toy", model="toy", revision=None, weights_sha256="", tokenizer_sha256="", config_sha256="",
            device="cpu", dtype="fp32", max_length=config.max_length, query_max_length=config.query_max_length,
            threads=1, versions={},
        )

    def load(self) -> None:
        """Nothing to load."""

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """The shared words of each pair."""
        shared = [(text, set(query.split()) & set(text.split())) for query, text in pairs]
        return [PreparedPair(len(text.split()) + 1, False, words) for text, words in shared]

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        """Their number."""
        for batch in batches:
            yield [float(len(pair.payload)) for pair in batch.pairs]

    def close(self) -> None:
        """Nothing to free."""
'''
ENGINE_ROW = '    "toy": Engine(module="toy", scorer="Toy", dtypes=("fp32",)),\n'

FORMAT = '''"""Records of `{"toy_query", "toy_texts": [string, …]}`, written back best first."""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import list_at, text_at
from rerank_cli.formats.record_format import RecordFormat, as_objects, json_line


class Toy(RecordFormat):
    """A record has its texts in a list of strings."""

    candidates_path = "$.toy_texts"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None: ...

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a toy one. Raises Malformed."""
        rest = rest_of(body, {"toy_query", "toy_texts"}, {"query", "candidates"}, dropped)
        texts = list_at(body, "toy_texts", "$")
        return {**rest, "query": text_at(body, "toy_query", "$"), "candidates": [{"text": text} for text in texts]}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The toy record of a native one."""
        rest = rest_of(record, {"query", "candidates"}, {"toy_query", "toy_texts"}, dropped)
        return {**rest, "toy_query": record["query"], "toy_texts": [each["text"] for each in as_objects(record)]}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with its texts best first."""
        return {**body, "toy_texts": [body["toy_texts"][index] for index in ranking.indices]}

    to_lines = staticmethod(json_line)
'''
FORMAT_ROW = '    "toy": Known("toy:Toy", ("toy_query", "toy_texts")),\n'

COMMAND = '''"""`rerank count`: how many records an input has."""

from typing import Annotated

import typer

from rerank_cli.core.config import ReadConfig
from rerank_cli.jobs.check import check_input


def count(source: Annotated[str, typer.Argument(help="The input.")]) -> None:
    """Count the records of an input."""
    typer.echo(check_input(ReadConfig(inputs=(source,))).records)
'''
COMMAND_ROW = '    "count": Row("rerank_cli.cli.count:count", "Count the records of an input."),\n'


def with_row(path: Path, table: str, row: str) -> None:
    """Add a row to the end of a table of a module."""
    text = path.read_text()
    begin = text.index(f"{table} = {{")
    end = text.index("\n}\n", begin) + 1
    path.write_text(text[:end] + row + text[end:])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the three toys, as the map says that they are added."""
    copy = tmp_path_factory.mktemp("adding") / "rerank_cli"
    shutil.copytree(ROOT / "rerank_cli", copy, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    (copy / "engines" / "toy.py").write_text(ENGINE)
    with_row(copy / "engines" / "registry.py", "ENGINES", ENGINE_ROW)
    (copy / "formats" / "toy.py").write_text(FORMAT)
    with_row(copy / "formats" / "known.py", "FORMATS", FORMAT_ROW)
    (copy / "cli" / "count.py").write_text(COMMAND)
    with_row(copy / "cli" / "app.py", "COMMANDS", COMMAND_ROW)
    record = {"query": "green tea", "candidates": ["coffee", "tea", "green tea"]}
    (copy.parent / "in.jsonl").write_text(json.dumps(record) + "\n")
    return copy


def run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the copy, in its folder."""
    return subprocess.run(
        [sys.executable, "-m", "rerank_cli", *arguments],
        cwd=package.parent,
        env=environment(PYTHONPATH=str(package.parent)),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def test_an_engine_is_a_file_and_a_row(package: Path) -> None:
    done = run(package, "score", "in.jsonl", "-o", "-", "--engine", "toy", "-q")
    assert done.returncode == 0, done.stderr
    ranked = json.loads(done.stdout)["candidates"]
    assert [(each["text"], each["logit"]) for each in ranked] == [("green tea", 2.0), ("tea", 1.0), ("coffee", 0.0)]


def test_a_format_is_a_file_and_a_row(package: Path) -> None:
    record = {"id": 1, "toy_query": "green tea", "toy_texts": ["coffee", "green tea"]}
    (package.parent / "toy.jsonl").write_text(json.dumps(record) + '\n{"toy_query": 1, "toy_texts": []}\n')
    done = run(package, "score", "toy.jsonl", "-o", "out.jsonl", "--engine", "toy")
    assert done.returncode == 3, done.stderr
    assert "--format toy" in done.stderr
    assert json.loads((package.parent / "out.jsonl").read_text()) == {**record, "toy_texts": ["green tea", "coffee"]}
    assert json.loads((package.parent / "out.jsonl.errors.jsonl").read_text())["path"] == "$.toy_query"
    done = run(package, "convert", "in.jsonl", "-o", "-", "--output-format", "toy", "-q")
    assert json.loads(done.stdout)["toy_texts"] == ["coffee", "tea", "green tea"], done.stderr


def test_a_command_is_a_file_and_a_row(package: Path) -> None:
    assert run(package, "count", "in.jsonl").stdout == "1\n"
    assert "count" in run(package, "--help").stdout


def test_the_map_is_short_and_each_way_of_adding_has_at_most_five_steps() -> None:
    assert len(MAP.splitlines()) <= MOST_LINES
    adding = MAP.partition("## How to add …")[2]
    ways = re.split(r"^\*\*.*\*\*$", adding, flags=re.MULTILINE)[1:]
    assert len(ways) >= 5
    assert all(1 <= len(re.findall(r"^\d\. ", way, flags=re.MULTILINE)) <= MOST_STEPS for way in ways)
