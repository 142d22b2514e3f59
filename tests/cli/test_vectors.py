"""`rerank score --vectors` as a person uses it. Real engines are in tests/oracle/test_kept_vectors.py."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.making import jsonl
from support.running import record, rerank

from rerank_cli.core.errors import OutputError
from rerank_cli.files import shared_file
from rerank_cli.jobs.cache import clear_folder

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


def test_a_set_larger_than_the_limit_is_told_and_a_later_run_finds_what_fitted(tmp_path: Path) -> None:
    (tmp_path / "many.jsonl").write_bytes(jsonl(*({**record(n, 40), "query": "q"} for n in range(100))))
    command = ("score", "many.jsonl", *FAKE, "--vectors", "small", "--cache-gb", "0.0001", "--batch-tokens", "500")
    found = []
    for number in range(3):
        done = rerank(*command, "-o", f"{number}.out", "--stats", "s.json", cwd=tmp_path)
        stats = json.loads((tmp_path / "s.json").read_bytes())
        found.append(stats["vectors_found"])
        if not number:
            assert any("--cache-gb" in warning for warning in stats["warnings"]), done.said
    assert found[1] > found[0] + 1000
    assert len({(tmp_path / f"{number}.out").read_bytes() for number in range(3)}) == 1
    dry = rerank(*command, "--dry-run", cwd=tmp_path).stdout.decode()
    assert "more than --cache-gb allows (100.0 kB)" in dry


@pytest.mark.parametrize("option", ["--score-cache", "--vectors"])
@pytest.mark.parametrize("use", [("-o",), ("-o", "out", "--errors"), ("-o", "out", "--stats")])
@pytest.mark.parametrize("name", ["scores.sqlite3", "vectors.sqlite3", "vectors.sqlite3-wal", "vectors-01234567-1.f16"])
def test_no_output_is_a_file_of_a_store(tmp_path: Path, option: str, use: tuple[str, ...], name: str) -> None:
    before = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    (tmp_path / "link").symlink_to("kept")
    command = ("score", "in.jsonl", *FAKE, option, "kept", "--overwrite", *use, f"link/{name}")
    done = rerank(*command, cwd=tmp_path)
    assert done.code == 2, done.said
    assert option in done.said
    assert {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()} == before


def test_a_store_that_is_busy_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_file, "BUSY_S", 0.05)
    index = tmp_path / "kept" / "vectors.sqlite3"
    with closing(sqlite3.connect(index, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputError, match="locked"):
            clear_folder(tmp_path / "kept")
        other.execute("ROLLBACK")
    assert index.exists()
    clear_folder(tmp_path / "kept")


def test_files_whose_index_was_removed_are_shown_and_cleared(tmp_path: Path) -> None:
    for path in (tmp_path / "kept").glob("*sqlite3*"):
        path.unlink()
    assert rerank("cache", "kept", cwd=tmp_path).code == 0
    assert rerank("cache", "kept", "--clear", cwd=tmp_path).code == 0
    assert not list((tmp_path / "kept").glob("*.f16"))


def test_the_time_of_a_dry_run_counts_documents_once_and_not_those_that_are_known(tmp_path: Path) -> None:
    slow = ("--model", "fake:vectors=1,slow=0.05")
    twice = ("in.jsonl", "in.jsonl", "--max-length", "2000")
    done = rerank("score", *twice, "--dry-run", *slow, "--stats", "s.json", cwd=tmp_path)
    assert "12 documents of" in done.stdout.decode() or "11 documents of" in done.stdout.decode()
    new = json.loads((tmp_path / "s.json").read_bytes())["estimated_s"]
    assert new > 0.02
    assert rerank("score", *twice, "-o", "x", *slow, "--vectors", "slow", cwd=tmp_path).code == 0
    assert rerank("score", *twice, "--dry-run", *slow, "--vectors", "slow", "--stats", "s.json", cwd=tmp_path).code == 0
    assert json.loads((tmp_path / "s.json").read_bytes())["estimated_s"] == 0
