"""`rerank score --score-cache` and `rerank cache`, as a person uses them."""

import json
import shutil
from pathlib import Path

import pytest
from support.making import jsonl
from support.running import record, rerank

pytestmark = pytest.mark.usefixtures("scored")
FAKE = ("--model", "fake:")


@pytest.fixture
def scored(tmp_path: Path) -> None:
    """A cache with the scores of three records."""
    (tmp_path / "in.jsonl").write_bytes(jsonl(*map(record, range(3))))
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", *FAKE, "--score-cache", "a/b/cache", cwd=tmp_path)
    assert done.code == 0, done.said


def test_the_statistics_and_the_last_line_say_what_came_from_the_cache(tmp_path: Path) -> None:
    command = ("score", "in.jsonl", "-o", "again.jsonl", *FAKE, "--score-cache", "a/b/cache", "--stats", "s.json")
    done = rerank(*command, cwd=tmp_path)
    assert " cached=12 " in done.said
    stats = json.loads((tmp_path / "s.json").read_bytes())
    assert (stats["cached"], stats["cached_share"], stats["batches"]) == (12, 1.0, 0)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


def test_a_finished_run_is_finished_whatever_the_cache(tmp_path: Path) -> None:
    command = ("score", "in.jsonl", "-o", "out.jsonl", *FAKE, "--resume")
    for cache in ((), ("--score-cache", "other"), ("--score-cache", "a/b/cache", "--cache-gb", "1")):
        assert "nothing to do" in rerank(*command, *cache, cwd=tmp_path).said
    assert not (tmp_path / "other").exists()


def test_a_dry_run_says_what_the_cache_saves_and_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "grown.jsonl").write_bytes(jsonl(*map(record, range(4))))
    before = (tmp_path / "a/b/cache/scores.sqlite3").read_bytes()
    done = rerank("score", "grown.jsonl", "--dry-run", *FAKE, "--score-cache", "a/b/cache", cwd=tmp_path)
    assert "score cache   12 of 16 pairs have a score already" in done.stdout.decode()
    assert (tmp_path / "a/b/cache/scores.sqlite3").read_bytes() == before
    done = rerank("score", "grown.jsonl", "--dry-run", *FAKE, "--score-cache", "none", cwd=tmp_path)
    assert done.code == 0
    assert "score cache   0 of 16 pairs have a score already" in done.stdout.decode()
    assert not (tmp_path / "none").exists()
    done = rerank("score", "grown.jsonl", "--dry-run", *FAKE, "--score-cache", "grown.jsonl", cwd=tmp_path)
    assert done.code == 2


def test_a_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    shown = rerank("cache", "a/b/cache", cwd=tmp_path).stdout.decode()
    assert "12 scores  used 20" in shown
    assert "fake:, fake fp32 on cpu" in shown
    (found,) = json.loads(rerank("cache", "a/b/cache", "--json", cwd=tmp_path).stdout)
    assert (found["kept"], found["entries"], found["parts"][0]["entries"]) == ("scores", 12, 12)
    assert found["bytes"] > 0
    assert rerank("cache", "a/b/cache", "--clear", cwd=tmp_path).stdout.startswith(b"removed ")
    (found,) = json.loads(rerank("cache", "a/b/cache", "--json", cwd=tmp_path).stdout)
    assert (found["entries"], found["parts"]) == (0, [])


def test_where_there_is_no_cache_that_is_said(tmp_path: Path) -> None:
    done = rerank("cache", ".", cwd=tmp_path)
    assert (done.code, done.said.count("--score-cache")) == (4, 1)


@pytest.mark.parametrize("wrong", ["in.jsonl", "in.jsonl/sub"])
def test_a_file_is_no_folder_for_a_cache(tmp_path: Path, wrong: str) -> None:
    done = rerank("score", "in.jsonl", "-o", "o.jsonl", *FAKE, "--score-cache", wrong, cwd=tmp_path)
    assert done.code in (2, 5)
    assert f"--score-cache {wrong}" in done.said
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf"])
def test_a_cache_has_a_size(tmp_path: Path, size: str) -> None:
    cache = ("--score-cache", "c", "--cache-gb", size)
    done = rerank("score", "in.jsonl", "-o", "o.jsonl", *FAKE, *cache, cwd=tmp_path)
    assert done.code == 2
    assert "--cache-gb" in done.said


def test_a_size_without_a_cache_is_an_error(tmp_path: Path) -> None:
    done = rerank("score", "in.jsonl", "-o", "o.jsonl", *FAKE, "--cache-gb", "1", cwd=tmp_path)
    assert (done.code, "--score-cache" in done.said) == (2, True)


def test_what_all_runs_keep_is_shown_and_cleared_and_nothing_else(tmp_path: Path) -> None:
    own = tmp_path / "own"
    graph = own / "graphs" / ("0a" * 16)
    graph.mkdir(parents=True)
    (graph / "rerank_export.json").write_text(json.dumps({"format": "onnx", "dtype": "int8", "model": "a/model"}))
    (graph / "model.onnx").write_bytes(bytes(3 * 2**20))
    shutil.copytree(graph, own / "graphs" / ("0b" * 16 + ".abcd1234"))
    (own / "hashes").mkdir()
    (own / "hashes" / ("12" * 16 + ".json")).write_text("{}")
    others = [own / "mine.txt", own / "graphs" / "notes.txt", own / "graphs" / "mine" / "file"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("not ours")
    shown = rerank("cache", RERANK_CACHE=str(own)).stdout.decode()
    assert f"graphs      6 MiB, 2 kept in {own / 'graphs'}" in shown
    assert shown.count("a/model, onnx int8") == 2
    assert "hashes " in shown
    assert rerank("cache", "--clear", RERANK_CACHE=str(own)).stdout == b"removed 6 MiB\n"
    assert [path.exists() for path in others] == [True] * 3
    assert not graph.exists()
    assert rerank("cache", RERANK_CACHE=str(own)).stdout == b"nothing is kept yet\n"


def test_a_graph_says_whose_it_is_and_when_it_was_used(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    mini = ("--model", "mini", "--engine", "openvino", "--threads", "1")
    variables = {"RERANK_CACHE": str(tmp_path / "own")}
    assert rerank("score", "in.jsonl", "-o", "m.jsonl", *mini, cwd=tmp_path, **variables).code == 0
    assert "mini, openvino fp32" in rerank("cache", **variables).stdout.decode()
