"""What goes in comes out: streams, compression, several inputs, and each option that shapes a record."""

import gzip
import json
import math
import os
import pty
import sys
from pathlib import Path
from typing import Any

import pytest
from support.running import HANG_S, Finished, forked, lines, record, rerank, started

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FAKE = ("--engine", "fake", "-q")


def scored(*arguments: str | Path, stdin: bytes = b"") -> list[Any]:
    """The records that come out of standard output."""
    done = forked("score", "-o", "-", *FAKE, *arguments, stdin=stdin)
    assert done.code == 0, done.said
    return done.records


def one(fields: dict[str, Any], *options: str) -> Any:
    """One record after a run with options."""
    [out] = scored("-", *options, stdin=json.dumps(fields).encode())
    return out


TEA = {"id": "q1", "query": "tea?", "lang": "en", "candidates": [{"id": str(n), "text": f"text {n}"} for n in range(8)]}


# streams


def test_a_file_a_dash_and_no_input_at_all_give_the_same_bytes(ten: Path) -> None:
    named = rerank("score", ten, "-o", "-", *FAKE)
    dash = rerank("score", "-", "-o", "-", *FAKE, stdin=ten.read_bytes())
    nothing = rerank("score", "-o", "-", *FAKE, stdin=ten.read_bytes())
    assert named == dash == nothing
    assert (named.code, named.stderr) == (0, b"")
    assert len(named.records) == 10


def test_standard_output_and_a_file_get_the_same_bytes(ten: Path, tmp_path: Path) -> None:
    assert forked("score", ten, "-o", tmp_path / "out.jsonl", *FAKE) == Finished(0, b"", b"")
    assert (tmp_path / "out.jsonl").read_bytes() == forked("score", ten, "-o", "-", *FAKE).stdout


def test_no_input_on_a_terminal_shows_help_and_ends_with_2() -> None:
    parent, child = pty.openpty()
    try:
        for command in (["score", "-o", "-"], ["check"]):
            with started(*command, stdin=child) as process:
                assert process.wait(HANG_S) == 2
                assert b"Usage:" in process.stderr.read()
    finally:
        os.close(parent)
        os.close(child)


@pytest.mark.parametrize("name", ["plain.jsonl", "right.gz", "misnamed.zst", "right.zst", "misnamed.jsonl", "two.gz"])
def test_compression_of_the_input_is_recognised_by_content(tmp_path: Path, name: str) -> None:
    content = lines(6)
    compressed = {
        "plain.jsonl": content,
        "right.gz": gzip.compress(content),
        "misnamed.zst": gzip.compress(content),
        "right.zst": zstd.compress(content),
        "misnamed.jsonl": zstd.compress(content),
        "two.gz": gzip.compress(lines(3)) + gzip.compress(lines(3, start=3)),
    }[name]
    (tmp_path / name).write_bytes(compressed)
    assert [out["id"] for out in scored(tmp_path / name)] == [f"q{n}" for n in range(6)]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress], ids=["plain", "gz", "zst"])
def test_compression_of_standard_input_is_recognised_by_content(compress: Any) -> None:
    assert [out["id"] for out in scored("-", stdin=compress(lines(6)))] == [f"q{n}" for n in range(6)]


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zstd"])
def test_compression_of_the_output_is_by_suffix_and_the_same_every_time(ten: Path, tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"one.jsonl{suffix}", tmp_path / f"two.jsonl{suffix}"
    for output in (first, second):
        assert forked("score", ten, "-o", output, *FAKE, "--batch-tokens", "64", "--window-tokens", "256").code == 0
    decompress = gzip.decompress if suffix == ".gz" else zstd.decompress
    assert decompress(first.read_bytes()) == forked("score", ten, "-o", "-", *FAKE).stdout
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_an_empty_input_gives_an_empty_output_of_its_kind(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.jsonl").touch()
    output = tmp_path / f"out{suffix}"
    assert forked("score", tmp_path / "in.jsonl", "-o", output, *FAKE).code == 0
    assert (gzip.decompress if suffix == ".gz" else zstd.decompress)(output.read_bytes()) == b""
    assert scored(output) == []


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gz", "zst"])
def test_a_compressed_input_that_ends_early_is_4_and_names_the_last_whole_record(tmp_path: Path, compress: Any) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes((compress(lines(20)) + compress(lines(200, start=20)))[:-200])
    done = forked("score", source, "-o", output, *FAKE)
    assert done.code == 4
    assert "ends early" in done.said
    assert "last complete" in done.said
    assert not output.exists()


def test_several_inputs_are_one_stream_in_the_given_order(tmp_path: Path) -> None:
    parts = [tmp_path / name for name in ("b.jsonl", "a.jsonl.gz", "c.jsonl")]
    parts[0].write_bytes(lines(2).rstrip(b"\n"))  # no newline at its end: still two records
    parts[1].write_bytes(gzip.compress(lines(2, start=2)))
    parts[2].write_bytes(lines(2, start=4))
    assert [out["id"] for out in scored(*parts)] == [f"q{n}" for n in range(6)]
    around = scored(parts[0], "-", parts[2], stdin=lines(1, start=9))
    assert [out["id"] for out in around] == ["q0", "q1", "q9", "q4", "q5"]


def test_limit_reads_that_many_records_and_no_more(ten: Path) -> None:
    assert [out["id"] for out in scored(ten, "--limit", "3")] == ["q0", "q1", "q2"]
    assert scored(ten, "--limit", "0") == []


def test_a_limit_ends_the_run_while_the_pipe_is_still_open(tmp_path: Path) -> None:
    read, write = os.pipe()
    with started("score", "-", "-o", "-", *FAKE, "--limit", "2", stdin=read) as process:
        os.write(write, lines(2))
        assert process.wait(HANG_S) == 0
    os.close(write)
    os.close(read)


def test_a_fifo_as_output_gets_the_records(ten: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with started("score", ten, "-o", fifo, *FAKE) as process:
        content = fifo.read_bytes()
        assert process.wait(HANG_S) == 0
    assert len(content.splitlines()) == 10
    assert fifo.is_fifo()


def test_an_output_that_is_a_symbolic_link_replaces_what_it_points_to(ten: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "real.jsonl", tmp_path / "out.jsonl"
    target.write_bytes(b"old\n")
    target.chmod(0o640)
    link.symlink_to(target)
    assert forked("score", ten, "-o", link, *FAKE, "--overwrite").code == 0
    assert link.is_symlink()
    assert len(target.read_bytes().splitlines()) == 10
    assert target.stat().st_mode & 0o777 == 0o640


# records


def test_candidates_come_best_first_with_index_score_and_logit() -> None:
    out = one(TEA)
    assert list(out) == ["id", "query", "lang", "candidates"]
    logits = [candidate["logit"] for candidate in out["candidates"]]
    assert logits == sorted(logits, reverse=True)
    assert sorted(candidate["index"] for candidate in out["candidates"]) == list(range(8))
    for candidate in out["candidates"]:
        assert candidate["id"] == str(candidate["index"])
        assert candidate["text"] == f"text {candidate['index']}"
        assert math.isclose(candidate["score"], 1 / (1 + math.exp(-candidate["logit"])), rel_tol=1e-6)
        assert len(repr(abs(candidate["logit"])).replace(".", "")) <= 9
        assert "truncated" not in candidate
        assert "previous_score" not in candidate


def test_equal_logits_stay_in_input_order() -> None:
    out = one({"query": "tea?", "candidates": ["same", "same", "other", "same"]})
    same = [candidate["index"] for candidate in out["candidates"] if candidate["text"] == "same"]
    assert same == [0, 1, 3]


def test_top_k_keeps_the_best_and_min_score_those_above() -> None:
    whole = one(TEA)["candidates"]
    kept = [{**each, "num_candidates": len(whole)} for each in whole]
    assert one(TEA, "--top-k", "3")["candidates"] == kept[:3]
    assert one(TEA, "--top-k", "99")["candidates"] == whole
    middle = whole[4]["score"]
    assert one(TEA, "--min-score", repr(middle))["candidates"] == kept[:5]
    assert one(TEA, "--min-score", repr(middle), "--top-k", "2")["candidates"] == kept[:2]
    assert one(TEA, "--min-score", "2")["candidates"] == []


def test_min_score_is_in_units_of_the_score() -> None:
    whole = one(TEA, "--score", "logit")["candidates"]
    cut = one(TEA, "--score", "logit", "--min-score", repr(whole[2]["logit"]))["candidates"]
    assert cut == [{**each, "num_candidates": len(whole)} for each in whole[:3]]


def test_score_logit_puts_the_logit_into_score() -> None:
    for candidate in one(TEA, "--score", "logit")["candidates"]:
        assert candidate["score"] == candidate["logit"]


def test_no_text_drops_the_texts_and_nothing_else() -> None:
    fields = {"query": "tea?", "candidates": ["bare", {"id": "b", "text": "long", "title": "T"}]}
    full, bare = one(fields)["candidates"], one(fields, "--no-text")["candidates"]
    for candidate in full:
        del candidate["text"]
    assert bare == full


def test_bare_strings_come_back_as_objects_with_their_text() -> None:
    out = one({"query": "tea?", "candidates": ["a", "b"]})
    for candidate in out["candidates"]:
        assert list(candidate) == ["index", "text", "score", "logit"]
        assert candidate["text"] == "ab"[candidate["index"]]


def test_dotted_fields_find_the_texts_and_everything_else_is_kept() -> None:
    fields = {
        "q": {"text": "tea?", "lang": "en"},
        "hits": {"total": 2, "docs": [{"src": {"body": "a", "n": 1}, "score": 4}, {"src": {"body": "b", "n": 2}}]},
        "meta": {"id": 7},
    }
    names = ("--query-field", "q.text", "--candidates-field", "hits.docs", "--text-field", "src.body")
    out = one(fields, *names, "--id-field", "meta.id")
    assert out["q"] == fields["q"]
    assert out["meta"] == fields["meta"]
    assert out["hits"]["total"] == 2
    assert sorted(d["src"]["n"] for d in out["hits"]["docs"]) == [1, 2]
    plain = one({"query": "tea?", "candidates": ["a", "b"]})
    assert [d["logit"] for d in out["hits"]["docs"]] == [d["logit"] for d in plain["candidates"]]
    assert "body" not in one(fields, *names, "--no-text")["hits"]["docs"][0]["src"]


def test_the_former_score_is_previous_score_and_our_own_output_can_be_reranked() -> None:
    fields = {
        "query": "tea?",
        "candidates": [{"text": "a", "score": 12.5}, {"text": "b", "score": None}, {"text": "c"}],
    }
    first = one(fields)
    previous = {candidate["index"]: candidate.get("previous_score", "none") for candidate in first["candidates"]}
    assert previous == {0: 12.5, 1: None, 2: "none"}
    again = one(first)
    assert [candidate["text"] for candidate in again["candidates"]] == [c["text"] for c in first["candidates"]]
    for position, candidate in enumerate(again["candidates"]):
        assert candidate["index"] == position
        assert candidate["previous_score"] == first["candidates"][position]["score"]
        assert list(candidate).count("score") == 1


def test_our_field_names_in_the_input_are_replaced() -> None:
    forged = {"text": "a", "index": 99, "logit": 99, "truncated": True, "chunk": [0, 1], "previous_score": 9}
    [candidate] = one({"query": "tea?", "candidates": [forged]})["candidates"]
    assert candidate["index"] == 0
    assert abs(candidate["logit"]) <= 8
    assert not {"truncated", "chunk", "previous_score"} & candidate.keys()


def test_truncated_is_said_only_where_it_is_true_and_counted(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"query": "tea?", "candidates": ["short", "long " * 40]}))
    done = forked("score", source, "-o", output, *FAKE, "--max-length", "16", "--query-max-length", "8")
    assert done.code == 0
    candidates = json.loads(output.read_bytes())["candidates"]
    assert {candidate["index"]: candidate.get("truncated") for candidate in candidates} == {0: None, 1: True}
    assert json.loads(Path(f"{output}.meta.json").read_bytes())["truncated"] == 1


def test_unknown_fields_survive_byte_for_byte_where_json_allows() -> None:
    extra = {
        "float": 0.1,
        "big": 18446744073709551615,
        "null": None,
        "text": "\u2028\u0085é\U0001f375",
        "nested": [[], {}],
    }
    out = one({**TEA, "extra": extra})
    assert out["extra"] == extra


def test_empty_candidates_and_empty_texts_are_scored_as_they_are() -> None:
    assert one({"query": "tea?", "candidates": []})["candidates"] == []
    assert [c["text"] for c in one({"query": "", "candidates": [""]})["candidates"]] == [""]


def test_the_same_input_gives_the_same_bytes_whatever_the_batches() -> None:
    content = b"".join(json.dumps(record(n, candidates=9)).encode() + b"\n" for n in range(12))
    usual = scored("-", stdin=content)
    for options in (
        ("--batch-tokens", "1"),
        ("--window-tokens", "1"),
        ("--batch-tokens", "50", "--window-tokens", "90"),
    ):
        assert scored("-", *options, stdin=content) == usual


def test_a_record_with_thousands_of_candidates_is_ranked_whole() -> None:
    out = one({"query": "tea?", "candidates": [f"text {n % 1500}" for n in range(3000)]}, "--window-tokens", "100")
    logits = [candidate["logit"] for candidate in out["candidates"]]
    assert len(logits) == 3000
    assert logits == sorted(logits, reverse=True)
    assert sorted(candidate["index"] for candidate in out["candidates"]) == list(range(3000))
