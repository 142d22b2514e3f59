"""A reranking API that misbehaves, at any request of a run: right scores, or a clear end after which a run continues.

Whatever the server does, the output has only records with the scores that it meant. Every other record is in the errors
file, or is scored when the run continues.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.points import Points
from support.running import commits, files_of, kill_after_commits, lines, rerank
from support.stub_api import (
    Fault,
    Stub,
    bomb,
    cut,
    hang_up,
    huge,
    page,
    raw,
    redirected,
    refused,
    score_of,
    serving,
    stall,
    with_results,
)

from rerank_cli.cli import process
from rerank_cli.core.dialects import PROFILES
from rerank_cli.core.ranking import rank
from rerank_cli.engines import remote_client, remote_retry

RECORDS = 12
SMALL = ("--window-tokens", "100", "--concurrency", "2", "-q")
KEY = "planted-7f3a"
AT_ONCE = {"Retry_After_Ms": "0"}


def wrong(change: Callable[[list[dict[str, Any]]], Any]) -> Fault:
    return with_results(change)


PASSING: dict[str, Fault] = {
    "429": refused(429, **AT_ONCE),
    "429 with a date": refused(429, Retry_After="Fri, 01 Jan 2021 00:00:00 GMT"),
    "429 with a reset": refused(429, X_RateLimit_Reset="0"),
    "500": refused(500, **AT_ONCE),
    "502 as a page": page(502),
    "503": refused(503, **AT_ONCE),
    "a page": page(),
    "an empty answer": raw(b""),
    "half of the JSON": raw(b'{"results": [{"index": 0, '),
    "a cut": cut,
    "no answer": hang_up,
    "a stall": stall,
    "an answer without an end": huge,
    "a bomb": bomb,
}
WRONG: dict[str, Fault] = {
    "an index twice": wrong(lambda results: [results[0], *results]),
    "an index missing": wrong(lambda results: results[1:]),
    "an index too large": wrong(lambda results: [{**each, "index": each["index"] + 1} for each in results]),
    "NaN": wrong(lambda results: [{**each, "relevance_score": float("nan")} for each in results]),
    "no numbers": wrong(lambda results: [{**each, "relevance_score": None} for each in results]),
    "422": refused(422, "this text is bad"),
}
ENDING: dict[str, Fault] = {
    "401": refused(401, f"wrong key {KEY}"),
    "402": refused(402),
    "403": refused(403),
    "404": refused(404),
    "a redirect": redirected("http://127.0.0.1:9/"),
    "a wait of a day": refused(429, Retry_After="86400"),
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_retry, "FIRST_S", 0.001)
    monkeypatch.setattr(remote_client, "READ_S", 0.2)
    monkeypatch.setenv("RERANK_API_KEY", KEY)


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with serving(Stub(PROFILES["llamacpp"], key=KEY)) as stub:
        yield stub


class Run:
    """Runs of one input against one server, in this process; every file is searched for the key."""

    def __init__(self, server: Stub, folder: Path) -> None:
        self.server, self.folder = server, folder
        (folder / "in.jsonl").write_bytes(lines(RECORDS))
        self.golden = {json.loads(line)["id"]: self._meant(json.loads(line)) for line in lines(RECORDS).splitlines()}

    @staticmethod
    def _meant(record: dict[str, Any]) -> list[int]:
        """The order of a record's candidates by the scores that the server means."""
        texts = [each["text"] for each in record["candidates"]]
        return list(rank([score_of(record["query"], text) for text in texts], has_logits=False).indices)

    def go(self, faults: Callable[[int], Fault | None], *options: str) -> int:
        server = self.server
        server.number, server.faults = 0, faults
        return process.run(
            ["score", f"{self.folder}/in.jsonl", "-o", f"{self.folder}/out", "--model", server.url, *SMALL, *options]
        )

    def check(self, capfd: pytest.CaptureFixture[str]) -> tuple[set[str], list[Any]]:
        """The ids of scored records, which are right, and the errors; the key is nowhere."""
        said = capfd.readouterr()
        assert KEY not in said.out + said.err
        assert "Traceback" not in said.err
        files = files_of(self.folder)
        assert not any(KEY.encode() in content for content in files.values())
        written = [json.loads(line) for line in files.get("out", b"").splitlines()]
        for record in written:
            assert [each["index"] for each in record["candidates"]] == self.golden[record["id"]]
        return {each["id"] for each in written}, [
            json.loads(line) for line in files.get("out.errors.jsonl", b"").splitlines()
        ]

    def clear(self) -> None:
        for path in self.folder.glob("out*"):
            path.unlink()


@pytest.fixture
def run(server: Stub, quick_folder: Path) -> Run:
    return Run(server, quick_folder)


def at(numbers: set[int], fault: Fault) -> Callable[[int], Fault | None]:
    return lambda number: fault if number in numbers else None


def after(number: int, fault: Fault) -> Callable[[int], Fault | None]:
    return lambda asked: fault if asked > number else None


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_changes_no_byte(
    name: str, run: Run, points: Points, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run.go(lambda _number: None) == 0
    golden = files_of(run.folder)["out"]
    run.clear()
    for number in points.of(range(1, RECORDS + 1), 2):
        with points.trying("remote: a fault that passes"):
            assert run.go(at({number, number + 2}, PASSING[name])) == 0
            assert files_of(run.folder)["out"] == golden
            run.check(capfd)
            run.clear()


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_wrong_is_an_error_record(
    name: str, run: Run, points: Points, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in points.of(range(1, RECORDS + 1), 2):
        with points.trying("remote: a wrong answer"):
            numbers = set(range(number, number + 7)) if name == "422" else {number}  # with its halves
            assert run.go(at(numbers, WRONG[name])) == 3
            scored, errors = run.check(capfd)
            failed = {json.loads(error["raw"])["id"] for error in errors}
            assert failed
            assert scored | failed == run.golden.keys()
            assert not scored & failed
            run.clear()


@pytest.mark.parametrize("name", [*ENDING, "500"])
def test_a_fault_that_stays_ends_the_run_and_it_continues(
    name: str, run: Run, points: Points, capfd: pytest.CaptureFixture[str]
) -> None:
    fault = ENDING.get(name) or refused(500, **AT_ONCE)
    for number in points.of(range(RECORDS), 3):
        with points.trying("remote: a fault that stays"):
            code = run.go(after(number, fault))
            passing = name in ("a wait of a day", "500")
            # with two in flight the first may be refused before the other is answered
            assert code in ((75,) if passing else (6,) if not number else (6, 75) if number < 3 else (75,))
            assert not (run.folder / "out").exists()
            run.check(capfd)
            done = run.go(lambda _number: None, "--resume")
            assert done == 0
            assert run.check(capfd) == (run.golden.keys(), [])
            run.clear()


def test_killed_beside_a_server_that_misbehaves_a_run_continues_exactly(
    server: Stub, quick_folder: Path, points: Points
) -> None:
    (quick_folder / "in.jsonl").write_bytes(lines(RECORDS))
    (quick_folder / "key").write_text(KEY)
    (quick_folder / "key").chmod(0o600)
    options = ("--model", server.url, *SMALL, "--api-key-file", str(quick_folder / "key"))
    server.faults = lambda _number: None
    golden = quick_folder / "golden"
    assert rerank("score", quick_folder / "in.jsonl", "-o", golden, *options).code == 0
    server.faults = lambda number: refused(429, **AT_ONCE) if number % 3 == 0 else None
    for count in points.of(range(1, RECORDS), 2):
        with points.trying("remote: kill -9"):
            out = quick_folder / f"out{count}"
            arguments = ("score", quick_folder / "in.jsonl", "-o", out, *options, "--resume")
            for _ in range(RECORDS):
                if kill_after_commits(commits(out) + count, out, *arguments) == 0:
                    break
            assert out.read_bytes() == golden.read_bytes()
