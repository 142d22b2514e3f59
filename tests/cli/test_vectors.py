"""`rerank score --vectors` as a person uses it. Real engines are in tests/oracle/test_kept_vectors.py."""

import json
import os
from pathlib import Path

import pytest
from support.making import jsonl
from support.running import record, rerank

RECORDS = [record(number) for number in range(3)]
FAKE = ("--model", "fake:vectors=1")
KEPT = (*FAKE, "--vectors", "kept")


@pytest.fixture(autouse=True)
def scored(tmp_path: Path) -> None:
    """A folder with the vectors of three records."""
    (tmp_path / "in.jsonl").write_bytes(jsonl(*RECORDS))
    (tmp_path / "asked.jsonl").write_bytes(jsonl(*({**each, "query": "new"} for each in RECORDS), record(7)))
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", *KEPT, cwd=tmp_path)
    assert done.code == 0, done.said
    assert " vectors_found=0 vectors_computed=12 " in done.said


def test_new_queries_find_known_documents_and_the_statistics_say_it(tmp_path: Path) -> None:
    done = rerank("score", "asked.jsonl", "-o", "asked.out", *KEPT, "--stats", "s.json", cwd=tmp_path)
    assert " vectors_found=12 vectors_computed=4 " in done.said
    stats = json.loads((tmp_path / "s.json").read_bytes())
    figures = {
        name: stats[name] for name in ("vectors_found", "vectors_computed", "vectors", "cached", "deterministic")
    }
    assert list(figures.values()) == [12, 4, "float16", 0, True]


def test_a_dry_run_says_how_large_it_will_be_and_how_often_it_serves(tmp_path: Path) -> None:
    before = (tmp_path / "kept" / "vectors.sqlite3").read_bytes()
    done = rerank("score", "asked.jsonl", "in.jsonl", "--dry-run", *KEPT, "--stats", "s.json", cwd=tmp_path)
    said = next(line for line in done.stdout.decode().splitlines() if line.startswith("vectors"))
    assert (
        said
        == "vectors       832 bytes for 16 documents of 52 bytes, of which 12 are there already; each serves 1.8 pairs"
    )
    stats = json.loads((tmp_path / "s.json").read_bytes())
    assert (stats["documents"], stats["documents_known"], stats["pairs_per_document"]) == (16, 12, 1.75)
    assert (tmp_path / "kept" / "vectors.sqlite3").read_bytes() == before
    done = rerank("score", "in.jsonl", "--dry-run", *FAKE, "--vectors", "none", cwd=tmp_path)
    assert "already" not in done.stdout.decode()
    assert not (tmp_path / "none").exists()


def test_both_stores_may_lie_in_one_folder(tmp_path: Path) -> None:
    command = ("score", "in.jsonl", "-o", "both.out", *KEPT, "--score-cache", "kept")
    assert rerank(*command, cwd=tmp_path).code == 0
    found = json.loads(rerank("cache", "kept", "--json", cwd=tmp_path).stdout)
    assert [(each["kept"], each["entries"]) for each in found] == [("scores", 12), ("vectors", 12)]
    shown = rerank("cache", "kept", cwd=tmp_path).stdout.decode()
    assert "12 scores  used 20" in shown
    assert "12 documents  used 20" in shown
    assert rerank("cache", "kept", "--clear", cwd=tmp_path).code == 0
    assert [each["entries"] for each in json.loads(rerank("cache", "kept", "--json", cwd=tmp_path).stdout)] == [0, 0]
    assert sorted(os.listdir(tmp_path / "kept")) == ["scores.sqlite3", "vectors.sqlite3"]


def test_scores_of_rounded_and_of_exact_vectors_are_different_entries(tmp_path: Path) -> None:
    command = ("score", "in.jsonl", *FAKE, "--score-cache", "scores", "--overwrite", "--stats", "s.json", "-o")
    cached = []
    for name, options in (("a", ()), ("b", ("--vectors", "kept")), ("c", ("--vectors", "kept")), ("d", ())):
        assert rerank(*command, name, *options, cwd=tmp_path).code == 0
        cached.append(json.loads((tmp_path / "s.json").read_bytes())["cached"])
    assert cached == [0, 0, 12, 12]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "d").read_bytes()
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes() != (tmp_path / "a").read_bytes()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_an_engine_without_vectors_is_refused_before_anything_is_made(tmp_path: Path, dry: tuple[str, ...]) -> None:
    done = rerank("score", "in.jsonl", "-o", "x", "--model", "mini", "--vectors", "other", *dry, cwd=tmp_path)
    assert done.code == 2
    assert "--vectors other" in done.said
    assert "--score-cache" in done.said
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "x").exists()


def test_a_damaged_index_is_cleared_and_made_again(tmp_path: Path) -> None:
    (tmp_path / "kept" / "vectors.sqlite3").write_bytes(b"no database, but long enough to be one\n" * 100)
    done = rerank("score", "in.jsonl", "-o", "x", *KEPT, cwd=tmp_path)
    assert done.code == 2
    assert "--vectors kept" in done.said
    assert (tmp_path / "kept" / "vectors.sqlite3").exists()
