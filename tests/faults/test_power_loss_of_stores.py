"""Power lost between any two calls of a store: what a run has seen is there, and no number is given twice.

A small program writes to a store and notes what a run that begins would see. Its calls are recorded, and replayed up to
each of them on a small model of a file system (tests/support/power.py).
"""

import shutil
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from support.points import Points
from support.power import CALLS, Call, Disk, Files, recorded
from support.stores import VALUES, Kind, begun, key, opened
from support.tracing import needs_strace, traced

pytestmark = needs_strace

PROGRAM = """
import os
import sys
from pathlib import Path

import orjson

sys.path.insert(0, sys.argv[4])
from support.stores import VALUES, begun, key, opened

folder = Path(sys.argv[1])
kind = next(kind for kind in VALUES if kind.__name__ == sys.argv[2])
noted = os.open(folder / "noted", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
store = opened(kind, folder)
for write in range(6):
    _, seen = begun(store)
    os.write(noted, orjson.dumps([seen.number, seen.epoch, seen.entries], option=orjson.OPT_APPEND_NEWLINE))
    numbers = range(write * 20, write * 20 + 20)
    store.add(1, [(key(number), VALUES[kind](number)) for number in numbers])
    if write == 3:
        store.keep_within(int(sys.argv[3]), 2**62)
    else:
        store.keep_within(10 * int(sys.argv[3]), 2**62)
store.close()
"""
MOST = {"ScoreStore": "2600", "VectorStore": "4000"}  # bytes: less than four writes take
KEYS = [key(number) for number in range(120)]
FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a program did to a store."""

    kind: Kind
    folder: Path
    begin: Files
    calls: list[Call]

    def points(self, calls: Sequence[Call]) -> list[tuple[str, Files, list[list[int]]]]:
        """What every kind of loss leaves at every moment, and what had been noted by then; the same files once."""
        disk, found = Disk(self.begin), {}
        for call in [None, *calls]:
            if call is not None:
                disk.do(call)
            noted = [orjson.loads(line) for line in disk.now().get("noted", b"").splitlines()]
            for loss, files in disk.losses():
                left = {name: content for name, content in files.items() if name != "noted"}
                found[loss, *sorted(left.items())] = loss, left, noted  # the latest has the most noted
        return list(found.values())

    def check(self, left: Files, noted: list[list[int]]) -> None:
        """What was noted is there, and what a run that begins now notes is something else."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name, content in left.items():
            (self.folder / name).write_bytes(content)
        store = opened(self.kind, self.folder)
        _, seen = begun(store)
        entries, damaged = store.find(KEYS, seen.number)
        assert damaged == []
        assert all(value == VALUES[self.kind](KEYS.index(each)) for each, value in entries.items())
        assert len(entries) == seen.entries
        for number, epoch, count in noted:
            assert seen.number > number
            assert seen.epoch >= epoch
            if seen.epoch == epoch:
                assert len(store.find(KEYS, number)[0]) == count
        store.add(1, [(key(500), VALUES[self.kind](500))])
        assert store.find([key(500)], begun(store)[1].number)[0] == {key(500): VALUES[self.kind](500)}
        store.close()
        with sqlite3.connect(self.folder / self.kind.name) as direct:
            assert direct.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        direct.close()

    def holds(self, left: Files, noted: list[list[int]]) -> bool:
        try:
            self.check(left, noted)
        except AssertionError:
            return False
        return True


@pytest.fixture(scope="module", params=VALUES, ids=lambda kind: kind.__name__)
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    kind: Kind = request.param
    base = tmp_path_factory.mktemp("power")
    opened(kind, folder := base / "store").close()
    begin = {path.name: path.read_bytes() for path in folder.iterdir()}
    with sqlite3.connect(folder / kind.name) as direct:
        ((store,),) = direct.execute("SELECT id FROM store").fetchall()
    direct.close()
    names = ["noted", kind.name, f"{kind.name}-wal", *(f"vectors-{store[:8]}-{number}.f16" for number in range(1, 9))]
    code = traced(
        [folder, kind.__name__, MOST[kind.__name__], FOLDER],
        [folder, *(folder / name for name in names)],
        base / "log",
        text=1 << 20,
        calls=(*CALLS, "pwrite64", "fdatasync"),
        command=[sys.executable, "-c", PROGRAM],
    )
    assert code == 0
    return Recording(kind, folder, begin, recorded(base / "log", folder))


def test_the_program_drops_entries_and_is_seen_whole(recording: Recording) -> None:
    disk = Disk(recording.begin)
    for call in recording.calls:
        disk.do(call)
    noted = [orjson.loads(line) for line in disk.now()["noted"].splitlines()]
    assert [epoch for _, epoch, _ in noted] == [1, 1, 1, 1, 2, 2]
    whole = disk.now()
    del whole["noted"]
    recording.check(whole, noted)
    synced = [call for call in recording.calls if call.name == "fdatasync"]
    assert len(synced) > len(noted)


def test_after_a_loss_of_power_at_any_moment_what_was_noted_is_there(recording: Recording, points: Points) -> None:
    found = recording.points(recording.calls)
    for loss in sorted({loss for loss, _, _ in found}):
        for _, left, noted in points.of([point for point in found if point[0] == loss], sample=10):
            with points.trying(f"power loss of a store: {loss}"):
                recording.check(left, noted)
