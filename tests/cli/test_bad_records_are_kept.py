"""Records that cannot be scored: each ends in the errors file, whole, and none disappears."""

import base64
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.running import files_of, forked, lines, rerank

FAKE = ("--engine", "fake")
Errors = list[dict[str, Any]]


def of_verdict(make_messy: ModuleType, verdict: str) -> list[tuple[int, bytes]]:
    """Line numbers and bytes of the messy lines with a verdict."""
    return [(number, line.raw) for number, line in enumerate(make_messy.LINES, 1) if line.verdict == verdict]


def errors_in(content: bytes) -> Errors:
    return [json.loads(line) for line in content.splitlines()]


def raw_of(error: dict[str, Any]) -> bytes:
    assert ("raw" in error) != ("raw_base64" in error)
    return error["raw"].encode() if "raw" in error else base64.b64decode(error["raw_base64"])


def test_the_file_beside_the_table_is_the_table(make_messy: ModuleType) -> None:
    written = Path(make_messy.__file__).with_name("messy.jsonl").read_bytes()
    assert written == b"".join(line.raw + b"\n" for line in make_messy.LINES)


@pytest.fixture
def ran(messy: Path, tmp_path: Path) -> Path:
    """The output of a run over the messy lines."""
    output = tmp_path / "out.jsonl"
    assert forked("score", messy, "-o", output, *FAKE).code == 3
    return output


def test_every_good_line_is_scored_in_its_order_and_no_other(ran: Path, make_messy: ModuleType) -> None:
    written = [json.loads(line) for line in ran.read_bytes().splitlines()]
    good = [raw for _, raw in of_verdict(make_messy, "good")]
    assert [record["id"] for record in written] == [json.loads(raw.decode("utf-8-sig"))["id"] for raw in good]
    for record in written:
        for candidate in record["candidates"]:
            assert {"index", "score", "logit"} <= candidate.keys()


def test_every_bad_line_is_in_the_errors_file_with_its_place_and_bytes(ran: Path, make_messy: ModuleType) -> None:
    errors = errors_in(Path(f"{ran}.errors.jsonl").read_bytes())
    bad = of_verdict(make_messy, "bad")
    starts = [0]
    for line in make_messy.LINES:
        starts.append(starts[-1] + len(line.raw) + 1)
    assert [(error["line"], raw_of(error)) for error in errors] == bad
    assert [error["byte_offset"] for error in errors] == [starts[number - 1] for number, _ in bad]
    for error in errors:
        assert error["reason"]
        assert error["path"].startswith("$")
        assert error["source"].endswith("messy.jsonl")


def test_the_path_points_into_the_record(ran: Path, make_messy: ModuleType) -> None:
    errors = errors_in(Path(f"{ran}.errors.jsonl").read_bytes())
    kinds = {number: line.kind for number, line in enumerate(make_messy.LINES, 1)}
    path = {kinds[error["line"]]: error["path"] for error in errors}
    assert path["bad-null-query"] == "$.query"
    assert path["bad-missing-candidates"] == "$.candidates"
    assert path["bad-number-candidate"] == "$.candidates[1]"
    assert path["bad-missing-text"] == "$.candidates[1].text"
    assert path["bad-null-text"] == "$.candidates[0].text"
    assert path["bad-float-id"] == "$.id"
    assert path["bad-object-candidate-id"] == "$.candidates[0].id"


def test_no_byte_is_ever_replaced_by_the_replacement_character(ran: Path) -> None:
    for content in files_of(ran.parent).values():
        assert "\ufffd".encode() not in content
        assert b"\\ufffd" not in content.lower()


def test_read_is_scored_plus_failed_with_blanks_apart(ran: Path, make_messy: ModuleType) -> None:
    meta = json.loads(Path(f"{ran}.meta.json").read_bytes())
    counted = {verdict: len(of_verdict(make_messy, verdict)) for verdict in ("good", "bad", "blank")}
    assert (meta["scored"], meta["failed"], meta["blank"]) == (counted["good"], counted["bad"], counted["blank"])
    assert meta["records"] == counted["good"] + counted["bad"]


def test_strict_ends_with_4_and_no_final_file(messy: Path, tmp_path: Path) -> None:
    done = forked("score", messy, "-o", tmp_path / "out.jsonl", *FAKE, "--strict")
    assert done.code == 4
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "out.jsonl.errors.jsonl").exists()


def test_a_percentage_of_errors_counts_from_100_records_on(tmp_path: Path) -> None:
    few, many = tmp_path / "few.jsonl", tmp_path / "many.jsonl"
    few.write_bytes(lines(10) + b"bad\n" * 20)
    many.write_bytes(lines(100) + b"bad\n" * 20)
    assert forked("score", few, "-o", tmp_path / "few.out", *FAKE, "--max-errors", "10%").code == 3
    assert forked("score", many, "-o", tmp_path / "many.out", *FAKE, "--max-errors", "10%").code == 4
    assert forked("score", many, "-o", tmp_path / "more.out", *FAKE, "--max-errors", "20%").code == 3


@pytest.mark.parametrize("count", [1, 99, 150])
def test_input_of_which_all_is_bad_is_refused_before_the_model_is_looked_for(tmp_path: Path, count: int) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"question": "tea?", "passages": ["leaf"]}\n' * count + (lines(1) if count > 100 else b""))
    done = forked("score", source, "-o", tmp_path / "out.jsonl", "--model", "./no/such/model")
    assert done.code == 4
    assert "question" in done.said
    assert "query" in done.said
    assert "rerank check" in done.said
    assert sorted(files_of(tmp_path)) == ["in.jsonl"]


def test_99_bad_records_before_a_good_one_are_errors_and_no_refusal(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"bad\n" * 99 + lines(1))
    assert forked("score", source, "-o", tmp_path / "out.jsonl", *FAKE).code == 3


def test_with_standard_output_errors_are_json_lines_in_printable_ascii_on_standard_error(
    messy: Path, make_messy: ModuleType
) -> None:
    done = rerank("score", messy, "-o", "-", *FAKE, "-q")
    assert done.code == 3
    assert len(done.records) == len(of_verdict(make_messy, "good"))
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in done.stderr)
    errors = errors_in(b"\n".join(line for line in done.stderr.splitlines() if line.startswith(b"{")))
    assert [(error["line"], raw_of(error)) for error in errors] == of_verdict(make_messy, "bad")


def test_with_standard_output_a_named_errors_file_takes_them(
    messy: Path, make_messy: ModuleType, tmp_path: Path
) -> None:
    named = tmp_path / "errors.jsonl"
    done = rerank("score", messy, "-o", "-", "--errors", named, *FAKE, "-q")
    assert done.code == 3
    assert b"{" not in done.stderr
    assert len(errors_in(named.read_bytes())) == len(of_verdict(make_messy, "bad"))


def test_an_errors_file_of_an_earlier_run_goes_when_all_is_well_now(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(2) + b"bad\n")
    assert forked("score", source, "-o", output, *FAKE).code == 3
    source.write_bytes(lines(2))
    assert forked("score", source, "-o", output, *FAKE, "--overwrite").code == 0
    assert not Path(f"{output}.errors.jsonl").exists()


def test_a_line_beyond_the_limit_is_one_error_record_and_its_neighbours_are_scored(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    long = b'{"query": "' + b"x" * 300_000 + b'"}'
    source.write_bytes(lines(1) + long + b"\n" + lines(1, start=1))
    assert forked("score", source, "-o", output, *FAKE, "--max-line-bytes", "100000").code == 3
    [error] = errors_in(Path(f"{output}.errors.jsonl").read_bytes())
    assert error["line"] == 2
    assert raw_of(error) == long[: 64 * 1024]
    assert len(output.read_bytes().splitlines()) == 2


def test_a_record_with_too_many_candidates_is_an_error_record(ten: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(ten.read_bytes() + b'{"query": "q", "candidates": ["a", "b", "c", "d", "e"]}\n')
    done = rerank("score", source, "-o", "-", *FAKE, "--max-candidates", "4", "-q")
    assert done.code == 3
    assert len(done.records) == 10
    assert "$.candidates" in done.said


def test_check_finds_the_same_bad_lines_as_score(messy: Path, make_messy: ModuleType) -> None:
    figures = dict(
        line.rsplit(maxsplit=1) for line in forked("check", messy).stdout.decode().partition("\n\n")[0].splitlines()
    )
    assert int(figures["good"]) == len(of_verdict(make_messy, "good"))
    assert int(figures["bad"]) == len(of_verdict(make_messy, "bad"))
    assert int(figures["blank lines"]) == len(of_verdict(make_messy, "blank"))
