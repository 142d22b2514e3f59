"""Power lost between any two calls of a run, and losing what it may: resumed, the bytes are golden, commits are kept.

The calls are recorded by strace, replayed on a small model of a file system (tests/power.py) up to each of them, and
what the model holds after the loss is put into the folder and resumed.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.points import Points
from support.power import CALLS, Call, Disk, Files, recorded
from support.running import files_of, forked, lines
from support.tracing import needs_strace, traced

from rerank_cli.files.journal import decode
from rerank_cli.files.lock import LINE
from rerank_cli.files.paths import Paths

pytestmark = needs_strace

META = b'{"fingerprint": {}, "output_bytes": 4, "output_crc32": 0}\n'
MEMORY = Path("/dev/shm")  # waiting for a disk would be most of the time
OPTIONS = ("--model", "fake:composition=1", "--batch-tokens", "64", "--window-tokens", "256", "-q")
COUNTS = ("records", "scored", "failed", "blank", "pairs", "duplicate_pairs", "windows", "batches", "deterministic")
RUNS = [("out.jsonl", "first"), ("out.jsonl", "continued"), ("out.jsonl", "replacing")]
RUNS += [("out.jsonl.gz", "first"), ("out.jsonl.gz", "continued")]
SYNCED = {  # what a run syncs, and where it is called so at that moment
    "the output": ".partial",
    "the errors": ".errors.jsonl.partial",
    "the journal": ".journal",
    "a new journal": ".journal.tmp",
    "the meta data": ".meta.json.partial.tmp",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A moment at which power was lost, what was left, and how many records the run had said to be committed."""

    moment: int
    loss: str
    files: Files
    committed: int

    @property
    def left(self) -> tuple[object, ...]:
        """What makes it another point than others: what was left by which loss."""
        return self.loss, tuple(sorted(self.files.items()))


@dataclass(frozen=True, slots=True)
class Recording:
    """A run from `begin` to `golden`, by its calls. Its files must lie in `folder`: the journal says where they are."""

    folder: Path
    source: Path
    form: str
    begin: Files
    golden: Files
    calls: list[Call]

    @property
    def command(self) -> list[str | Path]:
        flags = ["--resume", "--overwrite"] if self.form in self.begin else ["--resume"]
        return ["score", self.source, "-o", self.folder / self.form, *OPTIONS, *flags]

    def put(self, files: Files) -> None:
        """Make the folder hold these files and no others."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)

    def points(self, calls: Sequence[Call] | None = None) -> list[Point]:
        """Every moment between two calls with every loss; the same files after the same kind of loss once."""
        disk, committed = Disk(self.begin), records_in(self.begin.get(f"{self.form}.journal", b""))
        claimed = committed
        points = {}
        for moment, call in enumerate([None, *(self.calls if calls is None else calls)]):
            if call is not None:
                if not (call.name == "fsync" and disk.target(call) == f"{self.form}.journal"):
                    committed = claimed  # it went on after its line: now the commit must hold
                disk.do(call)
                if call.name == "write":
                    claimed = records_in(call.arguments[1]) or claimed
            for loss, files in disk.losses():
                point = Point(moment, loss, files, committed)
                points[point.left] = point  # the latest has the most committed
        return list(points.values())

    def check(self, point: Point) -> None:
        """What was there is never half a file; resumed, it is golden, and what was committed is not done again."""
        old = self.begin.get(self.form)
        left = {**point.files, f"{self.form}.lock": LINE}  # it was durable before anything else was there
        assert point.files.get(self.form, old) in (old, self.golden[self.form]), "FILE is not old and not complete"
        self.put(left)
        done = forked(*self.command, cwd=self.folder)
        assert done.code in (0, 3), done.said
        found = files_of(self.folder)
        assert_golden(found, self.golden, self.form)
        if b'"finishing"' not in point.files.get(f"{self.form}.journal", b"") and not self.is_final(point.files):
            assert meta_of(found, self.form)["resumed_records"] >= point.committed

    def is_final(self, files: Files) -> bool:
        """Whether FILE is there and complete."""
        return files.get(self.form) == self.golden[self.form]


def records_in(journal: bytes) -> int:
    """How many records the last commit of some journal lines speaks of."""
    lines = [line for raw in journal.splitlines(keepends=True) if (line := decode(raw))]
    return next((line["counters"]["records"] for line in reversed(lines) if line["kind"] == "commit"), 0)


def meta_of(files: Files, form: str) -> dict[str, Any]:
    return json.loads(files[f"{form}.meta.json"])


def assert_golden(found: Files, golden: Files, form: str) -> None:
    """The same output and errors byte for byte, the same counts, and nothing else there."""
    assert found.keys() == golden.keys()
    one, other = meta_of(found, form), meta_of(golden, form)
    assert {name: one[name] for name in COUNTS} == {name: other[name] for name in COUNTS}
    for name in (form, f"{form}.errors.jsonl"):
        assert found[name] == golden[name]


def record_of(base: Path, form: str, begin: Files) -> Recording:
    """Run it under strace from these files on."""
    recording = Recording(base / "run", base / "in.jsonl", form, begin, {}, [])
    recording.put(begin)
    watched = [recording.folder, *Paths.of(str(recording.folder / form), None).all()]
    assert traced(recording.command, watched, base / "log", calls=CALLS, text=1 << 20) == 3
    golden, calls = files_of(recording.folder), recorded(base / "log", recording.folder)
    return Recording(recording.folder, recording.source, form, begin, golden, calls)


def in_the_third_window(first: Recording) -> Files:
    """As a first run was after it had written the records of its third window."""
    disk, commits = Disk({}), 0
    for call in first.calls:
        disk.do(call)
        if call.name == "write":
            if commits == 2:
                break
            commits += b'"kind":"commit"' in call.arguments[1]
    return disk.now()


def old_files(form: str) -> Files:
    """As another run left them."""
    return {form: b"old\n", f"{form}.errors.jsonl": b"old errors\n", f"{form}.meta.json": META}


@pytest.fixture(scope="module", params=RUNS, ids=" ".join)
def recording(request: pytest.FixtureRequest) -> Iterator[Recording]:
    form, phase = request.param
    begin: Files = old_files(form) if phase == "replacing" else {}
    with tempfile.TemporaryDirectory(prefix="rerank-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        content = [lines(3), b"bad\n", lines(3, 3), b"\n\xff\n", lines(3, 6), b"{}\n", lines(3, 9)]
        (Path(folder) / "in.jsonl").write_bytes(b"".join(content))
        found = record_of(Path(folder), form, begin)
        yield record_of(Path(folder), form, in_the_third_window(found)) if phase == "continued" else found


def test_with_nothing_lost_the_model_holds_the_files_of_the_run(recording: Recording) -> None:
    disk = Disk(recording.begin)
    for call in recording.calls:
        disk.do(call)
    assert disk.now() == recording.golden
    written = b"".join(call.arguments[1] for call in recording.calls if call.name == "write")
    assert written.count(b'"kind":"commit"') >= 3
    assert b'"reason"' in written, "an error record"


def test_after_a_loss_of_power_at_any_moment_the_bytes_are_golden_and_commits_are_kept(
    recording: Recording, points: Points
) -> None:
    found = recording.points()
    for loss in sorted({point.loss for point in found}):
        for point in points.of([point for point in found if point.loss == loss], sample=2):
            with points.trying(f"power loss: {loss}"):
                recording.check(point)


def test_file_gets_its_name_last(recording: Recording) -> None:
    renamed = [call.arguments[1].decode() for call in recording.calls if call.name == "rename"]
    form = recording.form
    assert renamed[-3:] == [f"{form}.errors.jsonl", f"{form}.meta.json", form]


def test_what_a_run_that_ended_has_made_survives(recording: Recording, points: Points) -> None:
    disk = Disk(recording.begin)
    for call in recording.calls:
        disk.do(call)
    for _, files in disk.losses():
        with points.trying("power loss: after the end"):
            assert files.items() >= recording.golden.items()


def without_syncs(recording: Recording, what: str) -> list[Call]:
    """The calls without the syncs of one of SYNCED, or of the folder."""
    disk, kept = Disk(recording.begin), []
    name = recording.form + SYNCED[what] if what in SYNCED else "."
    for call in recording.calls:
        if not (call.name == "fsync" and disk.target(call) == name):
            kept.append(call)
        disk.do(call)
    assert len(kept) < len(recording.calls)
    return kept


def holds(recording: Recording, point: Point) -> bool:
    try:
        recording.check(point)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("recording", [("out.jsonl", "first")], ids=" ".join, indirect=True)
@pytest.mark.parametrize("what", [*SYNCED, "the folder"])
def test_a_sync_that_is_left_out_is_noticed(recording: Recording, points: Points, what: str) -> None:
    known = {point.left for point in recording.points()}
    new = [point for point in recording.points(without_syncs(recording, what)) if point.left not in known]
    with points.trying("power loss: syncs left out are noticed"):
        assert not all(holds(recording, point) for point in new)
