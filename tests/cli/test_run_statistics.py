"""--stats and FILE.meta.json: one flat document on the run, which adds up."""

import gzip
import hashlib
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.running import files_of, forked, kill_after_commits, lines

from rerank_cli import __version__

FAKE = ("--engine", "fake")
FLAT = [
    "records",
    "scored",
    "failed",
    "blank",
    "pairs",
    "truncated",
    "wall_s",
    "pairs_per_s",
    "tokens_per_s",
    "padding_share",
    "busy_share",
    "peak_memory_bytes",
    "deterministic",
]
MORE = [
    "versions",
    "revision",
    "weights_sha256",
    "options",
    "input_bytes",
    "input_sha256",
    "model",
    "device",
    "dtype",
]


def run(source: Path, *options: str | Path, code: int = 0) -> dict[str, Any]:
    """The statistics of a run over `source`."""
    output, stats = source.with_name("out.jsonl"), source.with_name("stats.json")
    done = forked("score", source, "-o", output, "--stats", stats, *FAKE, *options)
    assert done.code == code, done.said
    document: dict[str, Any] = json.loads(stats.read_bytes())
    return document


def test_the_document_holds_every_promised_key(ten: Path) -> None:
    document = run(ten)
    assert set(FLAT + MORE) <= document.keys()
    for name in FLAT:
        assert isinstance(document[name], int | float), name


def test_the_same_document_stands_beside_the_output(ten: Path) -> None:
    stats = run(ten)
    meta = json.loads((ten.parent / "out.jsonl.meta.json").read_bytes())
    assert {name: meta[name] for name in stats} == stats


def test_counts_are_those_of_the_input(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines(5) + b"\n \nbad\n" + lines(2, start=5))
    document = run(source, code=3)
    figures = {name: document[name] for name in ("records", "scored", "failed", "blank", "pairs")}
    assert figures == {"records": 8, "scored": 7, "failed": 1, "blank": 2, "pairs": 28}
    assert document["deterministic"] is True
    assert 0 <= document["padding_share"] < 1
    assert 0 <= document["busy_share"] <= 1
    assert document["peak_memory_bytes"] > 1 << 20
    assert document["versions"]["rerank"] == __version__


def test_the_hash_of_the_input_is_the_sha256_of_its_content(tmp_path: Path) -> None:
    plain, compressed = tmp_path / "in.jsonl", tmp_path / "in.gz"
    content = lines(30)
    plain.write_bytes(content)
    compressed.write_bytes(gzip.compress(content))
    for source in (plain, compressed):
        document = run(source, "--overwrite")
        assert document["input_sha256"] == hashlib.sha256(content).hexdigest()
        assert document["input_bytes"] == len(content)


def test_the_output_is_vouched_for_by_size_and_checksum(ten: Path) -> None:
    run(ten)
    files = files_of(ten.parent)
    meta = json.loads(files["out.jsonl.meta.json"])
    assert meta["output_bytes"] == len(files["out.jsonl"])
    assert meta["output_crc32"] == zlib.crc32(files["out.jsonl"])


def test_statistics_of_a_run_to_standard_output_go_to_their_file_only(ten: Path, tmp_path: Path) -> None:
    done = forked("score", ten, "-o", "-", "--stats", tmp_path / "stats.json", *FAKE, "-q")
    assert (done.code, done.stderr, len(done.records)) == (0, b"", 10)
    assert json.loads((tmp_path / "stats.json").read_bytes())["records"] == 10


def test_counts_of_a_resumed_run_are_those_of_all_its_parts(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(10) + b"bad\n\n" + lines(10, start=10) + b"bad\n")
    options = ("--model", "fake:slow=0.01", "--batch-tokens", "64", "--window-tokens", "256")
    command = ("score", "in.jsonl", "-o", "out.jsonl", *options)
    assert kill_after_commits(3, tmp_path / "out.jsonl", *command, cwd=tmp_path) == -9
    assert forked(*command, "--resume", cwd=tmp_path).code == 3
    resumed = json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())
    assert forked(*command, "--overwrite", cwd=tmp_path).code == 3
    whole = json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())
    counters = (
        "records",
        "scored",
        "failed",
        "blank",
        "pairs",
        "truncated",
        "batches",
        "tokens",
        "padded_tokens",
        "windows",
    )
    assert {name: resumed[name] for name in counters} == {name: whole[name] for name in counters}
    assert resumed["input_sha256"] == whole["input_sha256"]
    assert resumed["output_crc32"] == whole["output_crc32"]


def test_duplicates_and_empty_texts_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"query": "q", "candidates": ["a", "a", "", "a"]}) + "\n")
    document = run(source)
    assert (document["pairs"], document["duplicate_pairs"], document["empty_texts"]) == (4, 2, 1)


def test_a_run_that_truncates_much_says_so_unless_it_is_quiet(ten: Path) -> None:
    command = ("score", ten, "-o", "-", *FAKE, "--max-length", "16", "--progress", "none")
    assert "rerank: warning: " in forked(*command).said
    assert "truncated at --max-length 16" in forked(*command).said
    assert forked(*command, "-q").stderr == b""


def test_the_document_has_the_times_of_the_run(ten: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    document = run(ten)
    started, finished = (datetime.fromisoformat(document[name]) for name in ("started_at", "finished_at"))
    assert before <= finished <= datetime.now(UTC)
    assert (finished - started).total_seconds() == pytest.approx(document["wall_s"], abs=1.001)
    run(ten, "--resume")
    kept = json.loads(ten.with_name("stats.json").read_bytes())
    assert kept["finished_at"] == document["finished_at"]  # nothing was done, so the statistics are of that run
